"""What an objective is: a function from predictions to one loss for each row. One file for each stands in ``objectives/``.

Shapes: predictions and target [rows, c, h, w]; mask [rows, 1, h, w], 1 inside the garment.
Every mean over a region is divided by that region's own area, or small garments would starve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from dressform.train.data import Rows


class Predict(Protocol):
    """The rows' prediction with the frozen identity and each row's own adapter on or off."""

    def __call__(self, frozen: bool, own: bool, text: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        """``text`` [rows, length, width] is asked instead of the rows' own captions; ``at``: of the rows with these numbers alone."""
        ...


Objective = Callable[[Predict, Rows, Tensor], Tensor]
"""(predict, rows, target) -> [rows]."""


def area_mean(error: Tensor, region: Tensor) -> Tensor:
    """Mean of ``error`` over ``region``, for each row; 0 where the region is empty."""
    channels = error.shape[1]
    total = (error * region).flatten(1).sum(1)
    return total / (region.flatten(1).sum(1) * channels).clamp_min(1.0)
