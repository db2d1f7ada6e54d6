"""What a run tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Speed:
    """How fast it goes, what the process holds in memory, and how long it will still take."""

    steps_a_second: float
    pictures_a_second: float
    memory_bytes: int
    seconds_left: float


@dataclass(frozen=True)
class StepDone:
    """One optimizer step is done.

    ``losses`` has one value for each adapter that took part, by name, and ``held_out`` the last one of those that are
    looked at so; ``steps`` is where the last adapter ends, as far as is known.
    """

    step: int
    steps: int
    losses: dict[str, float]
    pictures: int = 0
    held_out: dict[str, float] = field(default_factory=dict)
    speed: Speed | None = None


OnStep = Callable[[StepDone], None]


def silent(_event: StepDone) -> None:
    """An OnStep that says nothing."""
