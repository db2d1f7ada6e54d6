"""Shares and their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable

from dressform.records import Figure

_Z = 1.959963984540054


def share(outcomes: Iterable[bool]) -> Figure:
    """The share of true outcomes with Wilson's 95 % interval (Wilson 1927); 0 of 0 is an empty figure."""
    results = list(outcomes)
    n = len(results)
    if n == 0:
        return Figure(0.0, 0, 0.0, 1.0)
    p = sum(results) / n
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return Figure(p, n, max(0.0, centre - half), min(1.0, centre + half))
