"""The denoising loss alone (Ho et al. 2020, eq. 14), whatever the target: what other trainers do, to compare with."""

from __future__ import annotations

from torch import Tensor

from dressform.train.data import Rows
from dressform.train.objective import Predict


def plain_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """<(y - e)^2>, for each row."""
    return (target - prediction).square().flatten(1).mean(1)


def plain(predict: Predict, _rows: Rows, target: Tensor) -> Tensor:
    """The rows' own adapter, alone."""
    return plain_loss(predict(False, True), target)
