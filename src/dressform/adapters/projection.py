"""Soft projection: an outfit adapter trained elsewhere, taken out of the directions that the identity listens to.

    dW = dW_b + dW_k (I - mu / (1 + mu) Q_b Q_b^T),   Q_b = qr(A_b^T)          (docs/export.md; METHODS 1.6)

b is the identity, k the outfit. mu = 0 changes nothing; mu -> infinity makes the outfit blind to whatever the identity reads. Only
A_k changes, so the result is an adapter of the same rank. Weights alone do not prove that two adapters are apart: measure.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dressform.adapters.stack import Adapter

_NEGLIGIBLE = 1e-6


def basis(down: Tensor) -> Tensor:
    """Orthonormal columns [in, k <= r] that span the rows of A_b [r, in]; rows that add nothing (padding) give no column."""
    _, sizes, rows = torch.linalg.svd(down.double(), full_matrices=False)
    kept = sizes > _NEGLIGIBLE * max(float(sizes.max()), torch.finfo(torch.float32).tiny)
    return rows[kept].mT.to(down.dtype)


def projected(down: Tensor, onto: Tensor, mu: float) -> Tensor:
    """A_k (I - mu / (1 + mu) Q Q^T) for A_k [r, in] and Q [in, k]."""
    return down - (down @ onto) @ onto.mT * (mu / (1 + mu))


def project(outfit: Adapter, identity: Adapter, mu: float) -> None:
    """Project an outfit in place, in every layer that both adapt."""
    theirs = {layer: down for layer, down, _ in identity.matrices()}
    with torch.no_grad():
        for layer, down, _ in outfit.matrices():
            if layer in theirs:
                onto = basis(theirs[layer].flatten(1))
                down.copy_(projected(down.flatten(1), onto, mu).view_as(down))


def overlap(outfit: Adapter, identity: Adapter) -> float:
    """The share of the outfit's change that acts on what the identity reads: sum |dW_k Q Q^T|^2 / sum |dW_k|^2, 0 to 1."""
    theirs = {layer: down for layer, down, _ in identity.matrices()}
    inside, whole = 0.0, 0.0
    with torch.no_grad():
        for layer, down, up in outfit.matrices():
            a, gram = down.flatten(1), up.mT @ up  # |B X|^2 = tr(X^T B^T B X)
            whole += float((a * (gram @ a)).sum())
            if layer in theirs:
                seen = a @ basis(theirs[layer].flatten(1))
                inside += float((seen * (gram @ seen)).sum())
    return inside / whole if whole else 0.0
