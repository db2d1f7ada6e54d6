"""Contact sheets: many small pictures on one page, each with a word beneath it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from dressform.pictures.intake import fitted

_GAP, _LABEL_ROWS, _PAPER, _INK = 8, 16, (250, 247, 242), (90, 80, 84)
_HALF = "\u2580"  # the upper half of a character cell: two pixels in one


@dataclass(frozen=True)
class Cell:
    """One small picture (uint8 [h, w, 3]) and what stands beneath it."""

    pixels: np.ndarray
    label: str


def contact_sheet(cells: Sequence[Cell], side_px: int = 128, across: int = 8) -> np.ndarray:
    """All cells in rows of ``across``: uint8 [h, w, 3]. Letters that the built-in font lacks are left out of the labels."""
    across = max(1, min(across, len(cells)))
    down = -(-len(cells) // across)
    step_x, step_y = side_px + _GAP, side_px + _LABEL_ROWS + _GAP
    page = Image.new("RGB", (_GAP + across * step_x, _GAP + down * step_y), _PAPER)
    paint = ImageDraw.Draw(page)
    for i, cell in enumerate(cells):
        x, y = _GAP + i % across * step_x, _GAP + i // across * step_y
        page.paste(Image.fromarray(fitted(cell.pixels, side_px)), (x, y))
        words = "".join(c for c in cell.label if c.isascii())[: side_px // 6]
        paint.text((x, y + side_px + 2), words, fill=_INK, font_size=11)
    return np.asarray(page)


def in_the_terminal(pixels: np.ndarray, columns: int) -> Iterator[str]:
    """The picture as lines of coloured half blocks, for a terminal of 24-bit colour that is ``columns`` wide."""
    image = Image.fromarray(pixels)
    width = max(1, min(columns, image.width))
    height = max(2, round(image.height * width / image.width)) // 2 * 2
    small = np.asarray(image.resize((width, height), Image.Resampling.BOX)).astype(int)
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        cells = (f"\x1b[38;2;{a[0]};{a[1]};{a[2]};48;2;{b[0]};{b[1]};{b[2]}m{_HALF}" for a, b in zip(upper, lower, strict=True))
        yield "".join(cells) + "\x1b[0m"
