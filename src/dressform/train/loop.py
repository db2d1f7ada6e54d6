"""The training loop: one, for one adapter or a whole wardrobe, for every objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dressform.adapters.stack import AdapterStack
from dressform.backbones.protocol import Backbone
from dressform.errors import Failed
from dressform.train import checkpoint
from dressform.train.checkpoint import Mark
from dressform.train.config import TrainConfig
from dressform.train.data import HELD_OUT_ROWS, Rows, apart, held_out_rows, rows_at
from dressform.train.events import OnStep, StepDone, silent
from dressform.train.job import Job
from dressform.train.learner import Learner
from dressform.train.objective import Objective
from dressform.train.passes import Frozen, Passes, attached, under_each
from dressform.train.schedule import lr_at

__all__ = ["Job", "Previews", "Saved", "lr_at", "train"]


@dataclass(frozen=True)
class Previews:
    """Pictures while training: ``draw(stack, names, step)`` gets the live stack; its columns are these adapters, then the frozen ones."""

    draw: Callable[[AdapterStack, Sequence[str], int], None]
    every_steps: int


@dataclass(frozen=True)
class Saved:
    """Where a run keeps its checkpoints: one state of each job, all of one step, and the mark of what each is trained on.

    ``load`` gives the last ones or None; ``save(step, states)`` keeps newer ones, all or none of them.
    """

    load: Callable[[], Sequence[bytes] | None]
    save: Callable[[int, Sequence[bytes]], None]
    marks: Sequence[Mark]
    every_steps: int = 100

    def keep(self, step: int, learners: Sequence[Learner]) -> None:
        """Save how far they are."""
        self.save(step, [checkpoint.to_bytes(step, mark, one) for mark, one in zip(self.marks, learners, strict=True)])


def train(
    backbone: Backbone,
    jobs: Sequence[Job],
    objective: Objective,
    config: TrainConfig,
    frozen: Frozen = None,
    saved: Saved | None = None,
    on_step: OnStep = silent,
    previews: Previews | None = None,
) -> None:
    """Train the adapters of all jobs together, in place, each exactly as if alone; one that has ended leaves the batch.

    ``frozen`` (the identity, or that of each job) is attached but never changes. Where ``saved`` holds a checkpoint of the same run,
    training goes on from it. An interrupt saves before it leaves. Only the denoiser stays in memory: a preview reads the rest again.

    Raises Failed where a loss is no number any more.
    """
    empty = backbone.encode_text([""])
    backbone.release_encoders()
    learners = [_learner(job, config, empty.device) for job in jobs]
    first = 0
    if saved and (states := saved.load()) is not None:
        first = checkpoint.restore(states, saved.marks, learners)
    below = [one and one.to(empty.device).requires_grad_(False) for one in under_each(frozen, len(jobs))]
    at = _Place(first)
    try:
        while live := at.ahead(learners):
            under = [one for one, learner in zip(below, learners, strict=True) if learner in live]
            with attached(backbone, [one.adapter for one in live], under, objective, config) as passes:
                while at.ahead(learners) == live:
                    losses = _step(passes, live, empty, at, config)
                    on_step(_told(at.step, learners, live, losses, config.rows))
                    if previews and at.step % previews.every_steps == 0:
                        previews.draw(passes.stack, [one.name for one in live], at.step)
                        backbone.release_encoders()
                    if saved and at.step % saved.every_steps == 0 and at.ahead(learners):
                        saved.keep(at.step, learners)
    except KeyboardInterrupt:
        if saved and at.whole and at.step > first:
            saved.keep(at.step, learners)
        raise
    for one in learners:
        one.adapter.info = replace(one.adapter.info, steps=one.course.steps)


@dataclass
class _Place:
    """How many steps are done. ``whole`` is False while an update is under way: such a state is never saved."""

    step: int
    whole: bool = True

    def ahead(self, learners: Sequence[Learner]) -> list[Learner]:
        """Those that have not ended."""
        return [one for one in learners if self.step < one.course.steps]


def _step(passes: Passes, live: Sequence[Learner], empty: Tensor, at: _Place, config: TrainConfig) -> list[float]:
    """One optimizer step of every live adapter; their losses before it."""
    _look(passes, live, at.step, config)
    losses = passes.learn([_rows(one, empty, at.step, config) for one in live], config.micro_rows)
    if wrong := [one.name for one, loss in zip(live, losses, strict=True) if not math.isfinite(loss)]:
        raise Failed(f"{', '.join(wrong)}: the loss at step {at.step} is no number: train --restart with another --seed")
    at.whole = False
    for one in live:
        one.update(at.step)
    at.step, at.whole = at.step + 1, True
    return losses


def _learner(job: Job, config: TrainConfig, device: torch.device) -> Learner:
    job.adapter.to(device)
    learned, held_out = (job.data, None) if config.until == "steps" else apart(job.data, config.seed)
    return Learner(job, config, learned, held_out)


def _rows(one: Learner, empty: Tensor, step: int, config: TrainConfig) -> tuple[Rows, ...]:
    return rows_at(one.learned, empty, config.seed, step, config.rows, config.shares)


def _look(passes: Passes, live: Sequence[Learner], step: int, config: TrainConfig) -> None:
    """Where it is time, the loss on the held-out pictures; on a step that was gone on from, it is there already."""
    looks, over = divmod(step, config.check_steps)
    if config.until == "steps" or over or len(live[0].held_out_losses) == looks:
        return
    parts = [held_out_rows(one.held_out, config.seed, HELD_OUT_ROWS, config.noisy_share) for one in live if one.held_out is not None]
    for one, loss in zip(live, passes.look(parts, config.micro_rows or config.rows), strict=True):
        one.held_out_losses.append(loss)


def _told(step: int, learners: Sequence[Learner], live: Sequence[Learner], losses: Sequence[float], rows: int) -> StepDone:
    return StepDone(
        step,
        max(one.course.steps for one in learners),
        {one.name: loss for one, loss in zip(live, losses, strict=True)},
        rows * len(live),
        {one.name: one.held_out_losses[-1] for one in live if one.held_out_losses},
    )
