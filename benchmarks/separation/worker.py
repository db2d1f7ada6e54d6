"""A process that trains and probes one task after another."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks import machine
from benchmarks.separation import report
from benchmarks.separation.arms import Recipe
from benchmarks.separation.cases import material
from benchmarks.separation.probing import probe
from benchmarks.separation.tasks import EVERY, Task
from dressform import backbones
from dressform.backbones.assembled import Assembled
from dressform.backbones.folder import digest_of
from dressform.measure import reader as reading
from dressform.measure.reader import Reader


@dataclass(frozen=True)
class Worker:
    """The models, read once."""

    base: Assembled
    reader: Reader
    made_on: str

    def run(self, tasks: Sequence[Task]) -> list[report.Run]:
        began, recipe = time.monotonic(), Recipe.of_the_house(self.base, tasks[0].case.seed)
        every = EVERY[tasks[0].arm](self.base, [material(task.case) for task in tasks], recipe)
        trained = round((time.monotonic() - began) / len(tasks), 1)
        found = []
        for task, learned in zip(tasks, every, strict=True):
            outcomes = probe(self.base, self.reader, task.case, learned, task.each)
            found.append(report.Run(task.key, task.block, task.arm, task.case, made_with(), self.made_on, trained, tuple(outcomes)))
        return found


_WORKER: list[Worker] = []
"""That of this process."""


def begin(device: str | None, jobs: int) -> None:
    """To be called once in each of ``jobs`` processes."""
    if jobs > 1:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    base = backbones.load("layfigure", device)
    said = machine.described(base.device)
    made_on = f"{said['device']} ({said['instructions']}, torch {said['torch']}, {jobs} at once)"
    _WORKER.append(Worker(base, reading.load(device=base.device), made_on))


def run(tasks: Sequence[Task]) -> list[report.Run]:
    """Tasks that stand ``side_by_side``, in this process. After ``begin``."""
    return _WORKER[0].run(tasks)


def made_with() -> str:
    """Hashes of base model and reader."""
    base = backbones.load("layfigure", "cpu")
    return f"{base.sha256[:16]}+{digest_of([reading.shipped_folder() / 'reader.safetensors'])[:16]}"
