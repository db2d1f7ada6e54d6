"""What a run reads at each step: latents, captions' embeddings and masks, encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from dressform.backbones.conditioning import alike
from dressform.backbones.protocol import Backbone
from dressform.errors import NotReady
from dressform.train import draws

LEAST_TO_HOLD_OUT = 4
HELD_OUT_ROWS = 8
"""Rows of a look at what is held out."""


WHOLE = torch.zeros(6)
"""The frame of a picture that was neither cropped nor made smaller: its own size is all there is to say."""


@dataclass(frozen=True)
class Named:
    """A picture's captions once more, with a garment in them that it does not show. text and anchor [..., length, width]."""

    text: Tensor
    anchor: Tensor


@dataclass(frozen=True)
class Example:
    """One picture as the loop reads it. latents [c, h, w], text and anchor [length, width], mask [1, h, w] in 0..1.

    ``anchor`` is what the frozen base model is asked inside the mask where an objective holds on to it. ``frame`` [6] says how the
    picture was fitted (``Backbone.framed``).
    """

    latents: Tensor
    text: Tensor
    mask: Tensor
    anchor: Tensor
    frame: Tensor = WHOLE
    named: Named | None = None


class Examples(Protocol):
    """The pictures of one adapter, read one at a time."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    @property
    def digest(self) -> str:
        """A hash of everything that could change what is learned from them."""
        ...

    def at(self, i: int) -> Example:
        """The picture ``ids[i]``."""
        ...


@dataclass(frozen=True)
class TrainingSet:
    """Examples in memory. latents [n, c, h, w], text and anchor [n, length, width], masks [n, 1, h, w] in 0..1."""

    ids: tuple[str, ...]
    latents: Tensor
    text: Tensor
    masks: Tensor
    anchor: Tensor
    named: Named | None = None

    @property
    def digest(self) -> str:
        digest = hashlib.sha256("|".join(self.ids).encode())
        for tensor in (self.text, self.masks, self.anchor, *([self.named.text, self.named.anchor] if self.named else [])):
            digest.update(tensor.float().cpu().numpy().tobytes())
        return digest.hexdigest()

    def at(self, i: int) -> Example:
        named = self.named and Named(self.named.text[i], self.named.anchor[i])
        return Example(self.latents[i], self.text[i], self.masks[i], self.anchor[i], named=named)


@dataclass(frozen=True)
class Some:
    """A part of other examples: those at ``places``."""

    of: Examples
    places: tuple[int, ...]
    ids: tuple[str, ...]

    @property
    def digest(self) -> str:
        return self.of.digest

    def at(self, i: int) -> Example:
        return self.of.at(self.places[i])


@dataclass(frozen=True)
class Rows:
    """Rows of one step for one adapter: pictures of one size. ``said`` [n, 1, 1, 1] is 0 where the caption was left out, else 1.

    ``named`` [n, length, width] is the anchor with the garment that the row's caption names though the picture does not show it; the
    anchor itself where it names none. It, ``text`` and ``anchor`` are of one length.
    """

    latents: Tensor
    noise: Tensor
    t: Tensor
    text: Tensor
    masks: Tensor
    anchor: Tensor
    named: Tensor
    frames: Tensor
    said: Tensor


def garment_cells(masks: Tensor, cell_px: int) -> Tensor:
    """Masks at latent resolution, dilated by one cell: bool [n, h, w] in pixels -> float [n, 1, h / cell_px, w / cell_px]."""
    cells = functional.max_pool2d(masks[:, None].float(), cell_px)
    return functional.max_pool2d(cells, 3, stride=1, padding=1)


def encode(
    backbone: Backbone, ids: tuple[str, ...], pictures: Tensor, captions: list[str], masks: Tensor | None,
    anchors: list[str] | None = None, named: tuple[list[str], list[str]] | None = None,
) -> TrainingSet:  # fmt: skip
    """A TrainingSet from uint8 pictures [n, 3, h, w], bool masks [n, h, w] (None: no garment anywhere) and captions.

    ``named`` are the captions and the anchor's once more, each with a garment.
    """

    def encoded(said: list[str]) -> Tensor:
        return torch.cat(alike([backbone.encode_text([one]) for one in said]))

    latents = torch.cat([backbone.encode_pictures(one) for one in pictures.split(1)])  # alone, so that none depends on another
    text = encoded(captions)
    cells = torch.zeros(len(latents), 1, *latents.shape[2:]) if masks is None else garment_cells(masks, backbone.cell_px)
    anchor = text if anchors is None else encoded(anchors)
    return TrainingSet(ids, latents, text, cells.to(latents.device), anchor, named and Named(*map(encoded, named)))


def time_of(u: float, noisy_share: float) -> int:
    """A time step 0..999 for u in 0..1: uniform, but with ``noisy_share`` of them in the noisiest fifth.

    There the words decide what is drawn and the noisy picture tells least, so there an adapter's trigger word is learned.
    """
    even = 1 - noisy_share
    t = 1000 * u / even if u < even else 800 + 200 * (u - even) / noisy_share
    return min(999, int(t))


@dataclass(frozen=True)
class Shares:
    """Shares of rows, 0..1: without a caption, in the noisiest fifth of the times, called by a garment that the picture does not show."""

    left_out: float = 0.0
    noisy: float = 0.0
    garment: float = 0.0


AS_THEY_ARE = Shares()
"""Every picture with its own caption, at even times."""


def rows_at(data: Examples, empty: Tensor, seed: int, step: int, count: int, shares: Shares = AS_THEY_ARE) -> tuple[Rows, ...]:
    """The rows of one step: a reshuffled pass over the pictures, noise and times derived from (seed, step, picture).

    Which pictures, at which times, does not depend on their sizes; rows of one size stand together.
    """
    n = len(data.ids)
    picks, noises, times, said = [], [], [], []
    for j in range(count):
        position = step * count + j
        order = torch.randperm(n, generator=draws.generator(seed, "order", position // n))
        i = int(order[position % n])
        draw = draws.generator(seed, "row", step, f"{data.ids[i]}/{j}")
        u, keep = torch.rand(2, generator=draw).tolist()
        example = data.at(i)
        said.append(float(keep >= shares.left_out))
        times.append(time_of((j + u) / count, shares.noisy))
        noises.append(torch.randn(example.latents.shape, generator=draw))
        names = torch.rand(1, generator=draw).item() < shares.garment
        picks.append(_called(example, names) if said[-1] else replace(example, text=empty[0], anchor=empty[0], named=None))
    return _by_size(picks, noises, times, said)


def _called(example: Example, by_garment: bool) -> Example:
    """The picture with the captions that it has in one row: ``named`` stays only where they name the garment."""
    if example.named is None or not by_garment:
        return replace(example, named=None)
    return replace(example, text=example.named.text)


def held_out_rows(data: Examples, seed: int, count: int, noisy_share: float) -> tuple[Rows, ...]:
    """The same ``count`` rows at every look: pictures in turn, times spread evenly, noise derived from (seed, picture)."""
    picks = [j % len(data.ids) for j in range(count)]
    examples = [_called(data.at(i), False) for i in picks]
    noises = [
        draws.noise(tuple(e.latents.shape), seed, "held out", j, data.ids[i]) for j, (i, e) in enumerate(zip(picks, examples, strict=True))
    ]
    return _by_size(examples, noises, [time_of((j + 0.5) / count, noisy_share) for j in range(count)], [1.0] * count)


def apart(data: Examples, seed: int) -> tuple[Examples, Examples]:
    """(to learn from, held out): one picture in ten, at least one and no more than a look has rows, chosen by (seed, picture).

    Raises NotReady for fewer than four.
    """
    n = len(data.ids)
    if n < LEAST_TO_HOLD_OUT:
        raise NotReady(
            f"{n} pictures: until converged, one in ten is held out, which needs {LEAST_TO_HOLD_OUT}; add some, or train for steps"
        )
    shuffled = sorted(range(n), key=lambda i: draws.seed_of(seed, "hold out", 0, data.ids[i]))
    chosen = shuffled[: min(HELD_OUT_ROWS, max(1, n // 10))]
    held = set(chosen)
    return _some(data, [i for i in range(n) if i not in held]), _some(data, sorted(chosen))


def _some(data: Examples, places: Sequence[int]) -> Some:
    return Some(data, tuple(places), tuple(data.ids[i] for i in places))


def _by_size(examples: Sequence[Example], noises: Sequence[Tensor], times: Sequence[int], said: Sequence[float]) -> tuple[Rows, ...]:
    sizes: dict[torch.Size, list[int]] = {}
    for i, example in enumerate(examples):
        sizes.setdefault(example.latents.shape, []).append(i)
    return tuple(
        _rows([examples[i] for i in some], [noises[i] for i in some], [times[i] for i in some], [said[i] for i in some])
        for some in sizes.values()
    )


def _rows(examples: Sequence[Example], noises: Sequence[Tensor], times: Sequence[int], said: Sequence[float]) -> Rows:
    device = examples[0].latents.device
    latents, masks = (torch.stack([getattr(e, f) for e in examples]) for f in ("latents", "mask"))
    named = [e.anchor if e.named is None else e.named.anchor for e in examples]
    texts = torch.stack(alike([*(e.text for e in examples), *(e.anchor for e in examples), *named]))
    frames = torch.stack([e.frame.to(device) for e in examples])
    noise, t = torch.stack(list(noises)).to(device), torch.tensor(times, device=device)
    text, anchor, called = texts.split(len(examples))
    return Rows(latents, noise, t, text, masks, anchor, called, frames, torch.tensor(said, device=device).view(-1, 1, 1, 1))
