"""From a prompt and a composition to pictures: many different rows in one batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dressform.adapters.stack import AdapterStack
from dressform.backbones.protocol import Backbone
from dressform.backbones.rounding import rounded
from dressform.dress.weighting import encode, length
from dressform.errors import BadInput

_MOST_GUIDANCE = 100
MOST_STEPS = 250
"""Diffusers' DDIM goes 1000 // steps whole times at a step: far above, the next step stands elsewhere, and 1000 reach past the last."""
_AT_ONCE_PX = 1 << 20
"""Pixels drawn side by side: one picture of 1024 x 1024, four of 512 x 512. A card may not hold more."""


@dataclass(frozen=True)
class Row:
    """One picture to draw: a prompt (with A1111's weights where they are wanted), a seed, and the scale of each adapter of the stack."""

    prompt: str
    seed: int
    scales: tuple[float, ...]


@dataclass(frozen=True)
class SampleConfig:
    """How pictures are drawn."""

    steps: int = 20
    guidance: float | None = None
    """None: what pictures of the base model are usually drawn with."""
    batch: int = 16
    """At most so many pictures side by side; fewer where they are large."""

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_STEPS:
            raise BadInput(f"--steps {self.steps}: use 1 to {MOST_STEPS}")
        if self.guidance is not None and not 0 <= self.guidance <= _MOST_GUIDANCE:
            raise BadInput(f"--guidance {self.guidance:g}: use 0 to {_MOST_GUIDANCE} (1: none), or leave it out")


def draw(
    backbone: Backbone,
    stack: AdapterStack,
    rows: Sequence[Row],
    config: SampleConfig,
    on_pictures: Callable[[int], None] = lambda _done: None,
) -> Tensor:
    """uint8 [n, 3, h, w]: each row drawn with its own adapters, different compositions side by side in one batch.

    The stack must be attached. Each row's noise comes from its own seed, so a row's picture does not depend on
    the others, but for rounding: to 1/255 in float32, to a few in bfloat16. Classifier-free guidance (Ho & Salimans 2022):
    e(empty) + guidance (e(prompt) - e(empty)).
    """
    drawn, batch = dict[int, Tensor](), max(1, min(config.batch, _AT_ONCE_PX // backbone.size_px**2))
    for own in _by_length(backbone, rows):
        for first in range(0, len(own), batch):
            some = own[first : first + batch]
            drawn |= zip(some, _draw_batch(backbone, stack, [rows[i] for i in some], config), strict=True)
            on_pictures(len(drawn))
    return torch.stack([drawn[i] for i in range(len(rows))])


def _by_length(backbone: Backbone, rows: Sequence[Row]) -> Collection[Sequence[int]]:
    """Numbers of the rows, those with prompts of one length together: a conditioning that is repeated changes last bits."""
    found: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        found.setdefault(length(backbone, row.prompt), []).append(i)
    return found.values()


def _draw_batch(backbone: Backbone, stack: AdapterStack, rows: Sequence[Row], config: SampleConfig) -> Tensor:
    side = backbone.size_px // backbone.cell_px
    channels = backbone.latent_channels
    noise = torch.stack([torch.randn(channels, side, side, generator=torch.Generator().manual_seed(r.seed)) for r in rows])
    said = encode(backbone, ["", *dict.fromkeys(r.prompt for r in rows)])
    where = {prompt: i + 1 for i, prompt in enumerate(dict.fromkeys(r.prompt for r in rows))}
    text = said[[i for r in rows for i in (0, where[r.prompt])]]
    scales = torch.tensor([r.scales for r in rows], dtype=torch.float32).view(len(rows), len(stack.adapters))
    guidance = backbone.guidance if config.guidance is None else config.guidance
    noise, gates = noise.to(text.device), scales.repeat_interleave(2, 0)

    def guided(noisy: Tensor, t: Tensor) -> Tensor:
        """Each row twice, side by side: rows that wear the same stay neighbours."""
        empty, asked = backbone.predict(noisy.repeat_interleave(2, 0), t.repeat_interleave(2, 0), text).unflatten(0, (-1, 2)).unbind(1)
        return empty + guidance * (asked - empty)

    with torch.inference_mode(), stack.drawing(gates), rounded(backbone):
        return backbone.decode(backbone.sample(noise, guided, config.steps))
