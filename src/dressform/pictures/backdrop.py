"""What of a picture is the ground that figures stand on: paper, a gradient, a scene, a pattern.

A pixel is like the ground where it has a colour that the picture's edge has, in its row, in its column, or in plenty. Only
such pixels that hang together with the edge are ground: white cloth inside an outline is not.
"""

from __future__ import annotations

import numpy as np

from dressform.pictures.components import from_border, run_lengths

_RING = 0.025
_LEAST_TOLERANCE, _MOST_TOLERANCE = 16.0, 44.0
_COMMON_SHARE, _LINE, _FAINTEST = 0.01, 0.45, 16.0
_THIN, _LONG, _TALL = 0.018, 0.28, 0.85
_DARK = 90.0


def hides_lines(pixels: np.ndarray) -> bool:
    """Is the ground of uint8 [h, w, 3] so dark that a dark outline is lost in it?"""
    ring = _ring_px(pixels)
    return float(np.median(np.concatenate([pixels[:, :ring], pixels[:, -ring:]], axis=1).mean(axis=2))) < _DARK


def drawn_on(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two masks, bool [h, w], of uint8 [h, w, 3]: what is not ground, and what of it is also unlike the ground.

    The second lacks white cloth on white paper, and the gap that two touching figures enclose. Ground lines and frames
    are in neither.
    """
    unlike = ~_like_ground(pixels)
    unlike &= ~_lines(unlike)
    return ~from_border(~unlike), unlike


def _like_ground(pixels: np.ndarray) -> np.ndarray:
    ring, seen = _ring_px(pixels), np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.int16)
    left, right = (np.median(seen[..., part], axis=2) for part in (slice(0, ring), slice(-ring, None)))
    top, bottom = (np.median(seen[:, part], axis=1) for part in (slice(0, ring), slice(-ring, None)))
    across = _apart(seen, _planes_between(left, right, seen.shape[2]))
    along = _apart(seen, _planes_between(top, bottom, seen.shape[1]).transpose(0, 2, 1))
    tolerance = _tolerance(across, ring)
    return (np.minimum(across, along) < tolerance) | _common(pixels, ring)


def _common(pixels: np.ndarray, ring: int) -> np.ndarray:
    """Where a pixel has one of the colours that two sides of the picture have plenty of, in cells of 8 grey levels."""
    r, g, b = ((pixels[..., i] >> 3).astype(np.int32) + 1 for i in range(3))
    cells = (r * 34 + g) * 34 + b
    plenty = np.zeros((34, 34, 34), np.int8)
    for side in (cells[:ring], cells[-ring:], cells[:, :ring], cells[:, -ring:]):
        counts = np.bincount(side.ravel(), minlength=plenty.size).reshape(plenty.shape)
        plenty += (_spread(counts) > _COMMON_SHARE * side.size) & (counts > 0)
    near = _spread((plenty >= 2).astype(np.int32)) > 0
    return near.ravel()[cells]


def _spread(counts: np.ndarray) -> np.ndarray:
    """Each cell with its 26 neighbours."""
    for axis in range(3):
        counts = counts + np.roll(counts, 1, axis) + np.roll(counts, -1, axis)
    return counts


def line_strength(pixels: np.ndarray) -> np.ndarray:
    """How much darker each pixel is than what lies on both sides of it: float32 [h, w], 1 for a drawn line.

    The black top-hat (Meyer 1978), across and along, against how light the sides are: a brown line on brown skin counts like a
    black one on white paper. It is wide enough for two lines side by side, as the outlines of two figures that touch are.
    """
    grey = (pixels.astype(np.uint16).sum(axis=-1, dtype=np.uint16) // 3).astype(np.uint8)
    sides = np.maximum(*(_closed(grey, axis) for axis in (0, 1))).astype(np.float32)
    return np.minimum((sides - grey) / np.maximum(_FAINTEST, _LINE * sides), 1)


def _closed(grey: np.ndarray, axis: int) -> np.ndarray:
    """The picture without dark lines of up to six pixels along one axis."""
    return 255 - _lightest(255 - _lightest(grey, axis), axis)


def _lightest(grey: np.ndarray, axis: int) -> np.ndarray:
    """Each pixel's lightest neighbour within three pixels."""
    wide = np.pad(grey, [(3, 3) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
    pairs = np.maximum(_cut(wide, axis, 0, 1), _cut(wide, axis, 1, 0))
    fours = np.maximum(_cut(pairs, axis, 0, 2), _cut(pairs, axis, 2, 0))
    return np.maximum(_cut(fours, axis, 0, 3), _cut(fours, axis, 3, 0))


def _cut(array: np.ndarray, axis: int, first: int, last: int) -> np.ndarray:
    """The array without its first and last rows or columns."""
    return array[first : array.shape[0] - last] if axis == 0 else array[:, first : array.shape[1] - last]


def _lines(unlike: np.ndarray) -> np.ndarray:
    """Ground lines and frames: thin, and as long as no figure is."""
    thin = max(2, round(_THIN * len(unlike)))
    flat = unlike & (run_lengths(np.ascontiguousarray(unlike.T)).T <= thin)
    upright = unlike & (run_lengths(unlike) <= thin)
    return (flat & (flat.mean(axis=1) > _LONG)[:, None]) | (upright & (upright.mean(axis=0) > _TALL)[None, :])


def _tolerance(across: np.ndarray, ring: int) -> float:
    """How far a pixel of the ground may be from it, by how rough the edge is."""
    rough = np.concatenate([across[:, part].ravel() for part in (slice(0, ring), slice(-ring, None))])
    return float(np.clip(3.0 * np.median(rough) + _LEAST_TOLERANCE, _LEAST_TOLERANCE, _MOST_TOLERANCE))


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The largest difference of the three planes [3, h, w], at each place."""
    return np.abs(a - b).max(axis=0)


def _planes_between(first: np.ndarray, last: np.ndarray, steps: int) -> np.ndarray:
    """From one line of colours [3, n] to another: int16 [3, n, steps]."""
    way = (last - first).astype(np.float32)[..., None] * np.linspace(0, 1, steps, dtype=np.float32)
    way += first[..., None]
    return np.rint(way, out=way).astype(np.int16)


def _ring_px(pixels: np.ndarray) -> int:
    return max(2, round(_RING * min(pixels.shape[:2])))
