"""Garment masks: coarse shares of a few classes, refined to the pixels of the picture by its colours.

The refinement is mean-field inference in a random field whose pairs are near in place and colour (Kraehenbuehl and Koltun 2011),
in a small window, after each class has learned its colours from its own coarse share, as GrabCut does (Rother et al. 2004).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

WORKING_PX = 128
"""Refinement happens on squares of this side: coarse maps hold nothing finer, and larger ones would only be slower."""
_REACH, _STEP = 8, 2
_NEAR_PX, _NEAR_COLOUR = 5.0, 20.0
_PAIRS, _COLOURS = 6.0, 0.6
_ROUNDS, _BINS = 5, 16
_LEAST = 0.02
_CHANGED = 24.0
"""A pixel differs from its neutral twin where one channel differs by more than this, of 255."""


def refined(picture: np.ndarray, shares: np.ndarray, garment: tuple[int, ...]) -> np.ndarray:
    """bool [h, w], True where a ``garment`` class wins.

    ``picture`` is a uint8 square [h, w, 3]; ``shares`` float [classes, a, b], any size, over the same square.
    """
    small = np.asarray(Image.fromarray(picture).resize((WORKING_PX, WORKING_PX), Image.Resampling.BOX))
    coarse = np.stack([resized(share, WORKING_PX) for share in shares]).clip(_LEAST, None)
    field = _mean_field(small.astype(np.float32), _unary(small, coarse / coarse.sum(0)))
    others = [i for i in range(len(shares)) if i not in garment]
    margin = field[list(garment)].max(0) - field[others].max(0)
    return resized(margin, picture.shape[0]) > 0


def resized(values: np.ndarray, side: int) -> np.ndarray:
    """float32 [a, b] brought to [side, side], bilinear."""
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR))


def changed(dressed: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """bool [h, w]: where a dressed picture differs from a neutral one of the same view, pose and background, specks taken out."""
    apart = np.abs(dressed.astype(np.float32) - neutral).max(axis=-1) > _CHANGED
    around = sum(np.pad(apart, 1)[1 + y : 1 + y + apart.shape[0], 1 + x : 1 + x + apart.shape[1]].astype(np.int32) for y, x in _RING)
    return (apart & (around >= 2)) | (around >= 6)


_RING = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))


def unfitted(mask: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """A square mask, made on ``intake.fitted``'s square, back on the picture it was fitted from: bool [height, width]."""
    side, longest = mask.shape[0], max(width_px, height_px)
    w, h = (max(1, round(v * side / longest)) for v in (width_px, height_px))
    left, top = (side - w) // 2, (side - h) // 2
    inside = Image.fromarray(mask[top : top + h, left : left + w].astype(np.uint8) * 255)
    return np.asarray(inside.resize((width_px, height_px), Image.Resampling.BILINEAR)) > 127


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union; 1 where both are empty."""
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0


def overlaid(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with its mask tinted, for a person to look at: uint8 [h, w, 3]."""
    tint = np.array([255, 0, 160], dtype=np.float32)
    return np.where(mask[..., None], picture * 0.45 + tint * 0.55, picture).round().astype(np.uint8)


def _unary(small: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """log share + a part of log(share among pixels of this colour / share at large), [classes, h, w]."""
    cells = small.astype(np.int64) * _BINS // 256
    colour = (cells[..., 0] * _BINS + cells[..., 1]) * _BINS + cells[..., 2]
    count = np.bincount(colour.ravel(), minlength=_BINS**3)
    large = coarse.mean((1, 2))
    rows = [np.bincount(colour.ravel(), share.ravel(), _BINS**3) for share in coarse]
    told = ((np.stack(rows) + 2 * large[:, None]) / (count + 2))[:, colour]
    return np.log(coarse) + _COLOURS * (np.log(told.clip(_LEAST)) - np.log(large)[:, None, None])


def _mean_field(small: np.ndarray, unary: np.ndarray) -> np.ndarray:
    """Class probabilities [classes, h, w] after rounds in which every pixel listens to those near in place and colour."""
    steps = range(-_REACH, _REACH + 1, _STEP)
    pairs = [(y, x) for y in steps for x in steps if 0 < y * y + x * x <= _REACH * _REACH]
    wide = np.pad(small, ((_REACH, _REACH), (_REACH, _REACH), (0, 0)), mode="edge")
    kernels = [_kernel(small, wide, y, x) for y, x in pairs]
    total = np.sum(kernels, axis=0) + 1e-3
    field = _softmax(unary)
    for _ in range(_ROUNDS):
        padded = np.pad(field, ((0, 0), (_REACH, _REACH), (_REACH, _REACH)), mode="edge")
        heard = sum(k * _moved(padded, y, x, small.shape[0]) for k, (y, x) in zip(kernels, pairs, strict=True))
        field = _softmax(unary + _PAIRS * heard / total)
    return field


def _kernel(small: np.ndarray, wide: np.ndarray, y: int, x: int) -> np.ndarray:
    side = small.shape[0]
    other = wide[_REACH + y : _REACH + y + side, _REACH + x : _REACH + x + side]
    apart = ((other - small) ** 2).sum(-1) / (2 * _NEAR_COLOUR**2)
    return np.exp(-apart - (y * y + x * x) / (2 * _NEAR_PX**2))


def _moved(padded: np.ndarray, y: int, x: int, side: int) -> np.ndarray:
    return padded[:, _REACH + y : _REACH + y + side, _REACH + x : _REACH + x + side]


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(0))
    return raised / raised.sum(0)
