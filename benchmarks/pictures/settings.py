"""What every part of the benchmark is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """``seed`` is where the made data begin; ``sheets`` and ``pictures`` are how many of each are made."""

    seed: int = 800_000
    sheets: int = 200
    pictures: int = 60
    processes: int = 1
