"""What every part of the benchmark is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How much is made and measured.

    ``seed`` is where the made sheets and intake pictures begin; ``sheets`` and ``pictures`` are how many of each are made. The parts
    that train do it for ``characters``, each with ``outfits``, ``steps`` (None: the recipe's) and ``probes`` of each kind. ``small``
    is to see that everything runs.
    """

    seed: int = 800_000
    sheets: int = 200
    pictures: int = 60
    processes: int = 1
    characters: int = 4
    outfits: int = 4
    probes: int = 40
    steps: int | None = None
    small: bool = False


SMALL = Settings(sheets=4, pictures=4, characters=1, outfits=1, probes=2, steps=4, small=True)
