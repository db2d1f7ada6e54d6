"""The base model that the package carries: the lay-figure world in miniature."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

EMBEDDED = "layfigure"


def embedded_folder() -> Path:
    """Where the embedded base model lies inside the package."""
    return Path(str(files("dressform.pretrained"))) / EMBEDDED
