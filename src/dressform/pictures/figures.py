"""Which parts of a sheet are its figures: of one height, on one ground; where they touch, parted along the thinnest seam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dressform.pictures.components import Part, enclosed, grown, labelled, parts, widened
from dressform.pictures.heads import heads
from dressform.pictures.symmetry import mirrored_edge, symmetry

_RECTANGLE, _THINNEST = 0.93, 0.07
_LEAST_HEIGHT, _ALIKE, _GROUND = 0.3, 0.7, 0.15
_NARROWEST, _VALLEY, _REACH, _LINE_SHARE, _HOLE = 0.07, 0.75, 0.14, 0.8, 0.2
_SEAM, _SEAM_AT_HEAD, _HEAD_ROWS, _HEAD_ALIKE = 0.45, 0.13, 0.22, 0.4
_TOP, _FOOT, _LEAST_AREA, _IN_ONE = 0.25, 0.14, 0.34, 0.85
_NEAR, _TORN_SHARE, _STRAIGHT, _HEM, _SIDEWAYS = 0.03, 0.015, 0.05, 0.005, 0.04
_OFF, _EVEN, _NEARLY, _MORE_EVEN = 0.05, 0.5, 20, 0.1
_GAP_PX = 1
_TWO_IN_ONE, _ASIDE, _ONE = 1.4, 0.25, 0.965
OTHER = 255


def figure_map(mask: np.ndarray, unlike: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """uint8 [h, w]: 1..n in the figures from left to right, OTHER in what else was drawn, 0 on the ground.

    ``mask`` and ``unlike`` (bool [h, w]) are those of ``backdrop.drawn_on``; ``lines`` (float [h, w], 0 to 1) says where a
    line is drawn: touching figures are parted along it.
    """
    labels, count = labelled(_mended(mask))
    labels = np.where(mask, labels, 0)
    found = [p for p in parts(labels, count) if p.area >= 6]
    drawn = [p for p in found if not _is_swatch(p)]
    tall = _alike(drawn, mask.shape[0])
    tall += _standing(labels, [p for p in drawn if p not in tall], tall)
    out = np.where(mask, np.uint8(OTHER), np.uint8(0))
    bodies = [body for p in tall for body in _parted(labels == p.number, unlike, lines)]
    _part_the_largest(bodies, unlike, lines)
    bodies.sort(key=lambda body: float(np.nonzero(body)[1].mean()))
    _part_evenly(bodies, unlike, lines)
    for number, body in enumerate(bodies[: OTHER - 1], 1):
        out[body] = number
    _take_in(out, labels, [p for p in found if p not in tall], len(bodies))
    for number in range(1, len(bodies) + 1):
        out[enclosed(out == number, _GAP_PX) & (out == 0)] = number  # white hair on white paper, where its outline has a gap
    return out


def too_large(owners: np.ndarray) -> int | None:
    """The figure of a ``figure_map`` that is so much larger than the others that it is likely two of them."""
    areas = np.bincount(owners.ravel(), minlength=OTHER + 1)[1:OTHER]
    place = _two_in_one([int(area) for area in areas[: np.count_nonzero(areas)]])
    return None if place is None else place + 1


def with_outlines(owners: np.ndarray) -> np.ndarray:
    """A ``figure_map`` whose figures have the outlines that a dark ground hides: each is wider by one pixel, where nothing else is."""
    out = owners.copy()
    for number in range(1, int(np.where(owners == OTHER, 0, owners).max(initial=0)) + 1):
        out[grown(owners == number, 1) & (out == 0)] = number
    return out


def _mended(mask: np.ndarray) -> np.ndarray:
    """The mask with what lies a line's breadth above something else joined to it: a dark hem on a dark ground tears figures."""
    return widened(mask, max(1, round(_HEM * len(mask))))


def _is_swatch(part: Part) -> bool:
    """A filled rectangle: a colour of a palette, or a row of them."""
    return part.area >= _RECTANGLE * part.width * part.height


def _alike(found: Sequence[Part], height: int) -> list[Part]:
    """The parts that are as tall as figures of one sheet are, and stand on one ground: the one that carries the most."""
    tallest = max((p.height for p in found), default=0)
    if tallest < _LEAST_HEIGHT * height:
        return []
    tall = [p for p in found if p.height >= _ALIKE * tallest and p.area >= _THINNEST * p.height**2]
    grounds = [[q for q in tall if abs(q.bottom - p.bottom) <= _GROUND * tallest] for p in tall]
    return max(grounds, key=lambda standing: sum(q.area for q in standing), default=[])


def _standing(labels: np.ndarray, others: Sequence[Part], tall: Sequence[Part]) -> list[Part]:
    """Those of the others that are as tall as the ``tall`` above their ground, and hang together with what is drawn below it.

    What lies below it is theirs no more, in ``labels``.
    """
    if not tall:
        return []
    ground, height, out = max(p.bottom for p in tall), max(p.height for p in tall), []
    for one in others:
        above = labels[:ground] == one.number
        if one.bottom > ground and above.sum() >= _THINNEST * height**2:
            left, top, right, bottom = _box(above)
            if _ALIKE * height <= bottom - top <= height / _ALIKE:
                labels[ground:][labels[ground:] == one.number] = 0
                out.append(Part(one.number, left, top, right, bottom, int(above.sum())))
    return out


def _parted(body: np.ndarray, unlike: np.ndarray, lines: np.ndarray) -> list[np.ndarray]:
    """One connected body, or the figures that touch in it."""
    left, top, right, bottom = _box(body)
    if right - left < 2 * _NARROWEST * (bottom - top):
        return [body]
    inside = (body & unlike)[top:bottom, left:right]
    price = _price(body, unlike, lines)[top:bottom, left:right]
    for stretch in [*_valleys(inside), *_between_heads(inside, body[top:bottom, left:right])]:
        seam = _seam(price, stretch)
        if seam is None or not (stretch.surely or _is_thin(inside, seam)):
            continue
        if halves := _halves(body, unlike, seam):
            return [figure for half in halves for figure in _parted(half, unlike, lines)]
    return [body]


def _halves(body: np.ndarray, unlike: np.ndarray, seam: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """What lies to the left and to the right of a seam (columns of the body's box); None where one side could be no figure."""
    left, top, right, bottom = _box(body)
    here = np.zeros_like(body)
    here[top:bottom, left:right] = np.arange(right - left)[None, :] <= seam[:, None]
    halves = body & here, body & ~here
    solid = [half[top:bottom, left:right] for half in halves]
    drawn = [half & unlike[top:bottom, left:right] for half in solid]
    return halves if _both_whole(*drawn) and all(_in_one(half) for half in solid) else None


def _part_the_largest(bodies: list[np.ndarray], unlike: np.ndarray, lines: np.ndarray) -> None:
    """What is larger than the other bodies is two figures that hang together all the way down: parted, in place, at the best seam.

    Figures of one sheet are of one size; a front and a side view together are half as large again as a front. One that
    is as even as this left and right is a front or a back, wide beside narrow ones.
    """
    while (largest := _two_in_one([int(body.sum()) for body in bodies])) is not None:
        body = bodies[largest]
        if symmetry(body).share > _ONE:
            return
        left, top, right, bottom = _box(body)
        price = _price(body, unlike, lines)[top:bottom, left:right]
        low, high = (round(share * (right - left)) for share in (_ASIDE, 1 - _ASIDE))
        seam = _seam(price, _Stretch(low + int(_profile(price)[low:high].argmin()), low, high))
        if seam is None or (halves := _halves(body, body, seam)) is None:
            return
        bodies[largest : largest + 1] = halves


def _two_in_one(areas: Sequence[int]) -> int | None:
    """Which of some figures is so much larger than the others that it is likely two of them."""
    largest = max(range(len(areas)), key=lambda i: areas[i], default=None)
    return largest if largest is not None and areas[largest] > _TWO_IN_ONE * sorted(areas)[(len(areas) - 1) // 2] else None


def _price(body: np.ndarray, unlike: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """What a seam pays at each place: little along a line, nothing outside."""
    return (body & unlike) * (1 - _LINE_SHARE * lines) + _HOLE * (body & ~unlike)


def _part_evenly(bodies: list[np.ndarray], unlike: np.ndarray, lines: np.ndarray) -> None:
    """Neighbours that touch, parted anew, in place, where one of them becomes the same left and right by it.

    An arm or a pony tail between two figures has a line on either side, and a seam may take either. A front or a back has its like
    on the other side, so the seam is drawn again as if the one were such a figure, and as if the other were.
    """
    for i in range(len(bodies) - 1):
        pair = bodies[i], bodies[i + 1]
        if (grown(pair[0], 1) & pair[1]).any():
            price = _price(pair[0] | pair[1], unlike, lines)
            others = [half for right in (False, True) if (half := _evened(pair, right, price)) is not None]
            bodies[i : i + 2] = max([pair, *others], key=lambda halves: _evenness(halves) + (halves is pair) * _MORE_EVEN)


def _evened(pair: tuple[np.ndarray, np.ndarray], right: bool, price: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The two parted anew, if the left one (or the ``right`` one) were the same left and right."""
    both, about = pair[0] | pair[1], [symmetry(one) for one in pair]
    low, high = (side.columns // 2 for side in about)
    _, top, _, bottom = _box(both)
    edge, columns = mirrored_edge(pair[right], about[right], right), np.arange(both.shape[1])
    off = np.minimum(1, np.abs(columns[None, :] - edge[:, None]) / (_OFF * (bottom - top)))
    seam = _seam((price + both * _EVEN * np.nan_to_num(off))[top:bottom], _Stretch((low + high) // 2, low, high))
    if seam is None:
        return None
    here = np.zeros_like(both)
    here[top:bottom] = columns[None, :] <= seam[:, None]
    halves = both & here, both & ~here
    return halves if all(half.any() and _in_one(half[top:bottom]) for half in halves) else None


def _evenness(figures: Sequence[np.ndarray]) -> float:
    """One that is nearly the same left and right counts more than two that are so by half."""
    return sum(symmetry(one).share ** _NEARLY for one in figures)


@dataclass(frozen=True)
class _Stretch:
    """Where a seam may run: near column ``at``, from ``low`` to ``high`` (exclusive); ``surely``: between two heads."""

    at: int
    low: int
    high: int
    surely: bool = False


def _is_thin(inside: np.ndarray, seam: np.ndarray) -> bool:
    """Does the seam cross little, and hardly anything where heads are?"""
    crossed = np.take_along_axis(inside, seam[:, None], axis=1)[:, 0]
    height = len(crossed)
    return bool(crossed.sum() <= _SEAM * height and crossed[: round(_HEAD_ROWS * height)].sum() <= _SEAM_AT_HEAD * height)


def _between_heads(inside: np.ndarray, solid: np.ndarray) -> list[_Stretch]:
    """From each head to the next, around the emptiest column between them."""
    profile, found = _profile(inside), []
    for left, right in pairwise(heads(solid)):
        quarter = (right - left) // 4
        middle = left + quarter + int(profile[left + quarter : right - quarter + 1].argmin())
        found.append(_Stretch(middle, left, right, True))
    return sorted(found, key=lambda s: profile[s.at])


def _valleys(inside: np.ndarray) -> list[_Stretch]:
    """Around columns where little is drawn, the emptiest first."""
    (height, width), profile = inside.shape, _profile(inside)
    window, margin, reach = _window_px(height), round(_NARROWEST * height), round(_REACH * height)
    low = [
        x
        for x in range(margin, width - margin)
        if profile[x] <= _VALLEY * height and profile[x] <= profile[max(0, x - window) : x + window + 1].min()
    ]
    kept: list[int] = []
    for x in sorted(low, key=lambda x: profile[x]):
        if all(abs(x - k) > window for k in kept):
            kept.append(x)
    return [_Stretch(x, max(0, x - reach), min(width, x + reach + 1)) for x in kept]


def _profile(inside: np.ndarray) -> np.ndarray:
    """How much is drawn in each column, smoothed over its neighbours: float [w]."""
    window = _window_px(len(inside))
    return np.convolve(inside.sum(axis=0), np.ones(window) / window, mode="same")


def _window_px(height: int) -> int:
    return max(3, round(0.03 * height)) | 1


def _seam(price: np.ndarray, stretch: _Stretch) -> np.ndarray | None:
    """The path from top to bottom along the stretch that costs the least: int [h], columns.

    By dynamic programming, row by row; within a row it may walk to either side.
    """
    low, high = stretch.low, stretch.high
    if high - low < 3:
        return None
    far = np.abs(np.arange(low, high) - stretch.at) / max(1, round(_REACH * len(price)))
    cost = price[:, low:high] + _STRAIGHT * far
    total, came = np.zeros(high - low), np.empty(cost.shape, np.intp)
    for row, here in enumerate(cost):
        total, came[row] = _along(total + here, here + _SIDEWAYS)
    path = np.empty(len(cost), np.intp)
    path[-1] = came[-1][int(total.argmin())]
    for row in range(len(cost) - 1, 0, -1):
        path[row - 1] = came[row - 1][path[row]]
    return path + low


def _along(total: np.ndarray, price: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each column of a row costs where the path may also walk along the row, and the column where it comes into the row."""
    columns = np.arange(len(total))
    best, came = total, columns
    for turn in (slice(None), slice(None, None, -1)):
        walked = np.cumsum(price[turn])
        reached = total[turn] - walked
        least = np.minimum.accumulate(reached)
        first = np.maximum.accumulate(np.where(reached <= least, columns, 0))
        cost = (least + walked)[turn]
        from_ = columns[turn][first][turn]
        came = np.where(cost < best, from_, came)
        best = np.minimum(cost, best)
    return best, came


def _both_whole(*halves: np.ndarray) -> bool:
    """Has each side a head like the other's, a foot on the same ground, and enough of a body?"""
    height = halves[0].shape[0]
    areas = [int(half.sum()) for half in halves]
    heads = [int(half[: round(_HEAD_ROWS * height)].sum()) for half in halves]
    enough = 0.25 * height * height  # a side may hold several figures more, so no more than this is asked of the other
    if min(areas) < _LEAST_AREA * min(max(areas), enough) or min(heads) < _HEAD_ALIKE * min(max(heads), 0.03 * height * height):
        return False
    for half in halves:
        left, top, right, bottom = _box(half)
        if top > _TOP * height or bottom < (1 - _FOOT) * height or right - left < _NARROWEST * height:
            return False
    return True


def _in_one(half: np.ndarray) -> bool:
    """False for an arm and a leg of the same figure, which do not hang together: all but a little of a half is in tall pieces."""
    labels, count = labelled(_mended(half))
    tall = [p.number for p in parts(labels, count) if p.height >= _ALIKE * len(half)]
    return bool((np.isin(labels, tall) & half).sum() >= _IN_ONE * half.sum())


def _take_in(out: np.ndarray, labels: np.ndarray, rest: Sequence[Part], count: int) -> None:
    """What lies inside a figure's box (an eye, a floating ear) is part of it, and so is a large piece torn off its end."""
    boxes = [(i, *_box(out == i), int((out == i).sum())) for i in range(1, count + 1)]
    for part in rest:
        if _is_swatch(part):
            continue
        x, y = (part.left + part.right) / 2, (part.top + part.bottom) / 2
        for number, left, top, right, bottom, area in boxes:
            near = _NEAR * (bottom - top)
            beside = left - near <= x < right + near
            torn = part.area >= _TORN_SHARE * area and part.top <= bottom + near and part.bottom >= top - near
            if beside and (torn or top - near <= y < bottom):
                out[labels == part.number] = number
                break


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
