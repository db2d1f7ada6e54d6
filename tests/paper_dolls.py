"""Quick paper dolls for sheets: an outlined head, a body and two legs, drawn in a moment."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

INK = (40, 30, 36)


def doll(paint: ImageDraw.ImageDraw, x: int, base: int, height: int, body: tuple[int, int, int] = (70, 120, 200)) -> None:
    """One figure whose middle is at ``x`` and whose feet are at ``base``."""
    unit = height / 100
    skin, line = (236, 190, 160), max(1, round(unit))

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return x + left * unit, base - top * unit, x + right * unit, base - bottom * unit

    for side in (-1, 1):
        left, right = sorted((side * 2, side * 9))
        paint.rectangle(box(left, 46, right, 0), fill=skin, outline=INK, width=line)
        left, right = sorted((side * 11, side * 16))
        paint.rectangle(box(left, 78, right, 42), fill=skin, outline=INK, width=line)
    paint.rectangle(box(-11, 82, 11, 42), fill=body, outline=INK, width=line)
    paint.ellipse(box(-9, 100, 9, 80), fill=(200, 80, 60), outline=INK, width=line)


def sheet(count: int, height: int = 160, gap: int = 30, paper: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """``count`` dolls in a row."""
    step = round(height * 0.32) + gap
    image = Image.new("RGB", (count * step + 40, height + 60), paper)
    for i in range(count):
        doll(ImageDraw.Draw(image), 20 + step // 2 + i * step, height + 30, height, (70, 120, 200 - 9 * i))
    return np.asarray(image)
