"""Timing two things fairly: turn by turn in one run, so that whatever else the machine does falls on both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Ratio:
    """The median of the paired ratios of two times, their smallest and largest, and how many pairs."""

    value: float
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class Turns:
    """How often, and by which clock: ``time.process_time`` counts this process's own work, on a machine that others use too."""

    repeats: int
    clock: Callable[[], float] = time.perf_counter

    def now(self) -> float:
        """What the clock says, once all that was begun is done."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # work is only queued until then
        return self.clock()

    def seconds(self, work: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
        """Seconds of each piece of work, ``repeats`` times, in alternating order, after one unmeasured round.

        A piece of work that gives back a float has timed the part of it that counts.
        """
        found: dict[str, list[float]] = {name: [] for name in work}
        for turn in range(self.repeats + 1):
            names = list(work)[:: 1 if turn % 2 else -1]
            for name in names:
                began = self.now()
                own = work[name]()
                if turn:
                    found[name].append(own if isinstance(own, float) else self.now() - began)
        return found


def ratio(ours: Sequence[float], theirs: Sequence[float], per_ours: float = 1.0, per_theirs: float = 1.0) -> Ratio:
    """ours / theirs, each first divided by how much work it did."""
    pairs = [(a / per_ours) / (b / per_theirs) for a, b in zip(ours, theirs, strict=True)]
    return Ratio(statistics.median(pairs), len(pairs), min(pairs), max(pairs))
