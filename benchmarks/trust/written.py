"""How every benchmark of this folder writes what it found: the project's one form for figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from dressform.records import Figure


def write(file: Path | None, figures: Mapping[str, Figure], **beside: object) -> None:
    """``{"figures": {name: {"value", "n", "low", "high"}}, ...}`` into the file that ``--json`` named, if it named one."""
    if file:
        file.write_text(json.dumps({"figures": {n: asdict(f) for n, f in figures.items()}, **beside}, indent=1) + "\n")


def spread(values: list[float]) -> Figure:
    """The median of measured values, how many there were, the least and the largest."""
    ordered = sorted(values)
    return Figure(ordered[len(ordered) // 2], len(ordered), ordered[0], ordered[-1])
