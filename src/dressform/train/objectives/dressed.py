"""Identity from dressed pictures alone: the garment's pixels teach nothing, and under them she is anchored (METHODS 1).

Outside the garment the identity learns what the picture shows. Inside it, the identity is held to what the frozen base
model draws when it is asked, in words, for *her* neutral layer: so no average garment can hide in the identity, and
what lies under the garment has her skin. The words stand in the anchor's caption alone, never in the adapter's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dressform.train.data import Rows
from dressform.train.objective import Objective, Predict, area_mean


def masked_identity_loss(identity: Tensor, anchor: Tensor, target: Tensor, mask: Tensor, weight: float) -> Tensor:
    """<(y - e_b(c))^2>_(1-M) + weight * <(e_b(c) - sg e_0(c_anchor))^2>_M, for each row. ``anchor`` carries no gradient."""
    outside = area_mean((target - identity).square(), 1 - mask)
    inside = area_mean((identity - anchor.detach()).square(), mask)
    return outside + weight * inside


def identity_from_dressed(weight: float) -> Objective:
    """The masked identity with the prior anchor of that weight."""

    def objective(predict: Predict, rows: Rows, target: Tensor) -> Tensor:
        with torch.no_grad():
            anchor = predict(False, False, rows.anchor)
        return masked_identity_loss(predict(False, True), anchor, target, rows.masks, weight)

    return objective
