"""An outfit on top of the frozen identity: inside the garment learn the garment, outside it change nothing (METHODS 1).

Where the caption was left out it changes nothing anywhere: what was not asked for does not show. Guidance (Ho & Salimans 2022)
takes e(empty) away from e(prompt); an empty caption that draws the garment too would take the garment away.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dressform.train.data import Rows
from dressform.train.objective import Objective, Predict, area_mean


def outfit_loss(with_outfit: Tensor, identity_alone: Tensor, target: Tensor, mask: Tensor, preserve: float) -> Tensor:
    """L_k = <(y - e_bk)^2>_M + preserve * <(e_bk - sg e_b)^2>_(1-M), for each row. ``identity_alone`` carries no gradient."""
    inside = area_mean((target - with_outfit).square(), mask)
    outside = area_mean((with_outfit - identity_alone.detach()).square(), 1 - mask)
    return inside + preserve * outside


def outfit_on_identity(preserve: float) -> Objective:
    """L_k with the weight ``preserve`` of "changes nothing outside the garment"."""

    def objective(predict: Predict, rows: Rows, target: Tensor) -> Tensor:
        with torch.no_grad():
            identity_alone = predict(True, False)
        return outfit_loss(predict(True, True), identity_alone, target, rows.masks * rows.said, preserve)

    return objective
