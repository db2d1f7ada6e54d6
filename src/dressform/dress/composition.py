"""What she wears, as it is typed, and how strongly a finished picture may show it."""

from __future__ import annotations

from dressform.errors import BadInput
from dressform.records import Composition

LEAST_OUTFIT, MOST = 0.5, 2.0
"""Scales of finished pictures. Under the least, an outfit may hardly show, and a finished picture is dressed."""


def said(words: str) -> Composition:
    """``hat:0.8,glasses`` as a composition. Raises BadInput."""
    parts = [part.strip().partition(":") for part in words.split(",") if part.strip()]
    try:
        return Composition(tuple((name, float(scale) if sign else 1.0) for name, sign, scale in parts))
    except ValueError:
        raise BadInput(f"{words!r}: write names with commas, each with its scale where it is not 1: hat:0.8,glasses") from None


def composed(outfit: Composition, accessories: Composition) -> Composition:
    """Both together, as a finished picture shows them. Raises BadInput for a scale that is too small or too large."""
    for what, worn, least in (("an outfit", outfit, LEAST_OUTFIT), ("an accessory", accessories, 0.0)):
        for name, scale in worn.adapters:
            if not least <= scale <= MOST:
                raise BadInput(f"{name}: scale {scale:g}: {what} is drawn at {least:g} to {MOST:g}; 1 is as trained")
    return outfit + accessories
