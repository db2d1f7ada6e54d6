"""The lookbook: one picture, and one page that opens from disk with no network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_PAPER, _INK, _FAINT = (250, 247, 242), (58, 48, 52), (150, 138, 140)


def sheet(cells: Mapping[tuple[str, str], np.ndarray], rows: Sequence[str], columns: Sequence[str], title: str) -> Image.Image:
    """One picture of all looks: ``cells[(row, column)]`` uint8 [h, w, 3]; rows are outfits, columns views."""
    side = next(iter(cells.values())).shape[0] * 2
    gap, left, top = side // 16, side // 2 + side // 8, side // 2
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


def page(cells: Mapping[tuple[str, str], np.ndarray], rows: Sequence[str], columns: Sequence[str], title: str) -> str:
    """The same as an HTML page with the pictures inside it: one file, no script, nothing fetched."""
    head = "".join(f"<th scope=col>{html.escape(c)}</th>" for c in columns)
    body = "".join(
        f"<tr><th scope=row>{html.escape(r)}</th>"
        + "".join(f'<td><img alt="{html.escape(r)}, {html.escape(c)}" src="{_data(cells[r, c])}"></td>' for c in columns)
        + "</tr>"
        for r in rows
    )
    return _PAGE.format(title=html.escape(title), head=head, body=body)


def _data(pixels: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ --paper:#faf7f2; --ink:#3a3034; --faint:#96898c; --line:#e6ded6 }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper:#211d20; --ink:#efe8e2; --faint:#a2979a; --line:#3a3338 }} }}
body {{ margin:0 auto; padding:2.5rem 1.5rem 4rem; max-width:72rem; background:var(--paper); color:var(--ink);
  font:16px/1.5 ui-sans-serif, system-ui, sans-serif }}
h1 {{ font-weight:600; letter-spacing:.01em; margin:0 0 1.5rem }}
.scroll {{ overflow-x:auto }}
table {{ border-collapse:separate; border-spacing:.75rem }}
th[scope=col] {{ color:var(--faint); font-weight:500 }}
th[scope=row] {{ text-align:right; font-weight:500; padding-right:.5rem }}
img {{ display:block; width:clamp(96px, 14vw, 192px); aspect-ratio:1; border-radius:10px; border:1px solid var(--line) }}
</style>
<h1>{title}</h1>
<div class="scroll"><table><tr><td></td>{head}</tr>{body}</table></div>
</html>
"""
