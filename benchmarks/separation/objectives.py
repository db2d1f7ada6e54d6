"""Objectives of the peers and of the ablations, beside the house's own in ``dressform.train.objectives``."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dressform.train.data import Rows
from dressform.train.objective import Objective, Predict, area_mean
from dressform.train.objectives.plain import plain_loss


def plain_on_identity(predict: Predict, _rows: Rows, target: Tensor) -> Tensor:
    """An outfit on the frozen identity with the plain loss: no mask, nothing preserved."""
    return plain_loss(predict(True, True), target)


def masked_on_identity(predict: Predict, rows: Rows, target: Tensor) -> Tensor:
    """The garment's pixels alone, nothing said of the rest."""
    return area_mean((target - predict(True, True)).square(), rows.masks)


def output_preserved(weight: float) -> Objective:
    """The peers' best: masked loss, and differential output preservation (ai-toolkit, SimpleTuner).

    <(y - e_bk(c))^2>_M + weight * <(e_bk(c') - sg e_b(c'))^2>, where c' is the caption with the class for the trigger word;
    ``rows.anchor`` carries it.
    """

    def objective(predict: Predict, rows: Rows, target: Tensor) -> Tensor:
        with torch.no_grad():
            before = predict(True, False, rows.anchor)
        kept = plain_loss(predict(True, True, rows.anchor), before)
        return masked_on_identity(predict, rows, target) + weight * kept

    return objective


def masked_identity_alone(predict: Predict, rows: Rows, target: Tensor) -> Tensor:
    """Identity from dressed pictures without the prior anchor: what lies under the garment is left to chance."""
    return area_mean((target - predict(False, True)).square(), (1 - rows.masks) * rows.said)


def spoken(objective: Objective) -> Objective:
    """The same objective, but a picture whose caption was left out teaches like any other: the field's caption dropout."""
    return lambda predict, rows, target: objective(predict, replace(rows, said=torch.ones_like(rows.said)), target)
