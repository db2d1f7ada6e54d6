"""One adapter while it learns."""

from __future__ import annotations

import torch
from torch import nn

from dressform.train import optimizer
from dressform.train.config import TrainConfig
from dressform.train.data import Examples
from dressform.train.job import Job
from dressform.train.schedule import Course, course_of


class Learner:
    """An adapter, its optimizer, and how its held-out loss went.

    All its values lie in one flat vector, of which the adapter's matrices are views: clipping and AdamW are a few
    operations, however many layers there are.
    """

    def __init__(self, job: Job, config: TrainConfig, learned: Examples, held_out: Examples | None) -> None:
        self.adapter, self.learned, self.held_out = job.adapter, learned, held_out
        self.held_out_losses: list[float] = []
        self._config, self._steps = config, job.steps or config.steps
        self._parameters = [p.requires_grad_(True) for p in job.adapter.parameters()]
        self.values = nn.Parameter(torch.cat([p.detach().flatten() for p in self._parameters]))
        parts = self.values.data.split([p.numel() for p in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            parameter.data = part.view_as(parameter)
        self.optimizer = optimizer.made(config.optimizer, self.values, config.learning_rate)

    @property
    def name(self) -> str:
        return self.adapter.info.name

    @property
    def course(self) -> Course:
        """As far as it is known by now."""
        return course_of(self._config, self._steps, self.held_out_losses)

    def update(self, step: int) -> None:
        """One optimizer step with the gradients that lie on the adapter's matrices, clipped by themselves."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        self.values.grad = torch.cat([g.flatten() for g in grads])
        nn.utils.clip_grad_norm_([self.values], self._config.clip_norm)
        self.optimizer.param_groups[0]["lr"] = self.course.rate(self._config, step)
        self.optimizer.step()
        for parameter in (self.values, *self._parameters):
            parameter.grad = None
