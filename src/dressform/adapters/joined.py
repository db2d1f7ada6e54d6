"""Several adapters as one, exactly: for programs that stack adapters badly, or not at all.

    sum_n g_n s_n B_n A_n  =  [g_1 s_1 B_1, g_2 s_2 B_2, ...] [A_1; A_2; ...]

The ranks add up; nothing is approximated, and the result has alpha = rank (scaling 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from dressform.adapters.stack import Adapter


def joined(name: str, trigger: str, layers: Mapping[str, nn.Module], adapters: Sequence[Adapter], scales: Sequence[float]) -> Adapter:
    """One adapter of kind "joined" that does what these do together at these scales. All act on ``layers``."""
    assert adapters and len(adapters) == len(scales)
    rank = sum(a.info.rank for a in adapters)
    info = replace(adapters[-1].info, kind="joined", name=name, trigger=trigger, rank=rank, alpha=float(rank))
    made = Adapter(info, layers)
    with torch.no_grad():
        made.values.copy_(torch.cat([_scaled(one, scale) for one, scale in zip(adapters, scales, strict=True)]))
    return made


def _scaled(adapter: Adapter, scale: float) -> Tensor:
    """Its values, with its scale and its scaling in every B."""
    values = adapter.values.clone()
    for up in adapter.parts(values)[1]:
        up.mul_(scale * adapter.info.scaling)
    return values
