"""The paper a doll is drawn on: one index picture, from which colours and labels are both looked up.

Shapes write a *tone index* (part x tone) into one supersampled 8-bit canvas. The finished picture is
``palette[index]`` averaged down, the label map is ``part[index]`` at the centre of each pixel. Because
both come from the same canvas, the label map is exact by construction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]

BACKGROUND, SKIN, HAIR, FACE, EARS, MARK, GARMENT, TRIM, FOOTWEAR = range(9)
LABELS = ("background", "skin", "hair", "face", "ears", "mark", "garment", "garment_trim", "footwear")
GARMENT_LABELS = (GARMENT, TRIM, FOOTWEAR)
"""Labels that belong to an outfit; their union is the garment mask."""

# Parts may be finer than labels: a part has its own colour, several parts share a label.
PARTS = (
    "paper", "skin", "hair", "eye_white", "iris", "line", "ear", "mark",
    "main", "second", "shoe", "metal", "blush",
)  # fmt: skip
_LABEL_OF_PART = {
    "paper": BACKGROUND, "skin": SKIN, "hair": HAIR, "eye_white": FACE, "iris": FACE, "line": FACE, "ear": EARS,
    "mark": MARK, "main": GARMENT, "second": TRIM, "shoe": FOOTWEAR, "metal": TRIM, "blush": FACE,
}  # fmt: skip
BASE, SHADE, OUTLINE = 0, 1, 2
_TONES = 3


_FIRST = {part: i * _TONES for i, part in enumerate(PARTS)}


def tone(part: str, which: int = BASE) -> int:
    """Index of one part in one tone (BASE, SHADE or OUTLINE)."""
    return _FIRST[part] + which


def label_table() -> np.ndarray:
    """uint8 [n_indices]: the label of every tone index."""
    return np.array([_LABEL_OF_PART[p] for p in PARTS for _ in range(_TONES)], dtype=np.uint8)


def palette(colours: dict[str, tuple[int, int, int]]) -> np.ndarray:
    """uint32 [n_indices] (RGBX bytes) from one RGB colour per part; the shade and outline tones are darker versions."""
    rows = []
    for part in PARTS:
        base = np.array(colours[part], dtype=np.float32)
        rows += [base, base * np.array([0.80, 0.79, 0.84]), base * 0.35 + np.array([8.0, 4.0, 14.0])]
    return pack(np.clip(np.array(rows), 0, 255).astype(np.uint8))


def pack(rgb: np.ndarray) -> np.ndarray:
    """uint32 [...] of RGBX bytes from uint8 [..., 3]: one look-up and one select per pixel instead of three."""
    padded = np.concatenate([rgb, np.zeros_like(rgb[..., :1])], axis=-1)
    return np.ascontiguousarray(padded).view(np.uint32)[..., 0]


class Canvas:
    """An index canvas of ``size_px * scale`` squared; coordinates of shapes are in picture pixels at size 128."""

    def __init__(self, size_px: int, scale: int) -> None:
        self.side = size_px * scale
        self.k = self.side / 128.0
        self.image = Image.new("L", (self.side, self.side), 0)
        self.draw = ImageDraw.Draw(self.image)
        self.line_px = max(1, round(0.85 * self.k))

    def polygon(self, points: np.ndarray, part: str, which: int = BASE, outline: bool = True) -> None:
        """Fill a polygon ([n, 2] points) and draw its contour in the part's outline tone."""
        flat = (points * self.k).ravel().tolist()
        if outline:
            self.draw.line(flat + flat[:4], fill=tone(part, OUTLINE), width=self.line_px * 2)
        self.draw.polygon(flat, fill=tone(part, which))

    def line(self, points: Sequence[Point] | np.ndarray, part: str, which: int, width: float) -> None:
        flat = (np.asarray(points, dtype=np.float64) * self.k).ravel().tolist()
        self.draw.line(flat, fill=tone(part, which), width=max(1, round(width * self.k)), joint="curve")

    def ellipse(self, centre: Point, rx: float, ry: float, part: str, which: int = BASE, outline: bool = False) -> None:
        cx, cy, rx, ry = centre[0] * self.k, centre[1] * self.k, rx * self.k, ry * self.k
        if outline:
            w = self.line_px
            self.draw.ellipse((cx - rx - w, cy - ry - w, cx + rx + w, cy + ry + w), fill=tone(part, OUTLINE))
        self.draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=tone(part, which))

    def index(self) -> np.ndarray:
        """uint8 [side, side] tone indices."""
        return np.asarray(self.image)
