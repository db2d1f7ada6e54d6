"""Glasses, a hat, a bag: drawn over a doll, whatever she wears, with the exact mask of what they cover.

An accessory has a canvas of its own that is laid over the finished doll. So a doll without one is drawn as if there were
none, and no label, word or caption of the doll's own speaks of accessories.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dressform.layfigure import canvas as cv
from dressform.layfigure.canvas import Canvas
from dressform.layfigure.doll import COLOURS, Doll
from dressform.layfigure.figure import Figure, Vec
from dressform.layfigure.head import Head
from dressform.layfigure.render import GARMENT_RGB, METAL_RGB, RGB, SCALE, fine, reduced

_BAND_RGB: RGB = (74, 58, 56)


@dataclass(frozen=True)
class Accessory:
    """What she wears or carries beside an outfit: one of ``KINDS`` in one of ``doll.COLOURS``."""

    kind: str
    colour: str

    def __post_init__(self) -> None:
        assert self.kind in KINDS and self.colour in COLOURS, self


@dataclass(frozen=True)
class Accessorised:
    """``picture`` uint8 [size, size, 3]; ``labels``: the doll's own, as without it; ``mask`` bool [size, size]: every pixel it touches."""

    picture: np.ndarray
    labels: np.ndarray
    mask: np.ndarray


def render_with(doll: Doll, accessory: Accessory, size_px: int = 128) -> Accessorised:
    """Draw a doll with an accessory. Outside the mask the picture is that of ``render``, byte for byte."""
    pixels, labels = fine(doll, size_px)
    over = Canvas(size_px, SCALE)
    figure = Figure(over, doll.identity, doll.scene)
    _DRAW[accessory.kind](figure, Head(figure, doll.identity))
    index = over.index()
    worn = cv.palette(dict.fromkeys(cv.PARTS, GARMENT_RGB[accessory.colour]) | {"second": _BAND_RGB, "metal": METAL_RGB})
    highest = index.reshape(size_px, SCALE, size_px, SCALE).max((1, 3))
    return Accessorised(reduced(np.where(index == 0, pixels, worn[index])), labels, highest > 0)


def _glasses(f: Figure, head: Head) -> None:
    """Two tinted lenses, a bridge and an arm to each ear; from behind nothing of them is seen."""
    k = f.scale * head.rx
    for s in (-1, 1):
        lens, seen = f.spot(head.at(s * 0.42, -0.06, 0.92), (s * 0.42, 0, 0.92))
        if seen < 0.15:
            continue
        hinge, ear = head.at(s * 0.82, 0.0, 0.62), head.at(s * 1.0, 0.0, -0.1)
        f.canvas.line([f.flat(hinge), f.flat(ear)], "main", cv.OUTLINE, 1.0)
        f.canvas.ellipse(lens, 0.40 * k * (0.55 + 0.45 * seen), 0.36 * k, "main", outline=True)
    if f.view != "back":
        f.canvas.line([f.flat(head.at(x, 0.05, 0.98)) for x in (-0.12, 0.12)], "main", cv.OUTLINE, 1.0)


def _hat(f: Figure, head: Head) -> None:
    """A round crown with a band, and a wide brim."""
    f.tower([_ring(head, y, w) for y, w in ((0.42, 1.18), (0.95, 1.15), (1.42, 0.98), (1.58, 0.62))], "main")
    f.tower([_ring(head, y, w) for y, w in ((0.42, 1.20), (0.66, 1.19))], "second", shade=False, outline=False)
    f.tower([_ring(head, y, w) for y, w in ((0.24, 1.78), (0.42, 1.62))], "main")


def _ring(head: Head, y: float, width: float) -> tuple[float, float, float, float]:
    return head.y + y * head.ry, width * head.rx, width * head.rz, 0.0


def _bag(f: Figure, _head: Head) -> None:
    """A shoulder bag at her right hip, its strap across the side of her that is seen."""
    front = -1.0 if f.view == "back" else 1.0
    over, under = (0.060, 0.815, 0.035 * front), (-0.115 * f.b, 0.50, 0.050 * front)
    f.canvas.line([f.flat(over), f.flat(under)], "second", cv.BASE, 2.0)
    x = -0.125 * f.b
    f.canvas.polygon(_box(f, (x, 0.45, 0.0), 0.052, 0.055, 0.040), "main")
    f.canvas.polygon(_box(f, (x, 0.49, 0.0), 0.052, 0.014, 0.040), "main", cv.SHADE)
    f.canvas.ellipse(f.flat((x, 0.455, 0.040 * front)), 0.9, 0.9, "metal")


def _box(f: Figure, centre: Vec, half_width: float, half_height: float, half_depth: float) -> np.ndarray:
    """[4, 2] outline of an upright box as it is seen."""
    half = math.hypot(half_width * f.cos, half_depth * f.sin) * f.scale
    x, y = f.flat(centre)
    up = half_height * f.scale
    return np.array([(x - half, y - up), (x + half, y - up), (x + half, y + up), (x - half, y + up)])


_DRAW: dict[str, Callable[[Figure, Head], None]] = {"glasses": _glasses, "hat": _hat, "bag": _bag}
KINDS = tuple(_DRAW)
