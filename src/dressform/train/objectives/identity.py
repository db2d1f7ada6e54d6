"""Who she is, from any pictures of her: outside garments what they show, inside them the frozen base model (METHODS 1).

A neutral picture has no garment, so all of it teaches. In a dressed one the garment's pixels teach nothing: inside it the identity
is held to what the frozen base model draws when it is asked, in words, for *her* neutral layer. So no average garment can hide
in the identity, and what lies under the garment has her skin. The words stand in the anchor's caption alone, never in the
adapter's own.

Where the caption was left out, she is held to the frozen base model everywhere: who is not asked for does not show. Guidance
(Ho & Salimans 2022) takes e(empty) away from e(prompt); an identity that draws her at the empty caption too takes her away from
herself (docs/why-it-works.md has the figures).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dressform.train.data import Rows
from dressform.train.objective import Objective, Predict, area_mean


def identity_loss(identity: Tensor, anchor: Tensor, target: Tensor, mask: Tensor, weight: float) -> Tensor:
    """<(y - e_b(c))^2>_(1-M) + weight * <(e_b(c) - sg e_0(c_anchor))^2>_M, for each row. ``anchor`` carries no gradient."""
    outside = area_mean((target - identity).square(), 1 - mask)
    inside = area_mean((identity - anchor.detach()).square(), mask)
    return outside + weight * inside


def anchored_identity(weight: float) -> Objective:
    """The identity's loss with the prior anchor of that weight; the base model is asked for rows that hold on to it alone."""

    def objective(predict: Predict, rows: Rows, target: Tensor) -> Tensor:
        mask = rows.masks.maximum(1 - rows.said)
        held, anchor = mask.flatten(1).any(1).nonzero().flatten(), torch.zeros_like(target)
        if len(held):
            with torch.no_grad():
                anchor[held] = predict(False, False, rows.anchor, held)
        return identity_loss(predict(False, True), anchor, target, mask, weight)

    return objective
