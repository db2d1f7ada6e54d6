"""Forward and backward passes of many adapters at once: each row with its own adapter, one loss for each adapter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dressform.adapters.stack import Adapter, AdapterStack
from dressform.backbones.protocol import Backbone
from dressform.backbones.rounding import rounded
from dressform.train import scaling
from dressform.train.config import TrainConfig
from dressform.train.data import Rows
from dressform.train.objective import Objective

Frozen = Adapter | Sequence[Adapter | None] | None
"""What learning adapters learn on top of: one for all of them, one for each, or nothing."""


@dataclass(frozen=True)
class Passes:
    """What every pass needs. The stack holds one learning adapter for each part of the rows, in order, then the frozen ones.

    ``under`` [learning adapters, frozen ones] is 1 where one learns on top of the other. ``min_snr`` is the gamma of Min-SNR weights,
    or None.
    """

    backbone: Backbone
    stack: AdapterStack
    under: Tensor
    objective: Objective
    min_snr: float | None = None

    def learn(self, parts: Sequence[Sequence[Rows]], micro_rows: int) -> list[float]:
        """Gradients of each adapter's mean loss over its own rows, left on its matrices; the losses.

        A pass holds rows of one size and length of text, in micro-steps at most ``micro_rows`` of each adapter (0: all); gradients add
        up to the same. Raises Failed where float16 does not reach.
        """
        if self.backbone.float16:
            return scaling.learned(self.stack.adapters[: len(parts)], lambda scales: self._learn(parts, micro_rows, scales))
        return self._learn(parts, micro_rows, [1.0] * len(parts))

    def _learn(self, parts: Sequence[Sequence[Rows]], micro_rows: int, scales: Sequence[float]) -> list[float]:
        """The losses; the gradients are those of each adapter's loss times its scale."""
        counts = [_count(part) for part in parts]
        total = torch.zeros(len(parts))
        for batch in _passes(parts, micro_rows):
            losses = [per_row.sum() / counts[i] for (i, _), per_row in zip(batch, self._losses(batch), strict=True)]
            torch.stack([loss * scales[i] for (i, _), loss in zip(batch, losses, strict=True)]).sum().backward()
            for (i, _), loss in zip(batch, losses, strict=True):
                total[i] += loss.detach().cpu()
        return total.tolist()

    def look(self, parts: Sequence[Sequence[Rows]], micro_rows: int) -> list[float]:
        """Each adapter's mean loss, without learning."""
        found: list[list[Tensor]] = [[] for _ in parts]
        with torch.no_grad():
            for batch in _passes(parts, micro_rows):
                for (i, _), per_row in zip(batch, self._losses(batch), strict=True):
                    found[i].append(per_row)
        return [float(torch.cat(losses).mean()) for losses in found]

    def _losses(self, batch: Sequence[Part]) -> Sequence[Tensor]:
        """The loss of each row, for each part of the batch."""
        rows = Rows(*(torch.cat([getattr(part, f.name) for _, part in batch]) for f in fields(Rows)))
        noisy = self.backbone.add_noise(rows.latents, rows.noise, rows.t)
        counts = [len(part.t) for _, part in batch]
        columns = [i for i, part in batch for _ in part.t]
        each, under = torch.eye(len(self.under))[columns], self.under[columns]

        def predict(frozen: bool, own: bool, text: Tensor | None = None, at: Tensor | None = None) -> Tensor:
            said = self.backbone.framed(rows.text if text is None else text, rows.frames)
            gates = torch.cat([each * own, under * frozen], dim=1)
            if at is None:
                with self.stack.active(gates, math.gcd(*counts)):
                    return self.backbone.predict(noisy, rows.t, said)
            with self.stack.active(gates[at.cpu()], 1):
                return self.backbone.predict(noisy[at], rows.t[at], said[at])

        per_row = self.objective(predict, rows, self.backbone.target(rows.latents, rows.noise, rows.t))
        if self.min_snr is not None:
            per_row = per_row * self.backbone.loss_weight(rows.t, self.min_snr)
        return per_row.split(counts)


def under_each(frozen: Frozen, adapters: int) -> list[Adapter | None]:
    """What each of so many learns on top of."""
    return list(frozen) if isinstance(frozen, Sequence) else [frozen] * adapters


@contextmanager
def attached(
    backbone: Backbone, adapters: Sequence[Adapter], frozen: Frozen, objective: Objective, config: TrainConfig
) -> Iterator[Passes]:
    """Passes with these adapters, and the frozen ones that they learn on top of, in the denoiser."""
    below = under_each(frozen, len(adapters))
    others = [one for one in dict.fromkeys(below) if one is not None]
    under = torch.tensor([[float(one is other) for other in others] for one in below]).view(len(below), len(others))
    stack = AdapterStack(backbone.target_layers(config.targets), [*adapters, *others])
    worn_by_all = [0.0] * len(adapters) + under.min(0).values.tolist()
    with stack.attached(), _saving(backbone, config), stack.fused_where_exact(worn_by_all), rounded(backbone):
        yield Passes(backbone, stack, under, objective, config.min_snr)


@contextmanager
def _saving(backbone: Backbone, config: TrainConfig) -> Iterator[None]:
    """The denoiser set to take as little memory as the recipe says, then as it was."""
    backbone.checkpoint_gradients(config.recompute)
    before = backbone.offload(config.offload)
    try:
        yield
    finally:
        backbone.offload(before)
        backbone.checkpoint_gradients(False)


Part = tuple[int, Rows]
"""Rows of the adapter in this column of the stack."""


def _passes(parts: Sequence[Sequence[Rows]], micro_rows: int) -> Iterator[list[Part]]:
    """What goes through the denoiser together: size after size, rows of all adapters that have some of it.

    Texts are not repeated for the sake of another adapter's longer ones, and sizes come in an order of their own: either would change
    the last bits of what one learns alone.
    """
    sizes = sorted({_size(rows) for part in parts for rows in part})
    for size in sizes:
        here = [(i, rows) for i, part in enumerate(parts) for rows in part if _size(rows) == size]
        most = max(len(rows.t) for _, rows in here)
        for first in range(0, most, micro_rows or most):
            yield [(i, _slice(rows, first, first + (micro_rows or most))) for i, rows in here if len(rows.t) > first]


def _count(part: Sequence[Rows]) -> int:
    return sum(len(rows.t) for rows in part)


def _size(rows: Rows) -> tuple[int, ...]:
    return *rows.latents.shape[1:], rows.text.shape[1]


def _slice(rows: Rows, first: int, last: int) -> Rows:
    return Rows(*(getattr(rows, f.name)[first:last] for f in fields(Rows)))
