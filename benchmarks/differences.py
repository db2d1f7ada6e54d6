"""How far two shares lie apart, in points, with an interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import stdev

from dressform.measure.statistics import share
from dressform.records import Figure

_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
"""The 97.5 % quantile of Student's t with 1, 2, ... degrees of freedom; beyond, the last is a little too wide."""


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


def over_trainings(pairs: Sequence[tuple[Sequence[bool], Sequence[bool]]]) -> Figure:
    """``paired`` over the pictures of all trainings, each of which has its own pair, with the wider of two intervals.

    One takes every picture as independent (``paired``). The other takes every training as one look at the difference (Student's t), for
    what a training learned wrong is wrong in many of its pictures; it says nothing of a single one. Raises what ``paired`` does.
    """
    whole = paired([x for one, _ in pairs for x in one], [x for _, other in pairs for x in other])
    looks = [(sum(one) - sum(other)) / len(one) for one, other in pairs if one]
    if len(looks) < 2:
        return whole
    half = _STUDENT[min(len(looks) - 1, len(_STUDENT)) - 1] * stdev(looks) / math.sqrt(len(looks))
    return replace(whole, low=max(-1.0, min(whole.low, whole.value - half)), high=min(1.0, max(whole.high, whole.value + half)))


def _joined(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))
