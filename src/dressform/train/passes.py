"""Forward and backward passes of many adapters at once: each row with its own adapter, one loss for each adapter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dressform.adapters.stack import Adapter, AdapterStack
from dressform.backbones.protocol import Backbone
from dressform.train.config import TrainConfig
from dressform.train.data import Rows
from dressform.train.objective import Objective


@dataclass(frozen=True)
class Passes:
    """What every pass needs. The stack holds one learning adapter for each part of the rows, in order, then the frozen ones.

    ``min_snr`` is the gamma of Min-SNR weights, or None.
    """

    backbone: Backbone
    stack: AdapterStack
    objective: Objective
    min_snr: float | None = None

    def learn(self, parts: Sequence[Rows], micro_rows: int) -> list[float]:
        """Gradients of each adapter's mean loss over its own rows, left on its matrices; the losses.

        In micro-steps of at most ``micro_rows`` rows of each adapter (0: all at once); their gradients add up to the same.
        """
        rows = len(parts[0].t)
        size = micro_rows or rows
        total = torch.zeros(len(parts))
        for first in range(0, rows, size):
            per_row = self._losses([_slice(part, first, first + size) for part in parts])
            losses = per_row.sum(1) / rows
            losses.sum().backward()
            total += losses.detach().cpu()
        return total.tolist()

    def look(self, parts: Sequence[Rows], micro_rows: int) -> list[float]:
        """Each adapter's mean loss, without learning."""
        rows = len(parts[0].t)
        size = micro_rows or rows
        with torch.no_grad():
            found = [self._losses([_slice(part, i, i + size) for part in parts]) for i in range(0, rows, size)]
        return torch.cat(found, 1).mean(1).tolist()

    def _losses(self, parts: Sequence[Rows]) -> Tensor:
        """[adapters, rows of each]."""
        rows = Rows(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Rows)))
        noisy = self.backbone.add_noise(rows.latents, rows.noise, rows.t)
        rows_of_each = len(parts[0].t)
        each = torch.eye(len(parts)).repeat_interleave(rows_of_each, 0)
        frozen_columns = len(self.stack.adapters) - len(parts)

        def predict(frozen: bool, own: bool, text: Tensor | None = None) -> Tensor:
            gates = torch.cat([each * own, torch.full((len(each), frozen_columns), float(frozen))], dim=1)
            with self.stack.active(gates, rows_of_each):
                return self.backbone.predict(noisy, rows.t, rows.text if text is None else text)

        per_row = self.objective(predict, rows, self.backbone.target(rows.latents, rows.noise, rows.t))
        if self.min_snr is not None:
            per_row = per_row * self.backbone.loss_weight(rows.t, self.min_snr)
        return per_row.view(len(parts), -1)


@contextmanager
def attached(
    backbone: Backbone, adapters: Sequence[Adapter], frozen: Adapter | None, objective: Objective, config: TrainConfig
) -> Iterator[Passes]:
    """Passes with these adapters, and the frozen one, in the denoiser."""
    layers = backbone.target_layers(config.targets)
    with AdapterStack(layers, [*adapters, *([frozen] if frozen is not None else [])]).attached() as stack:
        with _saving(backbone, config):
            yield Passes(backbone, stack, objective, config.min_snr)


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


def _slice(rows: Rows, first: int, last: int) -> Rows:
    return Rows(*(getattr(rows, f.name)[first:last] for f in fields(Rows)))
