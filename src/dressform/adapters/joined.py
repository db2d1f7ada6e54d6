"""Several adapters as one, exactly: for programs that stack adapters badly, or not at all.

    sum_n g_n s_n B_n A_n  =  s [g_1 s_1 / s B_1, g_2 s_2 / s B_2, ...] [A_1; A_2; ...],   s = max_n |g_n s_n|

The ranks add up; nothing is approximated. The largest scaling is that of the result, and stands in its alpha: folded into B, one far below
1 would leave float16 few digits.
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
    rank, factors = sum(a.info.rank for a in adapters), [scale * a.info.scaling for a, scale in zip(adapters, scales, strict=True)]
    most = max(map(abs, factors)) or 1.0
    of_all = {"kind": "joined", "name": name, "trigger": trigger, "origin_sha256": "", "origin_base": ""}
    info = replace(adapters[-1].info, rank=rank, alpha=most * rank, **of_all)
    made = Adapter(info, layers)
    with torch.no_grad():
        made.values.copy_(torch.cat([_scaled(one, factor / most) for one, factor in zip(adapters, factors, strict=True)]))
    return made


def _scaled(adapter: Adapter, factor: float) -> Tensor:
    """Its values, with the factor in every B."""
    values = adapter.values.clone()
    for up in adapter.parts(values)[1]:
        up.mul_(factor)
    return values
