"""Weighted words for CLIP's text encoders: what a base model needs in order to offer ``encode_weighted``.

z' = w z,   z'' = z' mean(z) / mean(z')        (the web UI's "Original" emphasis: multiply, then restore the mean)
"""

from __future__ import annotations

import torch
from torch import Tensor

_NO_MEAN = 1e-4
"""Of the embedding's size: a mean below is rounding alone, and nothing can be restored by it."""


def emphasised(text: Tensor, weights: Tensor) -> Tensor:
    """Embeddings [n, length, width] under weights [n, length]; a row whose weights are all 1 comes back as it is."""
    scaled = text * weights[:, :, None].to(text)
    usual, mean = text.mean((1, 2), keepdim=True), scaled.mean((1, 2), keepdim=True)
    told = mean.abs() > _NO_MEAN * text.square().mean((1, 2), keepdim=True).sqrt()
    restored = scaled * torch.where(told, usual / torch.where(told, mean, 1), 1)
    return torch.where((weights == 1).all(1).to(text.device)[:, None, None], text, restored)
