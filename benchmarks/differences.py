"""How far two shares lie apart, in points, with an interval."""

from __future__ import annotations

import math

from dressform.records import Figure


def apart(one: Figure, other: Figure) -> Figure:
    """one - other with Newcombe's hybrid score interval (Newcombe 1998, method 10), which takes the two as independent.

    Probes that both were asked are alike, so the interval is rather too wide than too narrow. ``n`` is the smaller of the two.
    """
    down = math.hypot(one.value - one.low, other.high - other.value)
    up = math.hypot(one.high - one.value, other.value - other.low)
    difference = one.value - other.value
    return Figure(difference, min(one.n, other.n), difference - down, difference + up)
