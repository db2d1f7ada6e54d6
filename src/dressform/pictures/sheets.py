"""Turnaround sheets (三面図): is a picture one, where are its figures, and what does each of them show?

The figures are looked for in a small copy. Each is then cut out of the picture itself, whole, and stands alone on white paper as
a picture of one figure stands: what is beside it would be learned as hers, and a figure that fills its picture looks like another
build.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from dressform.errors import BadInput
from dressform.pictures.backdrop import drawn_on, hides_lines, line_strength
from dressform.pictures.clouds import without_clouds
from dressform.pictures.components import grown, joined
from dressform.pictures.figures import OTHER, figure_map, too_large, with_outlines
from dressform.pictures.intake import Decoded
from dressform.pictures.tags import folded, kind

MOST_FIGURES = 6
VIEWS = {2: ("front", "back"), 3: ("front", "side", "back"), 4: ("front", "three-quarter", "side", "back")}
"""What figures from left to right usually show, where nobody says."""
_HEIGHT, _WIDEST, _NARROWEST_SHEET, _LEAST_PX = 384, 2400, 0.55, 96
_ROOM, _WHITE, _OUTLINE_PX = 0.04, 255, 2
_STANDS_TALL, STANDS_AT, _LEGS = 0.83, 0.953, (0.10, 0.28)
"""Where a figure stands in its own square picture: how much of the height it takes, and where its feet are.

Between these shares of her height over her feet are her legs. They stand in the middle: hair and arms reach out to one side.
"""
_FRAME, _PAPER, _ASIDE = (178, 58, 72), (250, 247, 242), (214, 206, 198)
_TINTS, _PREVIEW_PX = ((120, 132, 150), (150, 138, 128)), 1600


@dataclass(frozen=True)
class Cutting:
    """How to cut a sheet: columns (first, last) of each figure (empty: found), and each one's view (empty: guessed)."""

    columns: tuple[tuple[int, int], ...] = ()
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cut:
    """One figure on a sheet: its rectangle in pixels (right and bottom exclusive), and its view ("" where nobody knows)."""

    left: int
    top: int
    right: int
    bottom: int
    view: str = ""


@dataclass(frozen=True)
class Sheet:
    """The cuts from left to right, and what of the sheet belongs to whom (uint8, ``figures.figure_map``, at a small size)."""

    cuts: tuple[Cut, ...]
    owners: np.ndarray


def figures(pixels: np.ndarray) -> int:
    """How many figures stand in a picture; 1 where it is no sheet, or too small to hold any that could be used. uint8 [h, w, 3]."""
    height, width = pixels.shape[:2]
    if width < _NARROWEST_SHEET * height or min(height, width) < _LEAST_PX:
        return 1
    return max(1, _count(_owners(pixels)))


def cut(pixels: np.ndarray, cutting: Cutting) -> Sheet:
    """Where the figures of a sheet (uint8 [h, w, 3]) are. Raises BadInput where there are not two to six, or the views do not fit."""
    height, width = pixels.shape[:2]
    if cutting.columns:
        _refuse_columns(cutting.columns, width)
        cuts = [Cut(first, 0, last, height) for first, last in cutting.columns]
        owners = np.zeros((1, 1), np.uint8)
    else:
        owners = _owners(pixels)
        count = _count(owners)
        if not 2 <= count <= MOST_FIGURES:
            found = "one figure" if count < 2 else f"{count} figures"
            raise BadInput(f"{found} found, a sheet has 2 to {MOST_FIGURES}; say where they are with --cuts 0-310,320-600")
        cuts = [_around(owners == number, (width, height)) for number in range(1, count + 1)]
    return Sheet(tuple(replace(c, view=v) for c, v in zip(cuts, _views(len(cuts), cutting.views), strict=True)), owners)


def pictures(sheet: Decoded, cutting: Cutting, least_px: int) -> tuple[Decoded, ...]:
    """Each figure of a decoded sheet as a picture of its own; its view stands first in its caption.

    The sheet as it was given goes with the first. Raises BadInput where it cannot be cut, or a figure is too small.
    """
    found = cut(sheet.pixels, cutting)
    out = []
    for number, one in enumerate(found.cuts, 1):
        width, height = one.right - one.left, one.bottom - one.top
        if max(width, height) < least_px:
            raise BadInput(f"figure {number} is {width}x{height}, the base model needs {least_px} px")
        pixels, own = _alone(sheet.pixels, found, number), kept(found, number, sheet.pixels.shape[:2])
        mask = None if sheet.mask is None else _window(sheet.mask, one) & own
        if not cutting.columns:
            pixels = _standing(pixels, own)
            mask = None if mask is None else _standing(mask, own)
        what = f"figure {number} of {len(found.cuts)}, {one.view or 'view not named'}, {width}x{height}"
        original = sheet.original if number == 1 else b""
        out.append(Decoded(pixels, mask, _caption(one.view, sheet.caption), what, sheet.warnings, original))
    return tuple(out)


def outlined(pixels: np.ndarray, sheet: Sheet) -> np.ndarray:
    """Where a sheet would be cut: a frame around each figure, with its number, over bare silhouettes. uint8 [h, w, 3].

    Nothing of the picture itself is in it, so it may lie unsealed.
    """
    owners = sheet.owners if sheet.owners.size > 1 else _owners(pixels)
    colours = np.array([_PAPER, *(_TINTS[i % 2] for i in range(OTHER - 1)), _ASIDE], np.uint8)
    scale = min(1.0, _PREVIEW_PX / pixels.shape[1])
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    image = Image.fromarray(colours[owners]).resize(size, Image.Resampling.NEAREST)
    paint = ImageDraw.Draw(image)
    for number, one in enumerate(sheet.cuts, 1):
        left, top, right, bottom = (round(v * scale) for v in (one.left, one.top, one.right, one.bottom))
        paint.rectangle((left, top, right - 1, bottom - 1), outline=_FRAME, width=2)
        paint.text((left + 5, top + 3), f"{number} {one.view}", fill=_FRAME, font_size=max(12, image.height // 32))
    return np.asarray(image)


def columns(text: str) -> tuple[tuple[int, int], ...]:
    """ "0-310,320-600" as columns. Raises BadInput."""
    try:
        pairs = [tuple(int(n) for n in part.split("-")) for part in text.split(",") if part.strip()]
        return tuple((first, last) for first, last in pairs)
    except ValueError:
        raise BadInput(f"--cuts {text[:60]!r}: give the first and last column of each figure, for example 0-310,320-600") from None


def _refuse_columns(given: Sequence[tuple[int, int]], width: int) -> None:
    for first, last in given:
        if not 0 <= first < last <= width:
            raise BadInput(f"--cuts {first}-{last}: the sheet has columns 0 to {width}, and the first comes before the last")
    if len(given) > 2 * MOST_FIGURES:
        raise BadInput(f"--cuts names {len(given)} figures, at most {2 * MOST_FIGURES} can be cut")


def _views(count: int, given: Sequence[str]) -> Sequence[str]:
    if given and len(given) != count:
        raise BadInput(f"--views names {len(given)}, but there are {count} figures; look at them with --dry-run")
    for view in given:
        near = difflib.get_close_matches(folded(view), VIEWS[4], n=1, cutoff=0.7)
        if near and kind(_as_tag(view)) != "view":
            raise BadInput(f"--views {view!r}: did you mean {near[0]}?")
    return given or VIEWS.get(count, ("",) * count)


def _as_tag(view: str) -> str:
    return view if kind(view) == "view" else f"{view} view"


def _caption(view: str, of_sheet: str) -> str:
    """The view, then what the sheet's caption says of all figures."""
    own = [t.strip() for t in of_sheet.split(",") if t.strip()]
    return ", ".join([*([_as_tag(view)] if view else []), *(t for t in own if not t.lower().endswith((" view", " views", " sheet")))])


# at the small size ----------------------------------------------------------------------------------
def _owners(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    scale = min(1.0, _HEIGHT / image.height, _WIDEST / image.width)
    size = max(8, round(image.width * scale)), max(8, round(image.height * scale))
    small = np.asarray(image.resize(size, Image.Resampling.BOX))
    (mask, unlike), lines = drawn_on(small), line_strength(small)
    if not hides_lines(small):
        return figure_map(without_clouds(small, mask, lines), unlike, lines)
    # on a dark ground no line tells bare legs from a moon: what joins two figures is one, if they are even without it
    found = figure_map(joined(mask, _OUTLINE_PX), unlike, lines)
    if (large := too_large(found)) is not None:
        cleared = without_clouds(small, mask, lines) | (found != large)
        without = figure_map(joined(mask & cleared, _OUTLINE_PX), unlike, lines)
        found = without if too_large(without) is None else found
    return with_outlines(found)


def _count(owners: np.ndarray) -> int:
    return int(np.where(owners == OTHER, 0, owners).max(initial=0))


def _around(figure: np.ndarray, size: tuple[int, int]) -> Cut:
    """The figure's rectangle in the picture, with a little room on every side."""
    rows, across = np.nonzero(figure.any(axis=1))[0], np.nonzero(figure.any(axis=0))[0]
    y, x = size[1] / figure.shape[0], size[0] / figure.shape[1]
    room = _ROOM * (rows[-1] + 1 - rows[0]) * y
    return Cut(
        max(0, int(across[0] * x - room)), max(0, int(rows[0] * y - room)),
        min(size[0], int((across[-1] + 1) * x + room) + 1), min(size[1], int((rows[-1] + 1) * y + room) + 1),
    )  # fmt: skip


# at full size ---------------------------------------------------------------------------------------
def _alone(pixels: np.ndarray, sheet: Sheet, number: int) -> np.ndarray:
    """The figure's rectangle, with what is not its own painted over."""
    own = kept(sheet, number, pixels.shape[:2])
    return np.where(own[..., None], _window(pixels, sheet.cuts[number - 1]), np.uint8(_WHITE))


def kept(sheet: Sheet, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """What of a figure's rectangle is its own, in a picture of ``shape``: bool [bottom - top, right - left].

    All of it where a person said where to cut.
    """
    one = sheet.cuts[number - 1]
    if sheet.owners.size == 1:
        return np.ones((one.bottom - one.top, one.right - one.left), bool)
    own = sheet.owners == number
    edged = grown(own, 1) & ((sheet.owners == 0) | own)
    whole = Image.fromarray(edged).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    return _window(np.asarray(whole), one)


def _standing(figure: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The cut (or its mask) on a square of paper, where what is ``own`` stands as in a picture of one figure: on her legs' middle."""
    (height, width), rows = figure.shape[:2], np.nonzero(own.any(axis=1))[0]
    feet, tall = rows[-1] + 1, rows[-1] + 1 - rows[0]
    legs = own[feet - round(_LEGS[1] * tall) : feet - round(_LEGS[0] * tall)]
    middle = np.nonzero(legs)[1].mean() + 0.5 if legs.any() else width / 2
    side = max(round(tall / _STANDS_TALL), height, math.ceil(2 * max(middle, width - middle)))
    top, left = min(side - height, max(0, round(STANDS_AT * side) - feet)), round(side / 2 - middle)
    left = min(side - width, max(0, left))
    out = np.full((side, side, *figure.shape[2:]), figure.dtype.type(_WHITE if figure.ndim == 3 else 0))
    out[top : top + height, left : left + width] = figure
    return out


def _window(array: np.ndarray, one: Cut) -> np.ndarray:
    return array[one.top : one.bottom, one.left : one.right]
