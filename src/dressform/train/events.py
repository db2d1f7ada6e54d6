"""What a run tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepDone:
    """One optimizer step is done; ``losses`` has one value for each adapter, by name."""

    step: int
    steps: int
    losses: dict[str, float]


OnStep = Callable[[StepDone], None]


def silent(_event: StepDone) -> None:
    """An OnStep that says nothing."""
