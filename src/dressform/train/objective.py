"""What an adapter learns: pure functions of predictions, one value for each row.

Shapes: predictions and target [rows, c, h, w]; mask [rows, 1, h, w], 1 inside the garment.
Every mean over a region is divided by that region's own area, or small garments would starve.
"""

from __future__ import annotations

from torch import Tensor


def area_mean(error: Tensor, region: Tensor) -> Tensor:
    """Mean of ``error`` over ``region``, for each row; 0 where the region is empty."""
    channels = error.shape[1]
    total = (error * region).flatten(1).sum(1)
    return total / (region.flatten(1).sum(1) * channels).clamp_min(1.0)


def plain_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """The denoising loss <(y - e)^2>, for each row: what the identity adapter learns neutral pictures by."""
    return (target - prediction).square().flatten(1).mean(1)


def outfit_loss(with_outfit: Tensor, identity_alone: Tensor, target: Tensor, mask: Tensor, preserve: float) -> Tensor:
    """L_k = <(y - e_bk)^2>_M + preserve * <(e_bk - sg e_b)^2>_(1-M), for each row (METHODS 1).

    Inside the garment the outfit adapter learns the garment; outside it changes nothing.
    ``identity_alone`` carries no gradient.
    """
    inside = area_mean((target - with_outfit).square(), mask)
    outside = area_mean((with_outfit - identity_alone.detach()).square(), 1 - mask)
    return inside + preserve * outside
