"""DoRA, brought to two matrices a layer as well as they can say it.

    W' = m (W + s B A) / |W + s B A|                                   (Liu et al. 2024, arXiv 2402.09353, eq. 5)
    W' - W = (D - I) W + D s B A,   D = diag(m / |W + s B A|)

The second part has the rank of A, the first that of W. So the change is computed with the base model's own weight and cut off after
its largest singular values: no two matrices of that rank come nearer (Eckart and Young 1936). What is lost is counted and said.

The norm is over each output (PEFT; LyCORIS with ``wd_on_out``) or each input (older LyCORIS), as the shape of m tells. ComfyUI
divides by the outputs' norm of W alone; here it is done as the trainers do it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dressform.errors import BadInput

RANK_LIMIT = 128
LOST_WANTED, LOST_AT_MOST = 0.02, 0.1
"""Shares of the change, by its norm: the rank is the smallest that loses no more than the first; more than the second is refused."""


@dataclass(frozen=True)
class LowRank:
    """For each layer A [r, in, ...] and B [out, r] with B A near W' - W, and the share of the whole change that they lose."""

    matrices: Mapping[str, tuple[Tensor, Tensor]]
    lost: float


def aligned(magnitude: tuple[int, ...], weight: tuple[int, ...], peft: bool) -> tuple[int, ...] | None:
    """The shape in which magnitudes of a file stand beside a weight [out, in, ...]; None where they do not belong to it.

    ``peft``: by PEFT's name, which are of outputs always (it writes [1, out, 1, 1] for a convolution).
    """
    found = magnitude
    while len(found) > 1 and found[-1] == 1:
        found = found[:-1]
    ones = (1,) * (len(weight) - 2)
    if found == weight[:1] or (peft and found == (1, weight[0])):
        return weight[0], 1, *ones
    return (1, weight[1], *ones) if not peft and found == (1, weight[1]) else None


def change(weight: Tensor, plain: Tensor, magnitude: Tensor) -> Tensor:
    """W' - W [out, in, ...] for W, s B A and m, whose shape is [out, 1, ...] or [1, in, 1, ...]."""
    whole, own = weight + plain, 0 if magnitude.shape[0] == len(weight) else 1
    norm = torch.linalg.vector_norm(whole, dim=[d for d in range(weight.dim()) if d != own], keepdim=True)
    return magnitude / norm.clamp_min(torch.finfo(norm.dtype).tiny) * whole - weight


def low_rank(changes: Iterable[tuple[str, Tensor]]) -> LowRank:
    """The changes of all layers at one rank, the smallest that will do. Raises BadInput where none up to ``RANK_LIMIT`` does."""
    shapes, cut = {}, {}
    for layer, one in changes:  # one at a time: together they are as large as the base model
        shapes[layer], cut[layer] = one.shape, _cut(one.flatten(1))
    whole = sum(float(c.square) for c in cut.values())
    losses = [(sum(c.square_beyond(rank) for c in cut.values()) / whole) ** 0.5 if whole else 0.0 for rank in range(1, RANK_LIMIT + 1)]
    rank = next((r for r, lost in enumerate(losses, 1) if lost <= LOST_WANTED), RANK_LIMIT)
    if losses[rank - 1] > LOST_AT_MOST:
        raise BadInput(
            f"this adapter is DoRA, and {losses[rank - 1]:.0%} of its change is lost in two matrices a layer of rank {rank} "
            f"(at most {LOST_AT_MOST:.0%} is taken): train it as a plain LoRA or LoCon"
        )
    return LowRank({layer: c.matrices(rank, shapes[layer]) for layer, c in cut.items()}, losses[rank - 1])


@dataclass(frozen=True)
class _Cut:
    """The first singular triplets of a change: up [out, k], sizes [k], down [k, in]; ``square`` is |change|^2, all of it."""

    up: Tensor
    sizes: Tensor
    down: Tensor
    square: float

    def square_beyond(self, rank: int) -> float:
        """|change - its first ``rank`` triplets|^2."""
        return max(0.0, self.square - float(self.sizes[:rank].double().square().sum()))

    def matrices(self, rank: int, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """A [rank, in, ...] and B [out, rank], the sizes shared between them."""
        root = self.sizes[:rank].sqrt()
        return (root[:, None] * self.down[:rank]).view(-1, *shape[1:]), self.up[:, :rank] * root


def _cut(flat: Tensor) -> _Cut:
    if min(flat.shape) <= 2 * RANK_LIMIT:
        up, sizes, down = torch.linalg.svd(flat, full_matrices=False)
    else:
        with torch.random.fork_rng():  # the same file becomes the same adapter (Halko et al. 2011: a few turns are near the best)
            torch.manual_seed(0)
            up, sizes, right = torch.svd_lowrank(flat, q=RANK_LIMIT + 32, niter=4)
            down = right.mT
    up, sizes, down = up[:, :RANK_LIMIT].cpu(), sizes[:RANK_LIMIT].cpu(), down[:RANK_LIMIT].cpu()
    return _Cut(up.contiguous(), sizes, down.contiguous(), float(flat.double().square().sum()))
