"""Which adapters train side by side, and what that will cost: pure arithmetic on what a trial measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dressform.errors import NotReady


@dataclass(frozen=True)
class Cost:
    """What a step costs on this machine, measured (``trial.py``): its peak of memory and its time, a fixed part and one for each row.

    A row is one picture of one adapter, with that adapter's share of values, gradients and optimizer moments.
    """

    fixed_bytes: float
    row_bytes: float
    fixed_seconds: float
    row_seconds: float
    sizes: int = 2
    """Of how many batches: of one alone, all that is fixed is taken for the row's."""


@dataclass(frozen=True)
class Group:
    """Adapters that train in one batch; ``micro_rows`` as in TrainConfig. ``steps_done``: those of a group that was begun."""

    names: tuple[str, ...]
    micro_rows: int = 0
    steps_done: int = 0


@dataclass(frozen=True)
class Plan:
    """Groups, one after the other; how long they take together, and the peak of memory."""

    groups: tuple[Group, ...]
    seconds: float
    peak_bytes: float


def planned(steps: Mapping[str, int], rows: int, cost: Cost, budget_bytes: float) -> Plan:
    """As few groups as fit into the budget, of nearly equal size; ``steps`` of each adapter by name, ``rows`` of each in a step.

    Adapters with many steps stand together, so that no group waits long for its last one. Where not even one adapter
    fits, it trains by itself in micro-steps. Raises NotReady where not even one row fits.
    """
    rows_that_fit = int((budget_bytes - cost.fixed_bytes) // cost.row_bytes) if cost.row_bytes > 0 else rows * len(steps)
    if rows_that_fit < 1:
        needed = (cost.fixed_bytes + cost.row_bytes) / 2**30
        raise NotReady(
            f"one picture at a time needs {needed:.2f} GiB, and {budget_bytes / 2**30:.2f} GiB may be used: "
            "close other programs, or give more with --memory; dressform plan says which option makes it fit"
        )
    each, micro_rows = (max(1, rows_that_fit // rows), 0) if rows_that_fit >= rows else (1, rows_that_fit)
    names = sorted(steps, key=lambda name: -steps[name])
    groups = [Group(tuple(part), micro_rows) for part in _parts(names, -(-len(names) // each))]
    return Plan(tuple(groups), *estimated(groups, steps, rows, cost))


def estimated(groups: Sequence[Group], steps: Mapping[str, int], rows: int, cost: Cost) -> tuple[float, float]:
    """(seconds, peak bytes) of these groups one after the other; adapters leave a group when they end."""
    seconds = peak = 0.0
    for group in groups:
        passes = -(-rows // group.micro_rows) if group.micro_rows else 1
        left = [max(0, steps[name] - group.steps_done) for name in group.names]
        seconds += cost.fixed_seconds * max(left) * passes + cost.row_seconds * rows * sum(left)
        peak = max(peak, cost.fixed_bytes + cost.row_bytes * len(group.names) * (group.micro_rows or rows))
    return seconds, peak


def _parts(names: Sequence[str], count: int) -> list[Sequence[str]]:
    """``count`` neighbouring parts whose sizes differ by one at most."""
    ends = [len(names) * i // count for i in range(count + 1)] if count else [0]
    return [names[a:b] for a, b in pairwise(ends)]
