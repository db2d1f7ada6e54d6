"""Base models. One family per file; ``load`` chooses by what is on disk."""

from __future__ import annotations

from pathlib import Path

from dressform.backbones.protocol import Backbone


def load(path: str | Path) -> Backbone:
    """The base model at ``path``, or the embedded one for "layfigure". Raises BadInput if it cannot be used."""
    from dressform.backbones import stable_diffusion

    return stable_diffusion.load(path)
