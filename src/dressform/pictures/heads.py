"""How many heads a silhouette has: round parts near its top that a thin neck, an ear or a hand does not have.

Two figures that touch with hair, ears or hands still have two heads, so where no gap can be seen heads say how many stand there.
"""

from __future__ import annotations

import numpy as np

from dressform.pictures.components import grown, labelled, parts

_ROWS, _ROUND, _ALIKE, _ONE_LEVEL = 0.27, 0.042, 0.35, 0.1


def heads(body: np.ndarray) -> list[int]:
    """The middle column of each head from left to right, of a silhouette (bool [h, w]) that fills its height."""
    height = len(body)
    by = max(2, round(_ROUND * height))
    top = np.pad(body[: round(_ROWS * height)], ((by, 0), (by, by)))
    core = ~grown(~top, by)[by:, by:-by]
    core[-by:] = False  # what is cut off below would count as thick
    labels, count = labelled(core)
    found = parts(labels, count) if count else []
    largest = max((p.area for p in found), default=0)
    round_ones = [p for p in found if p.area >= _ALIKE * largest]
    lowest = min((p.top for p in round_ones), default=0)
    level = [p for p in round_ones if p.top - lowest <= _ONE_LEVEL * height]
    return sorted((p.left + p.right) // 2 for p in level)
