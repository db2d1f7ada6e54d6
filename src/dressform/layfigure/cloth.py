"""Pieces that garments are cut from: tops, skirts, belts, seams, collars, sleeves, trouser legs, shoes.

"main" is a garment's main colour and carries the pattern; "second" is its second colour. Heights and widths are in
figure space, where the whole figure is 1 tall; ``ease`` is how far the cloth stands off the body.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dressform.layfigure.canvas import OUTLINE
from dressform.layfigure.figure import Figure, Limb, Ring, Vec


def rings(f: Figure, low: float, high: float, ease: float = 0.006) -> list[Ring]:
    """The torso's rings between two heights, with rings interpolated at the ends."""
    rows = np.array(f.torso(ease))
    ys = rows[:, 0]
    inner = [tuple(r) for r in rows if low < r[0] < high]
    ends = [(y, *(float(np.interp(y, ys, rows[:, i])) for i in (1, 2, 3))) for y in (low, high)]
    return [ends[0], *inner, ends[1]]  # type: ignore[list-item]


def top(f: Figure, low: float, high: float = 0.826, ease: float = 0.006, part: str = "main") -> None:
    """The torso covered from ``low`` to ``high``."""
    f.tower(rings(f, low, high, ease), part)


def skirt(f: Figure, high: float, low: float, flare: float, part: str = "main", ease: float = 0.008) -> None:
    """A cone from the waist or hips down; ``flare`` is how much wider the hem is than the hips."""
    top = rings(f, high - 0.001, high, ease)[0]
    _, hip_w, hip_d, _ = rings(f, 0.50, 0.51, ease)[0]
    rows: list[Ring] = []
    for t in (1.0, 0.72, 0.45, 0.2, 0.0):
        y = low + (high - low) * t
        w = (top[1] if y > 0.55 else hip_w) + (1 - t) * flare
        d = (top[2] if y > 0.55 else hip_d) + (1 - t) * flare
        rows.append((y, w, d, 0.0))
    f.tower(rows[::-1], part)


def belt(f: Figure, y: float, part: str = "second", height: float = 0.022, ease: float = 0.011) -> None:
    """A band round the waist or hips."""
    f.tower(rings(f, y, y + height, ease), part, shade=False)


def front_line(f: Figure, low: float, high: float, part: str = "second", width: float = 1.3, x: float = 0.0) -> None:
    """A seam, zip or placket down the front, seen unless she turns her back."""
    depth = 0.062
    a, seen = f.spot((x, low, depth), (x, 0, 1))
    b, _ = f.spot((x, high, depth), (x, 0, 1))
    if seen > 0.05 or f.view == "side":
        f.canvas.line([a, b], part, OUTLINE if part == "line" else 0, width)


def dots(f: Figure, points: list[Vec], part: str = "second", r: float = 1.25) -> None:
    """Buttons and other small round things; not drawn from behind."""
    if f.view == "back":
        return
    for p in points:
        f.canvas.ellipse(f.flat(p), r, r, part, outline=True)


def patch(f: Figure, points: list[Vec], part: str, outline: bool = True) -> None:
    """A flat shape on the front of the body; not drawn from behind."""
    if f.view != "back":
        f.canvas.polygon(np.array([f.flat(p) for p in points]), part, outline=outline)


def collar(f: Figure, part: str = "second", y: float = 0.822) -> None:
    """A standing collar."""
    f.tower([(y, 0.058 * f.b, 0.046, 0.0), (y + 0.028, 0.040, 0.036, 0.0)], part, shade=False)


def lapels(f: Figure, part: str = "second", low: float = 0.64) -> None:
    """The two sides of an open collar, down to ``low``."""
    b = f.b
    patch(f, [(-0.034 * b, 0.832, 0.05), (-0.062 * b, 0.775, 0.06), (0.0, low, 0.066), (0.0, 0.75, 0.066)], part)
    patch(f, [(0.034 * b, 0.832, 0.05), (0.062 * b, 0.775, 0.06), (0.0, low, 0.066), (0.0, 0.75, 0.066)], part)


def shoes(f: Figure, limb: Limb, part: str = "shoe", high: float = 0.0) -> None:
    """A shoe; ``high`` > 0 makes it a boot of that height (in bones below the knee)."""
    ankle = limb.joints[2]
    if high:
        knee = limb.joints[1]
        top = knee + (ankle - knee) * (1 - high)
        r = limb.radii[2] + 0.008
        f.capsule(top, ankle, r + 0.006, r, part)
    toe = ankle + np.array([0.0, -0.018, 0.052])
    heel = ankle + np.array([0.0, -0.018, -0.008])
    f.capsule(heel, toe, 0.024, 0.019, part)


def full(f: Figure, limb: Limb) -> None:
    """A whole sleeve, close to the arm."""
    f.limb(limb, "main", 1.9, 0.007)


def short(f: Figure, limb: Limb) -> None:
    """A short sleeve."""
    f.limb(limb, "main", 0.55, 0.010, 0.006)


def trousers(part: str, upto: float = 1.92, ease: float = 0.006, flare: float = 0.004) -> Callable[[Figure, Limb], None]:
    """A trouser leg, as a function that draws it; ``upto`` counts bones from the hip (2 is the ankle)."""

    def draw(f: Figure, limb: Limb) -> None:
        f.limb(limb, part, upto, ease, flare)

    return draw


def stripe(f: Figure, limb: Limb) -> None:
    """A stripe down the outer side of a sleeve or trouser leg."""
    off = np.array([limb.outward * limb.radii[1] * 0.55, 0.0, 0.0])
    f.canvas.line([f.flat(p + off) for p in limb.joints], "second", 0, 1.8)
