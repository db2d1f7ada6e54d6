"""Which attributes of a doll a picture really shows: a mark under a coat cannot be read, nor eyes from behind.

Colours count by their pixels. Shapes count by what they change: a hair style is visible where no other style would draw
nearly the same picture (from the front a ponytail is short hair).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dressform.layfigure import canvas as cv
from dressform.layfigure.doll import EYES, Doll, attributes
from dressform.layfigure.render import Render, render

_LEAST_PIXELS = {"skin": 12, "colour": 60, "second": 60, "pattern": 160, "mark": 14}
"""Pixels of its own, at size 128, that an attribute needs to be read."""
_LEAST_CHANGED = {"hair_style": 16, "ears": 12, "eyes": 6}
"""Pixels, at size 128, that every other word for the attribute would have to change."""
_LOOKALIKES = {
    "hair_style": {
        "short": ("ponytail", "bun", "twintails", "bob"),
        "bob": ("long", "short"),
        "long": ("bob",),
        "ponytail": ("short", "bun", "twintails"),
        "twintails": ("short", "ponytail", "bun"),
        "bun": ("short", "ponytail", "twintails"),
    },
    "ears": {"round": ("pointed",), "pointed": ("round",)},
    "eyes": {colour: (EYES[(i + 3) % len(EYES)],) for i, colour in enumerate(EYES)},
}
"""The words worth trying (the others change more pixels in every view). Eyes change the same pixels whatever their colour."""
_CHANGED = 24
"""A pixel has changed where one channel differs by more than this, of 255."""


def visible(doll: Doll, drawn: Render) -> frozenset[str]:
    """Names of the attributes that the picture shows well enough to be read."""
    unit = (drawn.labels.shape[0] / 128) ** 2
    return enough_pixels(doll, drawn) - {name for name, least in _LEAST_CHANGED.items() if _changed(doll, drawn, name) / unit < least}


def enough_pixels(doll: Doll, drawn: Render) -> frozenset[str]:
    """The quick half of ``visible``: no attribute whose pixels are too few. Shapes that look alike are all kept."""
    return enough_of(doll, np.bincount(drawn.labels.ravel(), minlength=len(cv.LABELS)) / (drawn.labels.shape[0] / 128) ** 2)


def enough_of(doll: Doll, counts: Sequence[float] | np.ndarray) -> frozenset[str]:
    """The same from the pixels that carry each label, in the order of ``LABELS``, at size 128."""
    shown = {
        "skin": counts[cv.SKIN] + counts[cv.EARS] * (doll.identity.ears in ("round", "pointed")),
        "colour": counts[cv.GARMENT],
        "second": counts[cv.TRIM],
        "pattern": counts[cv.GARMENT],
        "mark": counts[cv.MARK],
    }
    if doll.garment and doll.garment.pattern != "plain":
        shown["second"] = shown["second"] + 0.3 * counts[cv.GARMENT]
    hidden = {name for name, least in _LEAST_PIXELS.items() if shown[name] < least}
    if doll.scene.view == "back":
        hidden.add("eyes")
    return frozenset(attributes(doll)) - hidden


def _changed(doll: Doll, drawn: Render, name: str) -> float:
    """The fewest pixels that another word for the attribute would change; endless where no word looks alike."""
    side, least = drawn.labels.shape[0], float("inf")
    for word in _LOOKALIKES[name].get(getattr(doll.identity, name), ()):
        other = render(replace(doll, identity=replace(doll.identity, **{name: word})), side).picture
        apart = np.abs(other.astype(np.int16) - drawn.picture).max(axis=-1) > _CHANGED
        least = min(least, int(apart.sum()))
    return least
