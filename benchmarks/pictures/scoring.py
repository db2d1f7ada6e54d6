"""When is a figure cut whole?"""

from __future__ import annotations

import numpy as np

from dressform.errors import BadInput
from dressform.pictures import sheets

KEPT, FOREIGN = 0.98, 0.02


def whole(pixels: np.ndarray, owners: np.ndarray, count: int) -> list[bool]:
    """For each figure 1..count of a made sheet: is there one cut that keeps at least 98 % of what can be seen of her, and
    no more than 2 % of her area of any other figure? A sheet that is not found to be one has none."""
    try:
        found = sheets.cut(pixels, sheets.Cutting())
    except BadInput:
        return [False] * count
    total = np.bincount(owners.ravel(), minlength=count + 1).astype(float)
    seen = np.zeros((len(found.cuts), count + 1))
    for i, one in enumerate(found.cuts):
        kept = sheets.kept(found, i + 1, owners.shape)
        seen[i] = np.bincount(owners[one.top : one.bottom, one.left : one.right][kept], minlength=count + 1)[: count + 1]
    return [_is_whole(seen, total, figure) for figure in range(1, count + 1)]


def _is_whole(seen: np.ndarray, total: np.ndarray, figure: int) -> bool:
    holding = [row for row in seen if row[figure] >= KEPT * total[figure]]
    if len(holding) != 1:
        return False
    others = np.delete(holding[0], [0, figure])
    return bool((others <= FOREIGN * total[figure]).all())
