"""Who she is, from any pictures of her: outside garments what they show, inside them the frozen base model (METHODS 1).

A neutral picture has no garment, so all of it teaches. In a dressed one the garment's pixels teach nothing: inside it the identity
is held to what the frozen base model draws when it is asked, in words, for *her* neutral layer. So no average garment can hide
in the identity, and what lies under the garment has her skin. The words stand in the anchor's caption alone, never in the
adapter's own.

Where the caption was left out, she is held to the frozen base model everywhere: who is not asked for does not show. Guidance
(Ho & Salimans 2022) takes e(empty) away from e(prompt); an identity that draws her at the empty caption too takes her away from
herself (docs/why-it-works.md has the figures).

A caption may name a garment of the base model's that the picture does not show. Then she is taught what she is as ever, and beside
it what those words change where the base model alone is asked: e_0 for her in words, with the garment, less e_0 without it. An
identity that never heard of a garment draws her neutral layer over it (docs/why-it-works.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dressform.train.data import Rows
from dressform.train.objective import Objective, Predict, area_mean


def identity_loss(identity: Tensor, anchor: Tensor, garment: Tensor, target: Tensor, mask: Tensor, weight: float) -> Tensor:
    """<(y + d - e_b(c))^2>_(1-M) + weight * <(e_b(c) - sg e_0(c_anchor) - d)^2>_M, for each row.

    ``garment`` is d = sg (e_0(c_anchor, garment) - e_0(c_anchor)), 0 where c names none. It and ``anchor`` carry no gradient.
    """
    outside = area_mean((target + garment.detach() - identity).square(), 1 - mask)
    inside = area_mean((identity - (anchor + garment).detach()).square(), mask)
    return outside + weight * inside


def anchored_identity(weight: float) -> Objective:
    """The identity's loss with the prior anchor of that weight; the base model is asked for rows that hold on to it alone."""

    def objective(predict: Predict, rows: Rows, target: Tensor) -> Tensor:
        mask = rows.masks.maximum(1 - rows.said)
        names = (rows.named != rows.anchor).flatten(1).any(1)
        held, named = (some.nonzero().flatten() for some in (names | mask.flatten(1).any(1), names))
        anchor, garment = torch.zeros_like(target), torch.zeros_like(target)
        with torch.no_grad():
            if len(held):
                anchor[held] = predict(False, False, rows.anchor, held)
            if len(named):
                garment[named] = predict(False, False, rows.named, named) - anchor[named]
        return identity_loss(predict(False, True), anchor, garment, target, mask, weight)

    return objective
