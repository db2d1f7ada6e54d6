"""A page of paper: one HTML file that opens from disk, with its pictures inside it, no script, and nothing fetched."""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import re


def page(title: str, body: str) -> str:
    """The whole file. ``title`` is text; ``body`` is HTML, its texts already escaped."""
    return _PAGE.format(title=html.escape(title), body=body)


def picture(png: bytes, says: str) -> str:
    """An img element that holds a PNG file, signature and all; ``says`` is what it shows, for those who cannot see it."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(says)}" src="{_HELD}{data}">'


def pictures_in(page: bytes) -> list[bytes]:
    """The PNG files that ``picture`` put into a page; what is none is passed over."""
    found: list[bytes] = []
    for data in re.findall(re.escape(_HELD).encode() + rb"([A-Za-z0-9+/=]*)\"", page):
        with contextlib.suppress(binascii.Error):
            found.append(base64.b64decode(data))
    return found


_HELD = "data:image/png;base64,"


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ --paper:#faf7f2; --ink:#3a3034; --faint:#776b6e; --line:#e6ded6; --good:#4f7d5c; --bad:178 58 72 }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper:#211d20; --ink:#efe8e2; --faint:#a2979a; --line:#3a3338; --good:#8fbf9b; --bad:214 92 104 }} }}
body {{ margin:0 auto; padding:2.5rem 1.5rem 4rem; max-width:72rem; background:var(--paper); color:var(--ink);
  font:16px/1.5 ui-sans-serif, system-ui, sans-serif }}
h1 {{ font-weight:600; letter-spacing:.01em; margin:0 0 1.5rem }}
h2 {{ font-weight:600; font-size:1.15rem; margin:2.5rem 0 .75rem }}
p, li {{ max-width:42rem }}
.faint {{ color:var(--faint) }}
.scroll {{ overflow-x:auto }}
table {{ border-collapse:separate; border-spacing:.75rem }}
table.figures {{ border-spacing:0 }}
table.figures td, table.figures th {{ padding:.3rem .9rem .3rem 0; border-bottom:1px solid var(--line); text-align:right }}
table.figures table.heat th[scope=col] {{ padding:0 .4rem }}
th[scope=row] {{ text-align:left }}
table.heat {{ border-spacing:3px }}
table.heat td {{ min-width:3.4rem; height:2.4rem; text-align:center; border-radius:6px; border:1px solid var(--line) }}
th[scope=col] {{ color:var(--faint); font-weight:500 }}
th[scope=row] {{ text-align:right; font-weight:500; padding-right:.5rem }}
img {{ display:block; width:clamp(96px, 14vw, 192px); aspect-ratio:1; border-radius:10px; border:1px solid var(--line) }}
figure {{ margin:0; display:inline-block; vertical-align:top; width:clamp(96px, 14vw, 192px) }}
figcaption {{ font-size:.85rem; color:var(--faint); margin:.3rem 0 .8rem }}
</style>
<h1>{title}</h1>
{body}
</html>
"""
