"""The wardrobe: each garment kind is one function that dresses a figure.

A garment is worn in three moments, so that limbs and layers overlap as they do on a body: ``behind`` (what
hangs behind her), ``body`` (legs and torso are drawn, arms are not yet), and ``sleeve`` (over each arm).
"main" is the garment's main colour and carries the pattern; "second" is its second colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dressform.layfigure.canvas import OUTLINE
from dressform.layfigure.cloth import belt, collar, dots, front_line, full, lapels, patch, rings, shoes, short, skirt, stripe, top, trousers
from dressform.layfigure.figure import Figure, Limb, Ring

Draw = Callable[[Figure], None]


@dataclass(frozen=True)
class Cut:
    """How one garment kind is drawn."""

    body: Draw
    sleeve: Callable[[Figure, Limb], None] | None = None
    behind: Draw | None = None
    legs: Callable[[Figure, Limb], None] | None = None


def _swimsuit(f: Figure) -> None:
    top(f, 0.470, 0.775, 0.004)
    for s in (-1, 1):
        x = s * 0.052 * f.b
        for z in (0.052, -0.040):
            p, seen = f.spot((x, 0.770, z), (0, 0, np.sign(z)))
            q = f.flat((x * 0.9, 0.826, 0.0))
            if seen > -0.05 or f.view == "side":
                f.canvas.line([p, q], "second", OUTLINE, 2.6)
                f.canvas.line([p, q], "second", 0, 1.7)
    belt(f, 0.610, height=0.020, ease=0.007)


def _dress(f: Figure) -> None:
    top(f, 0.60, 0.815)
    skirt(f, 0.615, 0.270, 0.095)
    belt(f, 0.612)
    collar(f, y=0.806)


def _dress_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "main", 0.42, 0.016, 0.008)


def _uniform(f: Figure) -> None:
    top(f, 0.515)
    belt(f, 0.560)
    collar(f)
    front_line(f, 0.590, 0.81, "second", 1.2)
    for s in (-1, 1):
        dots(f, [(s * 0.034, y, 0.064) for y in (0.64, 0.70, 0.76)])


def _uniform_sleeve(f: Figure, limb: Limb) -> None:
    full(f, limb)
    f.band(limb, 1.62, 0.022, "second", 0.010)
    root = limb.joints[0]
    f.capsule(root + np.array([0, 0.022, 0]), root + np.array([limb.outward * 0.014, 0.012, 0]), 0.019, 0.015, "second")


def _shirt(f: Figure) -> None:
    top(f, 0.525, ease=0.010)
    collar(f, "main")
    front_line(f, 0.53, 0.815, "line", 0.8)


def _armour(f: Figure) -> None:
    skirt(f, 0.585, 0.425, 0.050, "second")
    top(f, 0.575, ease=0.014)
    belt(f, 0.572, "metal", 0.026, 0.016)
    patch(f, [(-0.045, 0.76, 0.07), (0.045, 0.76, 0.07), (0.0, 0.66, 0.075)], "metal")


def _armour_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "second", 1.15, 0.006)
    a, b = limb.joints[1], limb.joints[2]
    f.capsule(a + (b - a) * 0.15, a + (b - a) * 0.9, limb.radii[1] + 0.010, limb.radii[2] + 0.010, "metal")
    root = limb.joints[0]
    f.capsule(root + np.array([0, 0.012, 0]), root + (limb.joints[1] - root) * 0.32, 0.044, 0.036, "main")


def _armour_leg(f: Figure, limb: Limb) -> None:
    f.limb(limb, "second", 1.2, 0.005)
    shoes(f, limb, "metal", high=0.78)


def _coat(f: Figure) -> None:
    top(f, 0.56, ease=0.016)
    skirt(f, 0.60, 0.245, 0.040, ease=0.018)
    belt(f, 0.585, ease=0.021)
    lapels(f, low=0.68)
    front_line(f, 0.25, 0.58, "line", 0.9)
    for s in (-1, 1):
        dots(f, [(s * 0.030, y, 0.08) for y in (0.46, 0.53)])


def _coat_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "main", 1.92, 0.015, 0.004)
    f.band(limb, 1.68, 0.026, "second", 0.018)


def _kimono(f: Figure) -> None:
    skirt(f, 0.60, 0.075, 0.020, ease=0.014)
    top(f, 0.56, 0.826, 0.014)
    belt(f, 0.575, "second", 0.085, 0.018)
    b = f.b
    patch(f, [(-0.040 * b, 0.836, 0.05), (-0.012 * b, 0.836, 0.05), (0.050 * b, 0.665, 0.07), (0.022 * b, 0.660, 0.07)], "second")
    patch(f, [(0.040 * b, 0.836, 0.05), (0.012 * b, 0.836, 0.05), (-0.050 * b, 0.665, 0.07), (-0.022 * b, 0.660, 0.07)], "second")
    front_line(f, 0.085, 0.57, "line", 0.9, x=0.02)
    if f.view in ("back", "side"):
        f.canvas.ellipse(f.flat((0, 0.62, -0.085)), 5.5 * f.scale / 110, 6.0 * f.scale / 110, "second", outline=True)


def _kimono_sleeve(f: Figure, limb: Limb) -> None:
    """Wide hanging sleeves: a panel that drops from the forearm."""
    f.limb(limb, "main", 1.75, 0.014, 0.006)
    a = limb.joints[0] * 0.35 + limb.joints[1] * 0.65
    b = limb.joints[1] * 0.25 + limb.joints[2] * 0.75
    drop = np.array([0.0, -0.115, 0.0])
    f.canvas.polygon(np.array([f.flat(p) for p in (a, b, b + drop, a + drop * 0.9)]), "main")
    f.canvas.line([f.flat(b), f.flat(b + drop)], "second", 0, 1.8)


def _tracksuit(f: Figure) -> None:
    top(f, 0.505, ease=0.013)
    belt(f, 0.505, "second", 0.024, 0.016)
    collar(f)
    front_line(f, 0.53, 0.82, "second", 1.5)


def _tracksuit_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "main", 1.9, 0.013)
    stripe(f, limb)
    f.band(limb, 1.78, 0.02, "second", 0.013)


def _tracksuit_leg(f: Figure, limb: Limb) -> None:
    f.limb(limb, "main", 1.9, 0.010, 0.0)
    stripe(f, limb)
    f.band(limb, 1.84, 0.02, "second", 0.010)


def _suit(f: Figure) -> None:
    top(f, 0.500, ease=0.010)
    patch(f, [(-0.030, 0.832, 0.06), (0.030, 0.832, 0.06), (0.0, 0.660, 0.07)], "metal", outline=False)
    lapels(f, "main", low=0.655)
    patch(f, [(-0.010, 0.822, 0.07), (0.010, 0.822, 0.07), (0.015, 0.715, 0.072), (0.0, 0.690, 0.072), (-0.015, 0.715, 0.072)], "second")
    front_line(f, 0.51, 0.655, "line", 0.9)
    dots(f, [(0.0, 0.63, 0.07), (0.0, 0.58, 0.07)], "second", 1.0)


def _cloak_behind(f: Figure) -> None:
    if f.view == "back":
        return
    f.tower(_cloak_rings(f), "main")


def _cloak_rings(f: Figure) -> list[Ring]:
    b = f.b
    side = -0.03 if f.view in ("side", "three-quarter") else 0.0
    return [
        (0.16, 0.225 * b + 0.01, 0.10, -0.075 + side), (0.40, 0.195 * b + 0.01, 0.085, -0.06 + side),
        (0.65, 0.160 * b, 0.065, -0.045 + side), (0.80, 0.112 * b, 0.055, -0.02), (0.838, 0.045, 0.045, -0.01),
    ]  # fmt: skip


def _cloak(f: Figure) -> None:
    top(f, 0.49, ease=0.006, part="second")
    skirt(f, 0.56, 0.42, 0.02, "second")
    belt(f, 0.585, "metal", 0.020, 0.010)


def _cloak_shoulders(f: Figure) -> None:
    if f.view == "back":
        f.tower(_cloak_rings(f), "main")
    f.tower([(0.752, 0.122 * f.b, 0.080, 0.0), (0.80, 0.112 * f.b, 0.068, 0.0), (0.842, 0.042, 0.042, 0.0)], "main")
    dots(f, [(0.0, 0.80, 0.07)], "metal", 1.9)


def _raincoat(f: Figure) -> None:
    top(f, 0.56, ease=0.018)
    skirt(f, 0.62, 0.345, 0.085, ease=0.020)
    low = rings(f, 0.50, 0.51, 0.020)[0]
    f.tower([(0.345, low[1] + 0.085, low[2] + 0.085, 0), (0.372, low[1] + 0.077, low[2] + 0.077, 0)], "second", shade=False)
    f.tower([(0.806, 0.078 * f.b, 0.062, -0.01), (0.850, 0.066, 0.064, -0.012)], "second")
    dots(f, [(0.0, y, 0.08) for y in (0.45, 0.54, 0.63, 0.72)], "second", 1.4)


def _raincoat_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "main", 1.8, 0.018, 0.010)


def _apron(f: Figure) -> None:
    """A plain dark frock in the second colour under an apron in the main colour."""
    top(f, 0.58, part="second")
    skirt(f, 0.60, 0.300, 0.070, "second")
    b = f.b
    if f.view == "back":
        belt(f, 0.595, "main", 0.024)
        for s in (-1, 1):
            f.canvas.polygon(
                np.array([f.flat(p) for p in ((0, 0.61, -0.07), (s * 0.062, 0.645, -0.07), (s * 0.062, 0.575, -0.07))]), "main"
            )
            f.canvas.line([f.flat((s * 0.05 * b, 0.82, 0)), f.flat((-s * 0.03 * b, 0.62, -0.06))], "main", 0, 2.2)
        return
    z = 0.085
    if f.view == "side":
        f.canvas.polygon(np.array([f.flat(p) for p in ((0, 0.60, 0.02), (0, 0.60, 0.075), (0, 0.335, 0.145), (0, 0.335, 0.05))]), "main")
        f.canvas.polygon(np.array([f.flat(p) for p in ((0, 0.60, 0.03), (0, 0.60, 0.072), (0, 0.765, 0.078), (0, 0.765, 0.045))]), "main")
    else:
        patch(f, [(-0.066 * b, 0.605, z), (0.066 * b, 0.605, z), (0.108 * b, 0.345, z), (-0.108 * b, 0.345, z)], "main")
        patch(f, [(-0.052 * b, 0.760, 0.07), (0.052 * b, 0.760, 0.07), (0.062 * b, 0.605, z), (-0.062 * b, 0.605, z)], "main")
    belt(f, 0.592, "main", 0.022)
    for s in (-1, 1):
        if f.view != "side":
            f.canvas.line([f.flat((s * 0.048 * b, 0.755, 0.07)), f.flat((s * 0.052 * b, 0.825, 0.02))], "main", 0, 2.2)
    if f.view == "side":
        f.canvas.line([f.flat((0, 0.76, 0.06)), f.flat((0, 0.825, 0.0))], "main", 0, 2.2)


def _apron_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "second", 0.62, 0.014, 0.004)
    f.band(limb, 0.56, 0.018, "main", 0.016)


def _overalls(f: Figure) -> None:
    top(f, 0.58, part="second", ease=0.007)
    top(f, 0.470, 0.615, ease=0.011)
    b = f.b
    if f.view == "side":
        f.canvas.polygon(
            np.array([f.flat(p) for p in ((0, 0.60, -0.045), (0, 0.60, 0.072), (0, 0.755, 0.076), (0, 0.755, 0.040), (0, 0.66, 0.01))]),
            "main",
        )
        f.canvas.line([f.flat((0, 0.75, 0.058)), f.flat((0, 0.826, 0.005)), f.flat((0, 0.62, -0.055))], "main", 0, 2.6)
        return
    high = 0.757 if f.view != "back" else 0.70
    z = 0.07 if f.view != "back" else -0.06
    f.canvas.polygon(
        np.array([f.flat(p) for p in ((-0.050 * b, high, z), (0.050 * b, high, z), (0.066 * b, 0.60, z), (-0.066 * b, 0.60, z))]), "main"
    )
    for s in (-1, 1):
        line = [f.flat((s * 0.043 * b, high - 0.01, z)), f.flat((s * 0.050 * b, 0.828, 0.0))]
        f.canvas.line(line, "main", OUTLINE, 4.2)
        f.canvas.line(line, "main", 0, 3.0)
        if f.view != "back":
            f.canvas.ellipse(line[0], 1.3, 1.3, "metal", outline=True)
    if f.view != "back":
        patch(f, [(-0.026, 0.715, z), (0.026, 0.715, z), (0.022, 0.655, z), (-0.022, 0.655, z)], "second")


def _sweater(f: Figure) -> None:
    """A thick roll-neck over a short skirt in the second colour."""
    skirt(f, 0.55, 0.375, 0.050, "second")
    top(f, 0.515, ease=0.020)
    belt(f, 0.510, "second", 0.020, 0.022)
    f.tower([(0.815, 0.056 * f.b, 0.050, 0.0), (0.855, 0.050, 0.046, 0.0)], "main", shade=False)


def _sweater_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "main", 1.85, 0.019, 0.004)
    f.band(limb, 1.70, 0.022, "second", 0.020)


def _second_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "second", 0.6, 0.010, 0.004)


def _cloak_sleeve(f: Figure, limb: Limb) -> None:
    f.limb(limb, "second", 1.85, 0.008)


def _boots(high: float, part: str = "shoe") -> Callable[[Figure, Limb], None]:
    def draw(f: Figure, limb: Limb) -> None:
        shoes(f, limb, part, high)

    return draw


def _both(*steps: Callable[[Figure, Limb], None]) -> Callable[[Figure, Limb], None]:
    def draw(f: Figure, limb: Limb) -> None:
        for step in steps:
            step(f, limb)

    return draw


CUTS: dict[str, Cut] = {
    "swimsuit": Cut(_swimsuit),
    "dress": Cut(_dress, _dress_sleeve, legs=shoes),
    "uniform": Cut(_uniform, _uniform_sleeve, legs=_both(trousers("main"), _boots(0.55))),
    "shirt": Cut(_shirt, short, legs=_both(trousers("second", ease=0.008), shoes)),
    "armour": Cut(_armour, _armour_sleeve, legs=_armour_leg),
    "coat": Cut(_coat, _coat_sleeve, legs=_boots(0.5)),
    "kimono": Cut(_kimono, _kimono_sleeve, legs=_boots(0.0, "second")),
    "tracksuit": Cut(_tracksuit, _tracksuit_sleeve, legs=_both(_tracksuit_leg, shoes)),
    "suit": Cut(_suit, full, legs=_both(trousers("main"), shoes)),
    "cloak": Cut(_cloak, _cloak_sleeve, behind=_cloak_behind, legs=_both(trousers("second", ease=0.004), _boots(0.6))),
    "raincoat": Cut(_raincoat, _raincoat_sleeve, legs=_boots(0.72, "second")),
    "apron": Cut(_apron, _apron_sleeve, legs=shoes),
    "overalls": Cut(_overalls, _second_sleeve, legs=_both(trousers("main", ease=0.010), shoes)),
    "sweater": Cut(_sweater, _sweater_sleeve, legs=_boots(0.45)),
}


def over_arms(f: Figure, kind: str) -> None:
    """What lies over shoulders and arms once they are drawn."""
    if kind == "cloak":
        _cloak_shoulders(f)
