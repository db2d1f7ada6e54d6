"""The training loop: one, for one adapter or a whole wardrobe, for every objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from dressform.adapters.stack import Adapter, AdapterStack
from dressform.backbones.protocol import Backbone
from dressform.train.config import TrainConfig
from dressform.train.data import Rows, TrainingSet, rows_at
from dressform.train.events import OnStep, StepDone, silent
from dressform.train.objective import Objective


@dataclass(frozen=True)
class Job:
    """One adapter to train and its pictures."""

    adapter: Adapter
    data: TrainingSet


@dataclass(frozen=True)
class Previews:
    """Pictures while training: ``draw(stack, step)`` is called with the live stack, jobs' columns first, then the frozen one."""

    draw: Callable[[AdapterStack, int], None]
    every_steps: int


@dataclass(frozen=True)
class Saved:
    """Where a run keeps its checkpoint: ``load`` gives the last one or None; ``save`` replaces it."""

    load: Callable[[], bytes | None]
    save: Callable[[bytes], None]
    mark: str
    every_steps: int = 100


def lr_at(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to a twentieth."""
    warm = min(1.0, (step + 1) / config.warmup_steps)
    return config.learning_rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / config.steps)))


def train(
    backbone: Backbone,
    jobs: Sequence[Job],
    objective: Objective,
    config: TrainConfig,
    frozen: Adapter | None = None,
    saved: Saved | None = None,
    on_step: OnStep = silent,
    previews: Previews | None = None,
) -> None:
    """Train the adapters of all jobs together, in place, each exactly as if alone.

    ``frozen`` (the identity) is attached but never changes. Where ``saved`` holds a checkpoint of the same run,
    training goes on from it. An interrupt saves before it leaves.
    """
    from dressform.train import checkpoint

    adapters = [job.adapter for job in jobs]
    optimizers = [torch.optim.AdamW(a.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0) for a in adapters]
    first = 0
    if saved and (state := saved.load()) is not None:
        first = checkpoint.restore(state, saved.mark, adapters, optimizers)
    if frozen is not None:
        frozen.requires_grad_(False)
    stack = AdapterStack(backbone.target_layers(config.targets), [*adapters, *([frozen] if frozen is not None else [])])
    empty = backbone.encode_text([""])
    each = torch.eye(len(jobs)).repeat_interleave(config.rows, 0)
    done = first
    with stack.attached():
        try:
            for step in range(first, config.steps):
                rows = _joined(
                    [rows_at(job.data, empty, config.seed, step, config.rows, config.drop_caption, config.noisy_share) for job in jobs]
                )
                losses = _losses(backbone, stack, objective, rows, each)
                losses.sum().backward()
                _update(adapters, optimizers, config, step)
                done = step + 1
                on_step(StepDone(done, config.steps, dict(zip([a.info.name for a in adapters], losses.tolist(), strict=True))))
                if previews and done % previews.every_steps == 0:
                    previews.draw(stack, done)
                if saved and done % saved.every_steps == 0 and done < config.steps:
                    saved.save(checkpoint.to_bytes(done, saved.mark, adapters, optimizers))
        except KeyboardInterrupt:
            if saved and done > first:
                saved.save(checkpoint.to_bytes(done, saved.mark, adapters, optimizers))
            raise


def _losses(backbone: Backbone, stack: AdapterStack, objective: Objective, rows: Rows, each: Tensor) -> Tensor:
    """One loss for each job: the mean of its own rows."""
    device = rows.latents.device
    noisy = backbone.add_noise(rows.latents, rows.noise, rows.t)
    frozen_columns = len(stack.adapters) - each.shape[1]

    def predict(frozen: bool, own: bool, text: Tensor | None = None) -> Tensor:
        gates = torch.cat([each * own, torch.full((len(each), frozen_columns), float(frozen))], dim=1)
        with stack.active(gates.to(device)):
            return backbone.predict(noisy, rows.t, rows.text if text is None else text)

    per_row = objective(predict, rows, backbone.target(rows.latents, rows.noise, rows.t))
    return per_row.view(each.shape[1], -1).mean(1)


def _update(adapters: Sequence[Adapter], optimizers: Sequence[torch.optim.Optimizer], config: TrainConfig, step: int) -> None:
    for adapter, optimizer in zip(adapters, optimizers, strict=True):
        nn.utils.clip_grad_norm_(adapter.parameters(), config.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = lr_at(config, step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _joined(parts: Sequence[Rows]) -> Rows:
    return Rows(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Rows)))
