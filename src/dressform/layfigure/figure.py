"""The mannequin's body in three dimensions, and its flat outline from any side.

Two primitives make everything, the garments too: a *limb* (a tapered capsule between two joints) and a
*tower* (elliptic rings stacked along the vertical axis). Units are figure heights: the ground is y = 0, the
top of the head y = 1; +z is forward, +x the figure's left. A view is a turn about the vertical axis, then an
orthographic projection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dressform.layfigure.canvas import SHADE, Canvas, Point
from dressform.layfigure.doll import Identity, Scene

Vec = tuple[float, float, float]
Ring = tuple[float, float, float, float]
"""(y, half width, half depth, forward offset) of one horizontal ellipse."""

_YAW_DEGREES = {"front": 0.0, "three-quarter": 38.0, "side": 90.0, "back": 180.0}
_HEIGHT = {"low": 0.740, "medium": 0.815, "tall": 0.890}
_BUILD = {"slim": 0.80, "average": 1.0, "sturdy": 1.26}
_HEAD = {"small": 0.94, "large": 1.06}

UPPER_ARM, FOREARM, THIGH, SHIN = 0.150, 0.118, 0.235, 0.225
HAND, PALM = 0.036, 1.5
"""How far beyond the wrist a hand's widest place lies, and how much wider than the wrist it is. Under a coat, from behind, two hands are
all the skin there is to see."""

# Direction of (upper arm, forearm) and (thigh, shin) for right and left; x counts outwards for both sides.
_DOWN: Vec = (0.20, -1.0, 0.05)
_POSES: dict[str, tuple[tuple[Vec, Vec], tuple[Vec, Vec], tuple[Vec, Vec], tuple[Vec, Vec]]] = {
    "standing": (
        (_DOWN, (0.10, -1.0, 0.12)), (_DOWN, (0.10, -1.0, 0.12)),
        ((0.10, -1, 0), (0.04, -1, 0)), ((0.10, -1, 0), (0.04, -1, 0)),
    ),
    "waving": (
        ((0.85, 0.25, 0.45), (0.15, 1.0, 0.30)), (_DOWN, (0.10, -1.0, 0.12)),
        ((0.10, -1, 0), (0.04, -1, 0)), ((0.10, -1, 0), (0.04, -1, 0)),
    ),
    "cheering": (
        ((0.62, 0.90, 0.25), (0.25, 1.0, 0.30)), ((0.62, 0.90, 0.25), (0.25, 1.0, 0.30)),
        ((0.20, -1, 0), (0.14, -1, 0)), ((0.20, -1, 0), (0.14, -1, 0)),
    ),
    "akimbo": (
        ((0.75, -0.75, -0.55), (-0.62, -0.62, 0.75)), ((0.75, -0.75, -0.55), (-0.62, -0.62, 0.75)),
        ((0.20, -1, 0), (0.14, -1, 0)), ((0.20, -1, 0), (0.14, -1, 0)),
    ),
    "walking": (
        ((0.22, -0.90, 0.55), (0.05, -0.55, 0.80)), ((0.22, -0.90, -0.60), (0.10, -0.95, -0.15)),
        ((0.06, -0.90, -0.42), (0.12, -0.62, -0.80)), ((0.06, -0.92, 0.42), (0.02, -1.0, 0.12)),
    ),
    "reaching": (
        ((0.75, 0.02, 0.75), (0.70, 0.10, 0.75)), ((0.75, 0.02, 0.75), (0.70, 0.10, 0.75)),
        ((0.10, -1, 0), (0.04, -1, 0)), ((0.10, -1, 0), (0.04, -1, 0)),
    ),
}  # fmt: skip


def _unit(v: Vec, length: float) -> np.ndarray:
    a = np.array(v, dtype=np.float64)
    return a * (length / np.linalg.norm(a))


_ARCS = {n: np.array([(math.cos(t), math.sin(t)) for t in np.linspace(math.pi / 2, 3 * math.pi / 2, n)]) for n in (2, 9)}


def _half_circle(angle: float, points: int) -> np.ndarray:
    """[points, 2] on the half of the unit circle that faces away from ``angle`` (radians)."""
    c, s = math.cos(angle), math.sin(angle)
    return _ARCS[points] @ np.array([[c, s], [-s, c]])


@dataclass(frozen=True)
class Limb:
    """Two bones: three joints [3, 3] and the radius at each joint."""

    joints: np.ndarray
    radii: tuple[float, float, float]
    depth: float
    outward: float


class Figure:
    """One posed mannequin seen from one side: where its joints are, and how to draw limbs and towers."""

    def __init__(self, canvas: Canvas, identity: Identity, scene: Scene) -> None:
        self.canvas, self.view = canvas, scene.view
        yaw = math.radians(_YAW_DEGREES[scene.view])
        self.cos, self.sin = math.cos(yaw), math.sin(yaw)
        self.scale = 124.0 * _HEIGHT[identity.height]
        self.b = _BUILD[identity.build]
        self.head = _HEAD[identity.head]
        self.lift = 0.012 if scene.pose == "walking" else 0.0
        right_arm, left_arm, right_leg, left_leg = _POSES[scene.pose]
        self.arms = [self._arm(-1, right_arm), self._arm(1, left_arm)]
        self.legs = [self._leg(-1, right_leg), self._leg(1, left_leg)]

    # projection -------------------------------------------------------------------------------------
    def flat(self, p: Sequence[float] | np.ndarray) -> Point:
        """Picture position (pixels at size 128) of a point in figure space."""
        x, y, z = float(p[0]), float(p[1]), float(p[2])
        return 64.0 + self.scale * (x * self.cos + z * self.sin), 122.5 - self.scale * y

    def facing(self, p: Sequence[float]) -> float:
        """Depth of a point towards the viewer; positive is nearer."""
        return float(p[2]) * self.cos - float(p[0]) * self.sin

    # skeleton ---------------------------------------------------------------------------------------
    def _chain(self, start: Vec, side: int, bones: tuple[Vec, Vec], lengths: tuple[float, float]) -> np.ndarray:
        mirror = np.array([side, 1.0, 1.0])
        a = np.array(start)
        b = a + _unit(bones[0], lengths[0]) * mirror
        return np.array([a, b, b + _unit(bones[1], lengths[1]) * mirror])

    def _arm(self, side: int, bones: tuple[Vec, Vec]) -> Limb:
        joints = self._chain((side * 0.088 * self.b, 0.800, 0.0), side, bones, (UPPER_ARM, FOREARM))
        r = 0.029 * (0.4 + 0.6 * self.b)
        return Limb(joints, (r, r * 0.86, r * 0.70), self.facing(joints[0]), side)

    def _leg(self, side: int, bones: tuple[Vec, Vec]) -> Limb:
        joints = self._chain((side * 0.044 * self.b, 0.505 + self.lift, 0.0), side, bones, (THIGH, SHIN))
        r = 0.045 * (0.3 + 0.7 * self.b)
        return Limb(joints, (r, r * 0.74, r * 0.50), self.facing(joints[0]), side)

    def torso(self, ease: float = 0.0) -> list[Ring]:
        """Rings of the torso from the hips to the neck, widened by ``ease``."""
        b = self.b
        rows = [
            (0.468, 0.050, 0.050), (0.500, 0.086, 0.064), (0.540, 0.090, 0.066), (0.590, 0.078, 0.058),
            (0.640, 0.068, 0.052), (0.690, 0.074, 0.056), (0.740, 0.087, 0.062), (0.785, 0.100, 0.058),
            (0.812, 0.096, 0.048), (0.828, 0.064, 0.036), (0.838, 0.030, 0.026),
        ]  # fmt: skip
        return [(y, w * b + ease, d * (0.4 + 0.6 * b) + ease, 0.0) for y, w, d in rows]

    # drawing ----------------------------------------------------------------------------------------
    def tower_outline(self, rings: Sequence[Ring]) -> np.ndarray:
        """[2n, 2] contour of stacked rings as seen from the view."""
        left, right = [], []
        for y, w, d, z in rings:
            half = math.hypot(w * self.cos, d * self.sin) * self.scale
            cx, cy = self.flat((0.0, y, z))
            left.append((cx - half, cy))
            right.append((cx + half, cy))
        return np.array(left + right[::-1])

    def tower(self, rings: Sequence[Ring], part: str, shade: bool = True, outline: bool = True) -> None:
        """Draw stacked rings, with a shaded strip down the right-hand side."""
        contour = self.tower_outline(rings)
        self.canvas.polygon(contour, part, outline=outline)
        if shade:
            n = len(rings)
            left, right = contour[:n], contour[n:][::-1]
            inner = right * 0.74 + left * 0.26
            self.canvas.polygon(np.concatenate([inner, right[::-1]]), part, SHADE, outline=False)

    def capsule(self, a: np.ndarray, b: np.ndarray, ra: float, rb: float, part: str, outline: bool = True, round_end: bool = True) -> None:
        """Draw one tapered segment (radii in figure heights); the far end is round or cut straight."""
        pa, pb = np.array(self.flat(a)), np.array(self.flat(b))
        ra, rb = ra * self.scale, rb * self.scale
        along = pb - pa
        angle = math.atan2(along[1], along[0]) if np.hypot(*along) > 1e-6 else math.pi / 2
        start = pa + ra * _half_circle(angle, 9)
        end = pb + rb * _half_circle(angle + math.pi, 9 if round_end else 2)
        self.canvas.polygon(np.concatenate([start, end]), part, outline=outline)

    def limb(self, limb: Limb, part: str, upto: float = 2.0, ease: float = 0.0, flare: float = 0.0) -> None:
        """Draw a limb, or a sleeve or trouser leg over it: ``upto`` in bones (1 = elbow or knee, 2 = wrist or ankle)."""
        j, r = limb.joints, limb.radii
        first = min(upto, 1.0)
        mid = j[0] + (j[1] - j[0]) * first
        r_mid = r[0] + (r[1] - r[0]) * first
        widen = ease + flare * first / upto
        segments = [(j[0], mid, r[0] + ease, r_mid + widen)]
        if upto > 1.0:
            rest = upto - 1.0
            end = j[1] + (j[2] - j[1]) * rest
            segments.append((j[1], end, r[1] + widen, r[1] + (r[2] - r[1]) * rest + ease + flare))
        for outline in (True, False):
            for i, (a, b, ra, rb) in enumerate(segments):
                open_end = part != "skin" and i == len(segments) - 1
                self.capsule(a, b, ra, rb, part, outline, round_end=not open_end)

    def band(self, limb: Limb, at: float, width: float, part: str, ease: float = 0.004) -> None:
        """Draw a cuff around a limb at ``at`` bones from its root."""
        i = 0 if at < 1.0 else 1
        j, r = limb.joints, limb.radii
        d = j[i + 1] - j[i]
        a = j[i] + d * (at - i)
        pa, pb = np.array(self.flat(a)), np.array(self.flat(a + d / np.linalg.norm(d) * width))
        along = pb - pa
        radius = (r[i] + (r[i + 1] - r[i]) * (at - i) + ease) * self.scale
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6) * radius
        self.canvas.polygon(np.array([pa + across, pb + across, pb - across, pa - across]), part)

    def spot(self, p: Vec, facing: Vec) -> tuple[Point, float]:
        """Where a detail on the surface lies, and how much it faces the viewer (1 full, 0 edge, below: hidden)."""
        return self.flat(p), self.facing(facing)
