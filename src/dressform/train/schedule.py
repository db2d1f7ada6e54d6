"""How fast an adapter learns at each step, and when it ends: pure functions of the recipe and of its held-out losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dressform.train.config import TrainConfig

_LEAST_RATE = 0.05
_PATIENCE_CHECKS, _LEAST_GAIN = 4, 0.01
_FALL = 5
"""A run that converged at step s lets its rate fall for s / 5 steps more."""


@dataclass(frozen=True)
class Course:
    """One adapter's way: ``steps`` in all; ``falls_at`` is where the rate begins to fall (None: half a cosine from the start)."""

    steps: int
    falls_at: int | None = None

    def rate(self, config: TrainConfig, step: int) -> float:
        """The learning rate of a step. Linear warm-up, then down to a twentieth."""
        if self.falls_at is None:
            return lr_at(config, step, self.steps)
        left = min(1.0, (self.steps - step) / max(1, self.steps - self.falls_at))
        return config.learning_rate * _warm(config, step) * (_LEAST_RATE + (1 - _LEAST_RATE) * left)


def lr_at(config: TrainConfig, step: int, steps: int | None = None) -> float:
    """Linear warm-up, then half a cosine down to a twentieth."""
    down = 0.5 * (1 + math.cos(math.pi * step / (steps or config.steps)))
    return config.learning_rate * _warm(config, step) * (_LEAST_RATE + (1 - _LEAST_RATE) * down)


def course_of(config: TrainConfig, steps: int, held_out: Sequence[float]) -> Course:
    """The course as far as it is known: ``held_out`` has one loss for every ``config.check_steps`` steps done.

    Until converged, the rate stays up until the held-out loss has stopped improving (never before the floor, at the
    latest where the ceiling still leaves room to fall), then falls to its end.
    """
    if config.until == "steps":
        return Course(steps)
    latest = steps * _FALL // (_FALL + 1)
    for k in range(len(held_out)):
        at = (k + 1) * config.check_steps
        if at >= latest:
            break
        if at >= config.floor_steps and stopped_improving(held_out[: k + 1]):
            return Course(at + max(1, at // _FALL), at)
    return Course(steps, latest)


def stopped_improving(losses: Sequence[float]) -> bool:
    """True where the last four checks together brought less than one percent below the best before them."""
    before, last = losses[:-_PATIENCE_CHECKS], losses[-_PATIENCE_CHECKS:]
    return bool(before) and min(last) > (1 - _LEAST_GAIN) * min(before)


def _warm(config: TrainConfig, step: int) -> float:
    return min(1.0, (step + 1) / max(1, config.warmup_steps))
