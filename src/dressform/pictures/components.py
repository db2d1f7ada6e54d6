"""Runs and connected parts of a black and white picture, in NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Part:
    """One connected part: its number in the label map, its bounding box (right and bottom exclusive), and its pixels."""

    number: int
    left: int
    top: int
    right: int
    bottom: int
    area: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """How long the horizontal run is that each pixel belongs to: int32 [h, w], 0 outside ``mask`` (bool [h, w])."""
    starts, ends = _runs(mask)
    out = np.zeros(mask.shape[0] * (mask.shape[1] + 1), np.int32)
    out[_spread(starts, ends)] = np.repeat(ends - starts, ends - starts)
    return out.reshape(mask.shape[0], -1)[:, :-1]


def labelled(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """(int32 [h, w] with 0 outside ``mask`` and 1..n in its parts, n). Two pixels side by side or one above the other touch.

    Runs are joined to those they touch in the next row by passing on the smallest number until nothing changes.
    """
    height, width = mask.shape
    starts, ends = _runs(mask)
    if not len(starts):
        return np.zeros(mask.shape, np.int32), 0
    below = width + 1
    first = np.searchsorted(ends, starts + below, side="right")
    last = np.searchsorted(starts, ends + below, side="left")
    counts = np.maximum(0, last - first)
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = _spread(first, first + counts)
    numbers = np.arange(len(starts))
    while True:
        before = numbers.copy()
        smallest = np.minimum(numbers[upper], numbers[lower])
        np.minimum.at(numbers, numbers[upper], smallest)
        np.minimum.at(numbers, numbers[lower], smallest)
        np.minimum.at(numbers, upper, smallest)
        np.minimum.at(numbers, lower, smallest)
        numbers = numbers[numbers]
        if np.array_equal(before, numbers):
            break
    roots, numbers = np.unique(numbers, return_inverse=True)
    out = np.zeros(height * below, np.int32)
    out[_spread(starts, ends)] = np.repeat(numbers + 1, ends - starts)
    return out.reshape(height, below)[:, :-1], len(roots)


def parts(labels: np.ndarray, count: int) -> list[Part]:
    """Every part of a label map."""
    y, x = np.nonzero(labels)
    number = labels[y, x] - 1
    area = np.bincount(number, minlength=count)
    low, high = np.full((2, count), 1 << 30), np.zeros((2, count), np.int64)
    for axis, where in enumerate((x, y)):
        np.minimum.at(low[axis], number, where)
        np.maximum.at(high[axis], number, where + 1)
    return [Part(i + 1, *(int(v) for v in (low[0][i], low[1][i], high[0][i], high[1][i], area[i]))) for i in range(count)]


def from_border(mask: np.ndarray) -> np.ndarray:
    """The parts of ``mask`` that reach the edge of the picture: bool [h, w]."""
    labels, count = labelled(mask)
    reached = np.zeros(count + 1, bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        reached[edge] = True
    reached[0] = False
    return reached[labels]


def enclosed(mask: np.ndarray, gap: int) -> np.ndarray:
    """The mask and what it shuts in, but for gaps up to ``2 * gap`` wide: bool [h, w]."""
    outside = from_border(np.pad(~grown(mask, gap), gap + 1, constant_values=True))[gap + 1 : -gap - 1, gap + 1 : -gap - 1]
    return mask | ~grown(outside, 2 * gap)


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask and every pixel at most ``by`` rows and columns away from it."""
    return np.ascontiguousarray(widened(widened(mask, by).T, by).T)


def joined(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask and the gaps of up to ``2 * by`` rows between what stands above and what stands below."""
    return ~widened(~widened(mask, by), by)


def widened(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask and every pixel at most ``by`` rows away from it, by doubling how many rows each one speaks for."""
    out, rows = np.pad(mask, [(by, by), (0, 0)]), 1
    while rows < 2 * by + 1:
        step = min(rows, 2 * by + 1 - rows)
        out, rows = out[:-step] | out[step:], rows + step
    return out


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Begins and ends of all runs, in the flat order of a picture that has one empty column more."""
    flat = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int8)
    flat[:, :-1] = mask
    change = np.diff(flat.ravel(), prepend=np.int8(0))
    return np.nonzero(change == 1)[0], np.nonzero(change == -1)[0]


def _spread(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """All whole numbers of all the ranges, one range after another."""
    counts = last - first
    before = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) + np.repeat(first - before, counts)
