"""Near-duplicates: pictures that show the same thing twice, though their bytes differ.

Two looks. A hash says for each cell of a small grid whether brightness rises, falls or stays level towards the next one (a
difference hash, Krawetz 2013, with a third answer, because in drawings whole areas are flat and there compression alone
decides a sign); it only says who may be near. Those are laid over each other, with and without a slight crop, each colour
channel fitted: a copy leaves little anywhere, another pose leaves much in one place.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

_CELLS, _SIDE = 16, 32
_LEVEL = 3.0
"""Neighbouring cells whose means differ by less than this, of 255, count as level."""
_MAYBE = 0.5
"""Hashes further apart than this are not looked at again."""
NEAR = 22.0
"""Two pictures are near where the worst places differ by at most this, of 255 (chosen on development seeds)."""
_WORST = 0.02
_CROP = 0.03
_COMPARED_PX = 1024
_NEAREST, _BLOCK = 40, 512
"""A picture is laid over so many of those whose hashes are nearest; hashes are compared by blocks of rows."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """``bits`` bool [4 * 16 * 15]; ``views`` uint8 [6, 32, 32, 3]: the picture whole, and slightly cropped in five ways."""

    bits: np.ndarray
    views: np.ndarray


@dataclass(frozen=True)
class Split:
    """Ids to train on, and ids held out to judge by."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def fingerprint(pixels: np.ndarray) -> Fingerprint:
    """What is compared, of uint8 pixels [h, w, 3]."""
    image = Image.fromarray(pixels)
    small = np.asarray(image.convert("L").resize((_CELLS, _CELLS), Image.Resampling.BOX), dtype=np.float32)
    steps = [np.diff(small, axis=axis).ravel() for axis in (0, 1)]
    bits = np.concatenate([part for step in steps for part in (step > _LEVEL, step < -_LEVEL)])
    left, top = image.width * _CROP, image.height * _CROP
    corners = [(left / 2, top / 2), *((x, y) for x in (0.0, left) for y in (0.0, top))]
    boxes = [None, *((x, y, x + image.width - left, y + image.height - top) for x, y in corners)]
    views = [np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX, box)) for box in boxes]
    return Fingerprint(bits, np.stack(views))


def distance(one: Fingerprint, other: Fingerprint) -> float:
    """How much the worst places differ where the two lie best on each other, in 0..255; 255 where the hashes are far apart."""
    apart = _hashes_apart(np.stack([one.bits, other.bits]), 1, 2)[0, 0]
    return float(_laid_over(one, [other])[0]) if apart <= _MAYBE else 255.0


def _laid_over(one: Fingerprint, others: Sequence[Fingerprint]) -> np.ndarray:
    """The same, whatever the hashes, to each of the others: float [others]."""
    views = np.stack([other.views for other in others])
    there = _left_over(one.views, views[:, 0]).min(0)
    back = _left_over(views.reshape(-1, _SIDE, _SIDE, 3), one.views[:1]).reshape(len(others), -1).min(1)
    return np.minimum(there, back)


def _hashes_apart(bits: np.ndarray, first: int, last: int) -> np.ndarray:
    """How many bits of hashes ``first`` to ``last`` (of bool [n, bits]) differ from each before ``last``, over those set in either."""
    each, every = bits[first:last].astype(np.float32), bits[:last].astype(np.float32)
    both, set_ = each @ every.T, every.sum(1)
    either = set_[first:, None] + set_[None, :] - both
    return (either - both) / np.maximum(1, either)


def _left_over(views: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """The mean over the worst places of each view [v, 32, 32, 3] over each whole [w, 32, 32, 3], each channel fitted: float [v, w]."""
    x, y = _centred(views), _centred(wholes)
    gain = (x @ y.transpose(0, 2, 1) / np.maximum((x * x).sum(-1), 1e-6)[..., None]).clip(0.5, 2.0)
    left = gain[..., None] * _halved(x)[:, :, None] - _halved(y)[:, None]  # of halved pictures, signed: a softened edge cancels
    apart = np.abs(left).max(0)
    worst = max(1, round(_WORST * apart.shape[-1]))
    return np.partition(apart, -worst)[..., -worst:].mean(-1)


def _centred(views: np.ndarray) -> np.ndarray:
    """Each channel less its mean: float [3, n, 32 * 32]."""
    x = np.ascontiguousarray(views.transpose(3, 0, 1, 2), dtype=np.float32).reshape(3, len(views), -1)
    return x - x.mean(-1, keepdims=True)


def _halved(x: np.ndarray) -> np.ndarray:
    """The means of two by two: float [3, n, 16 * 16]."""
    rows = x.reshape(*x.shape[:2], _SIDE // 2, 2, _SIDE).sum(3)
    return ((rows[..., ::2] + rows[..., 1::2]) / 4).reshape(*x.shape[:2], -1)


def groups(fingerprints: Sequence[Fingerprint], near: float = NEAR) -> list[tuple[int, ...]]:
    """Every picture's index in exactly one group; near ones, and those near to these, share it. In order of first index.

    Each is laid over the few before it whose hashes are nearest, so that a set twice as large takes little more than twice as long.
    """
    root = np.arange(len(fingerprints))
    for i, before in _likely(fingerprints):
        for j in before[_laid_over(fingerprints[i], [fingerprints[j] for j in before]) <= near] if len(before) else ():
            low, high = sorted((root[i], root[j]))
            root[root == high] = low
    members: dict[int, list[int]] = {}
    for i, first in enumerate(root.tolist()):
        members.setdefault(first, []).append(i)
    return [tuple(found) for _, found in sorted(members.items())]


def _likely(fingerprints: Sequence[Fingerprint]) -> Iterator[tuple[int, np.ndarray]]:
    """Each picture's index, and those before it that may be near: the nearest hash first."""
    bits = np.stack([one.bits for one in fingerprints]) if fingerprints else np.zeros((0, 1), bool)
    for first in range(0, len(bits), _BLOCK):
        apart = _hashes_apart(bits, first, min(len(bits), first + _BLOCK))
        for i, row in enumerate(apart, first):
            order = np.argsort(row[:i], kind="stable")[:_NEAREST]
            yield i, order[row[order] <= _MAYBE]


def sharpness(pixels: np.ndarray, side: int) -> float:
    """Variance of the Laplacian (Pech-Pacheco 2000) of the picture brought to ``side``: comparable between sizes."""
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
    inner = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner).var())


def sharpest(pictures: Sequence[np.ndarray]) -> int:
    """The index of the sharpest of some pictures of one thing, compared at the size of the largest of them."""
    side = min(_COMPARED_PX, max(max(p.shape[:2]) for p in pictures))
    return max(range(len(pictures)), key=lambda i: (sharpness(pictures[i], side), pictures[i].shape[0], -i))


def split(near: Sequence[Sequence[str]], held_out: int, seed: int) -> Split:
    """Groups dealt to two sides, each whole, so that no near-duplicate is judged by what was trained on.

    At most ``held_out`` pictures are held out, as many as whole groups allow in the seed's order.
    """
    order = list(near)
    random.Random(seed).shuffle(order)
    kept: list[str] = []
    apart: list[str] = []
    for group in order:
        (apart if len(apart) + len(group) <= held_out else kept).extend(group)
    return Split(tuple(kept), tuple(apart))
