"""Draws one doll: the picture and its exact label map, from the same canvas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from dressform.layfigure import canvas as cv
from dressform.layfigure.backgrounds import background
from dressform.layfigure.canvas import Canvas
from dressform.layfigure.doll import Doll
from dressform.layfigure.figure import HAND, PALM, Figure, Limb
from dressform.layfigure.garments import CUTS, Cut, over_arms
from dressform.layfigure.head import Head

RGB = tuple[int, int, int]

SKIN_RGB: dict[str, RGB] = {
    "pale": (253, 230, 214), "tan": (230, 168, 106), "brown": (156, 94, 58), "dark": (78, 50, 44),
    "blue": (70, 170, 238), "green": (96, 194, 92), "violet": (190, 108, 214), "grey": (106, 110, 120),
}  # fmt: skip
"""Tones far enough apart to be told from a face and two hands: blue, green and violet are of one lightness, and a grey of the same was
taken for them."""
HAIR_RGB: dict[str, RGB] = {
    "black": (44, 40, 52), "brown": (116, 74, 46), "blonde": (242, 208, 104), "red": (204, 62, 44),
    "white": (240, 240, 246), "blue": (58, 104, 204), "green": (58, 152, 90), "pink": (246, 146, 186),
}  # fmt: skip
EYES_RGB: dict[str, RGB] = {
    "brown": (122, 72, 38), "blue": (48, 116, 220), "green": (46, 158, 78), "red": (214, 48, 48),
    "violet": (140, 72, 196), "gold": (236, 182, 40),
}  # fmt: skip
GARMENT_RGB: dict[str, RGB] = {
    "red": (214, 46, 52), "orange": (244, 138, 38), "yellow": (250, 216, 62), "green": (44, 148, 72),
    "blue": (42, 92, 204), "purple": (128, 62, 174), "pink": (248, 150, 188), "white": (246, 246, 244),
    "black": (46, 46, 54), "brown": (130, 86, 54),
}  # fmt: skip
SHOE_RGB: RGB = (84, 62, 58)
METAL_RGB: RGB = (206, 208, 220)

SCALE = 4
"""Canvas pixels for one pixel of the picture."""


@dataclass(frozen=True)
class Render:
    """``picture`` uint8 [size, size, 3]; ``labels`` uint8 [size, size], values index ``canvas.LABELS``."""

    picture: np.ndarray
    labels: np.ndarray

    @property
    def garment_mask(self) -> np.ndarray:
        """bool [size, size]: where the outfit is."""
        return np.isin(self.labels, cv.GARMENT_LABELS)


def _mix(a: RGB, b: RGB, t: float) -> RGB:
    return tuple(round(x * (1 - t) + y * t) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _colours(doll: Doll) -> dict[str, RGB]:
    who, worn = doll.identity, doll.garment
    skin, hair = SKIN_RGB[who.skin], HAIR_RGB[who.hair_colour]
    mark: RGB = (250, 220, 60) if who.skin in ("blue", "violet", "dark") else (190, 40, 96)
    return {
        "paper": (0, 0, 0), "skin": skin, "hair": hair, "eye_white": (255, 255, 255), "iris": EYES_RGB[who.eyes],
        "line": (70, 44, 48), "ear": skin if who.ears in ("round", "pointed") else hair, "mark": mark,
        "main": GARMENT_RGB[worn.colour] if worn else skin, "second": GARMENT_RGB[worn.second] if worn else skin,
        "shoe": SHOE_RGB, "metal": METAL_RGB, "blush": _mix(skin, (242, 96, 110), 0.42),
    }  # fmt: skip


@lru_cache(maxsize=16)
def _pattern(name: str, side: int) -> np.ndarray:
    """bool [side, side]: where the second colour shows. Laid like screentone, fixed to the paper, in cells of 8/128."""
    unit = side / 128.0
    y, x = np.mgrid[0:side, 0:side] / unit
    if name == "striped":
        field = (y % 8) < 4
    elif name == "dotted":
        field = ((x % 8 - 4) ** 2 + (y % 8 - 4) ** 2) < 6.5
    elif name == "checked":
        field = ((x % 16) < 8) ^ ((y % 16) < 8)
    else:
        field = np.zeros((side, side), dtype=bool)
    field.setflags(write=False)
    return field


def _seams(f: Figure) -> None:
    """The joint lines of a lay figure: what a bare mannequin shows and a person does not."""
    for limb in (*f.arms, *f.legs):
        p = f.flat(limb.joints[1])
        r = limb.radii[1] * f.scale * 0.78
        f.canvas.line([(p[0] - r, p[1]), (p[0] + r, p[1])], "skin", cv.OUTLINE, 0.7)
    for y in (0.60, 0.505):
        rings = next(r for r in f.torso() if abs(r[0] - y) < 0.02)
        contour = f.tower_outline([(y, *rings[1:])])
        f.canvas.line([contour[0], contour[1]], "skin", cv.OUTLINE, 0.7)


def _mark(f: Figure, mark: str) -> None:
    if mark == "star":
        p, seen = f.spot((0.0, 0.735, 0.062), (0, 0, 1))
        if seen > 0.3:
            t = np.arange(10) * np.pi / 5 - np.pi / 2
            r = np.where(np.arange(10) % 2 == 0, 4.3, 1.9)
            f.canvas.polygon(np.stack([p[0] + r * np.cos(t), p[1] + r * np.sin(t)], 1), "mark", outline=False)
    elif mark == "diamond":
        limb = f.legs[1] if f.view != "back" else f.legs[0]
        c = limb.joints[0] * 0.45 + limb.joints[1] * 0.55
        x, y = f.flat(c)
        f.canvas.polygon(np.array([(x, y - 4.2), (x + 2.6, y), (x, y + 4.2), (x - 2.6, y)]), "mark", outline=False)


def _arm(f: Figure, limb: Limb, doll: Doll) -> None:
    f.limb(limb, "skin")
    wrist = limb.joints[2]
    along = limb.joints[2] - limb.joints[1]
    hand = wrist + along / np.linalg.norm(along) * HAND
    for outline in (True, False):
        f.capsule(wrist, hand, limb.radii[2], limb.radii[2] * PALM, "skin", outline)
    if doll.identity.mark == "stripe":
        f.band(limb, 0.52, 0.022, "mark", 0.003)
    if doll.garment and (sleeve := CUTS[doll.garment.kind].sleeve):
        sleeve(f, limb)


def _leg(f: Figure, limb: Limb) -> None:
    f.limb(limb, "skin")
    shoe = limb.joints[2]
    f.capsule(shoe + np.array([0, -0.018, -0.006]), shoe + np.array([0, -0.020, 0.046]), 0.020, 0.016, "skin")


def _draw(c: Canvas, doll: Doll) -> None:
    """From the farthest layer to the nearest: what hangs behind, far arm, body, head, near arms, what lies over them."""
    f = Figure(c, doll.identity, doll.scene)
    head = Head(f, doll.identity)
    cut = CUTS[doll.garment.kind] if doll.garment else None
    turned = f.view in ("side", "three-quarter")
    far = [arm for arm in f.arms if turned and arm.depth < -0.02]
    near = [arm for arm in f.arms if not (turned and arm.depth < -0.02)]

    if cut and cut.behind:
        cut.behind(f)
    if f.view != "back":
        head.draw_back_hair()
    for arm in far:
        _arm(f, arm, doll)
    _body(f, doll, cut)
    head.draw_skull()
    head.draw_face()
    if f.view != "back":
        head.draw_front_hair()
        head.draw_ears_over_hair()
    for arm in near:
        _arm(f, arm, doll)
    if doll.garment:
        over_arms(f, doll.garment.kind)
    if f.view == "back":
        head.draw_back_hair()
        head.draw_front_hair()
        head.draw_ears_over_hair()


def _body(f: Figure, doll: Doll, cut: Cut | None) -> None:
    legs = sorted(f.legs, key=lambda limb: limb.depth)
    for leg in legs:
        _leg(f, leg)
    f.capsule(np.array([0, 0.82, 0.0]), np.array([0, 0.86, 0.004]), 0.028, 0.028, "skin")
    f.tower(f.torso(), "skin")
    _mark(f, doll.identity.mark)
    if cut is None:
        _seams(f)
        return
    for leg in legs:
        if cut.legs:
            cut.legs(f, leg)
    cut.body(f)


def render(doll: Doll, size_px: int = 128) -> Render:
    """Draw a doll. Deterministic: the same parameters give the same bytes."""
    pixels, labels = fine(doll, size_px)
    return Render(reduced(pixels), labels)


def fine(doll: Doll, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture before it is averaged down, uint32 [side, side] of RGBX bytes, and its label map [size, size]."""
    c = Canvas(size_px, SCALE)
    _draw(c, doll)
    index = c.index()
    colours = _colours(doll)
    pixels = cv.palette(colours)[index]
    if doll.garment and doll.garment.pattern != "plain":
        inside = cv.palette(colours | {"main": colours["second"]})[index]
        pixels = np.where(_pattern(doll.garment.pattern, c.side), inside, pixels)
    pixels = np.where(index == 0, background(doll.scene.background, c.side), pixels)
    return pixels, cv.label_table()[index[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]]


def reduced(pixels: np.ndarray) -> np.ndarray:
    """uint8 [size, size, 3]: supersampled pixels averaged down."""
    side = len(pixels)
    return np.asarray(Image.frombuffer("RGBX", (side, side), pixels.tobytes(), "raw", "RGBX", 0, 1).reduce(SCALE))[..., :3]
