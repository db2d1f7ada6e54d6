"""The lookbook: one picture, and one page that opens from disk with no network."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dressform import paper

_MOST_PX = 512
"""The side of a look on the sheet; the page has them in full."""
_PAPER, _INK, _FAINT = (250, 247, 242), (58, 48, 52), (150, 138, 140)


def sheet(cells: Mapping[tuple[str, str], np.ndarray], rows: Sequence[str], columns: Sequence[str], title: str) -> Image.Image:
    """One picture of all looks: ``cells[(row, column)]`` uint8 [h, w, 3]; rows are outfits, columns views."""
    side = min(2 * next(iter(cells.values())).shape[0], _MOST_PX)
    gap, top = side // 16, side // 2
    left = max(side // 2 + side // 8, 2 * gap + int(max(_font(side // 12).getlength(row) for row in rows)))
    width, height = left + len(columns) * (side + gap) + gap, top + len(rows) * (side + gap) + gap
    page = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((gap * 2, gap), title, _INK, font=_font(side // 8))
    for j, column in enumerate(columns):
        x = left + j * (side + gap) + side // 2
        pen.text((x, top - side // 9), column, _FAINT, font=_font(side // 14), anchor="ms")
    for i, row in enumerate(rows):
        y = top + i * (side + gap)
        pen.text((left - gap, y + side // 2), row, _INK, font=_font(side // 12), anchor="rm")
        for j, column in enumerate(columns):
            tile = Image.fromarray(cells[row, column]).resize((side, side), Image.Resampling.BICUBIC)
            page.paste(tile, (left + j * (side + gap), y))
    return page


def page(cells: Mapping[tuple[str, str], bytes], rows: Sequence[str], columns: Sequence[str], title: str) -> str:
    """The same as an HTML page with the pictures, as PNG files, inside it."""
    head = "".join(f"<th scope=col>{html.escape(c)}</th>" for c in columns)
    body = "".join(
        f"<tr><th scope=row>{html.escape(r)}</th>"
        + "".join(f"<td>{paper.picture(cells[r, c], f'{r}, {c}')}</td>" for c in columns)
        + "</tr>"
        for r in rows
    )
    return paper.page(title, f'<div class="scroll"><table><tr><td></td>{head}</tr>{body}</table></div>')


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
