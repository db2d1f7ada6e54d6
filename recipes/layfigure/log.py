"""One line of JSON for each report of a training."""

from __future__ import annotations

import json
from pathlib import Path


def append(file: Path, **row: float | list[float]) -> None:
    """Add one line to a log."""
    with file.open("a") as out:
        out.write(json.dumps(row) + "\n")
