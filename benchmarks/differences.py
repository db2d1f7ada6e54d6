"""How far two shares lie apart, in points, with an interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from dressform.measure.statistics import share
from dressform.records import Figure


def apart(one: Figure, other: Figure) -> Figure:
    """one - other with Newcombe's hybrid score interval (Newcombe 1998, method 10), which takes the two as independent.

    Probes that both were asked are alike, so the interval is rather too wide than too narrow. ``n`` is the smaller of the two.
    """
    down = math.hypot(one.value - one.low, other.high - other.value)
    up = math.hypot(one.high - one.value, other.value - other.low)
    difference = one.value - other.value
    return Figure(difference, min(one.n, other.n), difference - down, difference + up)


def paired(one: Sequence[bool], other: Sequence[bool]) -> Figure:
    """Share of ``one`` - share of ``other``, of the same n questions, with Newcombe's score interval for pairs.

    Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on paired data", method 10.
    Raises ValueError where the two are not as many.
    """
    pairs = Counter(zip(one, other, strict=True))
    both, first, second, neither = pairs[True, True], pairs[True, False], pairs[False, True], pairs[False, False]
    n = len(one)
    alone, beside = share(one), share(other)
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    product = both * neither - first * second
    phi = (max(product - n / 2, 0.0) if product > 0 else product) / math.sqrt(margins) if margins else 0.0
    difference = alone.value - beside.value
    down = _joined(alone.value - alone.low, beside.high - beside.value, phi)
    up = _joined(alone.high - alone.value, beside.value - beside.low, phi)
    return Figure(difference, n, difference - down, difference + up)


def _joined(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))
