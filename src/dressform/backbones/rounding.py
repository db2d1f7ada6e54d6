"""Frozen weights in the precision that they are multiplied in, for as long as they do not change.

Autocast rounds the weights of a frozen layer at every call. Rounded once they give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dressform.backbones.protocol import Backbone

_AT_MOST = 2**30
"""Bytes of weights that may be there twice for a while."""


@contextmanager
def rounded(backbone: Backbone) -> Iterator[None]:
    """The denoiser's linear and convolution layers rounded inside the with block, and as they were after it.

    Where nothing would be rounded, and where the copies would be large, nothing is done.
    """
    dtype = _precision(backbone)
    weights = [p for layer in backbone.denoiser.modules() if isinstance(layer, nn.Linear | nn.Conv2d) for p in layer.parameters()]
    weights = [p for p in weights if dtype is not None and p.dtype == torch.float32]
    if sum(p.nbytes for p in weights) > _AT_MOST:
        weights = []
    before = [p.data for p in weights]
    try:
        for parameter in weights:
            parameter.data = parameter.data.to(dtype)
        yield
    finally:
        for parameter, exact in zip(weights, before, strict=True):
            parameter.data = exact


def _precision(backbone: Backbone) -> torch.dtype | None:
    """What the layers work in; None where that is the precision of their weights."""
    kind = backbone.device.type
    with backbone.autocast():
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
