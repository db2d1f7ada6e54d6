"""Which attributes of a doll a picture really shows: a mark under a coat cannot be read, nor eyes from behind."""

from __future__ import annotations

import numpy as np

from dressform.layfigure import canvas as cv
from dressform.layfigure.doll import Doll, attributes
from dressform.layfigure.render import Render

_LEAST_PIXELS = {"eyes": 4, "skin": 12, "colour": 60, "second": 60, "pattern": 160, "mark": 14}


def visible(doll: Doll, drawn: Render) -> frozenset[str]:
    """Names of the attributes that the picture shows well enough to be read (pixel counts at size 128)."""
    unit = (drawn.labels.shape[0] / 128) ** 2
    counts = np.bincount(drawn.labels.ravel(), minlength=len(cv.LABELS)) / unit
    shown = {
        "eyes": counts[cv.FACE],
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
