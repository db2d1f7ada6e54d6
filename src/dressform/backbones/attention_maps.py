"""Where a base model looks for the words of a caption, in a picture that is given: its cross-attention maps.

A noised latent is shown to the denoiser with the caption; the attention of picture cells to a word's rows says where it thinks
the word is (Hertz et al. 2022, Tang et al. 2023). A few times and a few half-cell moves of the picture are averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dressform.backbones.protocol import Backbone
from dressform.backbones.text import UNSEEN, Span
from dressform.errors import NotReady

_CROSS = "attn2"
_FINEST, _COARSEST = 32, 8
"""Cells a side between which a layer's map is used: coarser ones show no shape, finer ones follow edges and not words."""


@dataclass(frozen=True)
class Looks:
    """At which times (of 1000) the picture is shown, over how many moves a side, and the seed of its noise."""

    times: tuple[int, ...] = (100, 400)
    moves: int = 2
    seed: int = 0


def word_maps(backbone: Backbone, picture: Tensor, text: str, spans: Sequence[Span], looks: Looks) -> Tensor:
    """How much of each place looks at each span of the text: float [spans, side, side] for a uint8 picture [3, side, side].

    Raises NotReady where the base model has no layers in which picture cells attend to words.
    """
    side, rows = picture.shape[-1], backbone.rows_of(text, spans)
    words = backbone.encode_text([text])
    reach = side // 16
    offsets = [round(reach * (2 * i + 1) / looks.moves) - reach for i in range(looks.moves)]
    total = torch.zeros(len(spans), side, side)
    for dy in offsets:
        for dx in offsets:
            seen = _looked(backbone, _moved(picture.float(), dy, dx, reach).round().to(torch.uint8), words, looks)
            total += _moved(torch.stack([_of_rows(seen, r, side) for r in rows]), -dy, -dx, reach)
    return total / len(offsets) ** 2


def _looked(backbone: Backbone, picture: Tensor, text: Tensor, looks: Looks) -> list[Tensor]:
    """One map [cells, cells, rows] for each layer used, averaged over times."""
    latent = backbone.encode_pictures(picture[None])
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(looks.seed)).to(latent.device)
    n = len(looks.times)
    t = torch.tensor(looks.times, device=latent.device)
    with torch.no_grad(), recorded(backbone.denoiser) as found:
        backbone.predict(backbone.add_noise(latent.expand(n, -1, -1, -1), noise.expand(n, -1, -1, -1), t), t, text.expand(n, -1, -1))
    usable = {name: m.mean(0) for name, m in found.maps.items() if _COARSEST**2 <= m.shape[1] <= _FINEST**2}
    last = {name.split(".attentions.")[0]: m for name, m in usable.items() if name.startswith("up_blocks")}
    if not last:
        raise NotReady(UNSEEN)
    return [m.unflatten(0, (round(m.shape[0] ** 0.5), -1)) for m in last.values()]


def _of_rows(seen: list[Tensor], rows: list[int], side: int) -> Tensor:
    """The attention to these rows at the picture's size, the mean over layers: [side, side]."""
    maps = [m[..., rows].sum(-1)[None, None] for m in seen]
    return torch.stack([functional.interpolate(m, size=(side, side), mode="bilinear")[0, 0] for m in maps]).mean(0).cpu()


def _moved(planes: Tensor, dy: int, dx: int, reach: int) -> Tensor:
    """[n, h, w] moved down and to the right, its border repeated."""
    h, w = planes.shape[-2:]
    wide = functional.pad(planes[None], (reach,) * 4, mode="replicate")[0]
    return wide[:, reach - dy : reach - dy + h, reach - dx : reach - dx + w]


@dataclass
class Recording:
    """Maps of the layers that worked while it was on, by name: [n, cells, rows], the mean over heads."""

    maps: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def recorded(denoiser: Any) -> Iterator[Recording]:
    """Cross-attention layers that keep their maps while the block runs; what they compute is unchanged, and so are they after it."""
    recording, before = Recording(), {}
    for name, module in denoiser.named_modules():
        if name.rsplit(".", 1)[-1] == _CROSS:
            before[module] = module.processor
            module.set_processor(_Keeping(name, recording))
    try:
        yield recording
    finally:
        for module, processor in before.items():
            module.set_processor(processor)


class _Keeping:
    """An attention processor (as diffusers calls them) that computes plain attention and keeps the probabilities."""

    def __init__(self, name: str, recording: Recording) -> None:
        self._name, self._recording = name, recording

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_unused: Any) -> Tensor:
        words = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (self._heads(x, attn.heads) for x in (attn.to_q(hidden_states), attn.to_k(words), attn.to_v(words)))
        share = (q @ k.transpose(-1, -2) * attn.scale).softmax(-1)
        self._recording.maps[self._name] = share.mean(1).float()
        return attn.to_out[1](attn.to_out[0]((share @ v).transpose(1, 2).flatten(2)))

    @staticmethod
    def _heads(x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)
