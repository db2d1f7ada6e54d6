"""Backgrounds: quiet enough that the doll stands out, different enough to be told apart."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dressform.layfigure.canvas import pack

RGB = tuple[int, int, int]


def _blend(top: RGB, bottom: RGB, side: int) -> np.ndarray:
    t = np.linspace(0, 1, side)[:, None, None]
    rows = np.array(top) * (1 - t) + np.array(bottom) * t
    return np.broadcast_to(rows, (side, side, 3)).copy()


def _floor(picture: np.ndarray, from_: float, colour: RGB) -> np.ndarray:
    picture[int(picture.shape[0] * from_) :] = colour
    return picture


def _hills(picture: np.ndarray, base: float, height: float, colour: RGB) -> np.ndarray:
    side = picture.shape[0]
    x = np.linspace(0, 1, side)
    line = base - height * (0.5 + 0.5 * np.sin(2 * np.pi * (1.1 * x + 0.08)))
    picture[np.linspace(0, 1, side)[:, None] > line[None, :]] = colour
    return picture


def _disc(picture: np.ndarray, x: float, y: float, r: float, colour: RGB) -> np.ndarray:
    side = picture.shape[0]
    grid = np.linspace(0, 1, side)
    picture[(grid[None, :] - x) ** 2 + (grid[:, None] - y) ** 2 < r * r] = colour
    return picture


def _sky(side: int) -> np.ndarray:
    picture = _blend((120, 184, 238), (206, 234, 250), side)
    for x, y, r in ((0.14, 0.20, 0.055), (0.20, 0.18, 0.07), (0.27, 0.205, 0.05), (0.80, 0.34, 0.05), (0.87, 0.33, 0.06)):
        picture = _disc(picture, x, y, r, (246, 250, 253))
    return picture


def _park(side: int) -> np.ndarray:
    picture = _hills(_blend((196, 226, 240), (226, 240, 232), side), 0.62, 0.12, (150, 196, 140))
    return _floor(picture, 0.80, (122, 176, 108))


def _studio(side: int) -> np.ndarray:
    return _floor(_blend((236, 220, 200), (228, 208, 186), side), 0.82, (182, 150, 122))


def _night(side: int) -> np.ndarray:
    picture = _disc(_blend((22, 26, 62), (52, 54, 104), side), 0.80, 0.18, 0.085, (244, 236, 200))
    for x, y in ((0.12, 0.14), (0.24, 0.36), (0.34, 0.10), (0.90, 0.44), (0.10, 0.58), (0.70, 0.06)):
        picture = _disc(picture, x, y, 0.012, (226, 228, 244))
    return _floor(picture, 0.88, (38, 38, 74))


def _sunset(side: int) -> np.ndarray:
    picture = _disc(_blend((244, 146, 104), (254, 214, 142), side), 0.22, 0.60, 0.10, (255, 240, 196))
    return _floor(picture, 0.74, (150, 92, 120))


def _white(side: int) -> np.ndarray:
    return _blend((252, 252, 252), (252, 252, 252), side)


def _grey(side: int) -> np.ndarray:
    return _blend((158, 160, 166), (142, 144, 150), side)


_BACKGROUNDS = {
    "white": _white, "grey": _grey, "sky": _sky, "park": _park,
    "studio": _studio, "night": _night, "sunset": _sunset,
}  # fmt: skip


@lru_cache(maxsize=32)
def background(name: str, side: int) -> np.ndarray:
    """uint32 [side, side] of RGBX bytes, read-only."""
    picture = pack(_BACKGROUNDS[name](side).astype(np.uint8))
    picture.setflags(write=False)
    return picture
