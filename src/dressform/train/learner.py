"""One adapter while it learns."""

from __future__ import annotations

from torch import nn

from dressform.train import optimizer
from dressform.train.config import TrainConfig
from dressform.train.data import Examples
from dressform.train.job import Job
from dressform.train.schedule import Course, course_of


class Learner:
    """An adapter, its optimizer, and how its held-out loss went."""

    def __init__(self, job: Job, config: TrainConfig, learned: Examples, held_out: Examples | None) -> None:
        self.adapter, self.learned, self.held_out = job.adapter, learned, held_out
        self.held_out_losses: list[float] = []
        self._config, self._steps = config, job.steps or config.steps
        job.adapter.requires_grad_(True)
        self.optimizer = optimizer.made(config.optimizer, self.values, config.learning_rate)

    @property
    def values(self) -> nn.Parameter:
        """All of the adapter."""
        return self.adapter.values

    @property
    def name(self) -> str:
        return self.adapter.info.name

    @property
    def course(self) -> Course:
        """As far as it is known by now."""
        return course_of(self._config, self._steps, self.held_out_losses)

    def update(self, step: int) -> None:
        """One optimizer step with the gradient that lies on the adapter, clipped by itself."""
        nn.utils.clip_grad_norm_([self.values], self._config.clip_norm)
        self.optimizer.param_groups[0]["lr"] = self.course.rate(self._config, step)
        self.optimizer.step()
        self.values.grad = None
