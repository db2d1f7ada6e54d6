"""Gradients that pass through float16: losses are scaled up before the backward pass, gradients scaled back after it.

Below 6e-8 a number is zero in float16, and above 65504 infinite (Micikevicius et al. 2018, "Mixed Precision Training", section 3.2).
The scale is a power of two, so scaling changes no digit. It is looked for at each step and for each adapter anew, from the largest
down to the first at which all of its gradients are finite: nothing of it is saved, a resumed run goes on exactly, and one adapter's
scale does not depend on which others train beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from dressform.adapters.stack import Adapter
from dressform.errors import Failed

LARGEST, LOWERED, LEAST = 2.0**16, 2.0**4, 1.0


def learned(adapters: Sequence[Adapter], learn: Callable[[Sequence[float]], list[float]]) -> list[float]:
    """The losses of ``learn(scales)``, which leaves gradients of losses times their scales; they are left as if there were none.

    Raises Failed where a loss is no number, or a gradient is none at any scale.
    """
    scales = [LARGEST] * len(adapters)
    while True:
        losses = learn(scales)
        over = [i for i, one in enumerate(adapters) if not _finite(one)]
        if wrong := [
            adapters[i].info.name for i, loss in enumerate(losses) if not math.isfinite(loss) or (i in over and scales[i] <= LEAST)
        ]:
            raise Failed(
                f"{', '.join(wrong)}: numbers beyond float16, which is all that this GPU offers beside float32: "
                "train on a GPU that computes in bfloat16, or on the CPU"
            )
        if not over:
            break
        for one in adapters:
            one.zero_grad(set_to_none=True)
        scales = [scale / LOWERED if i in over else scale for i, scale in enumerate(scales)]
    for one, scale in zip(adapters, scales, strict=True):
        if one.values.grad is not None:
            one.values.grad.div_(scale)
    return losses


def _finite(adapter: Adapter) -> bool:
    """True where every gradient is a number."""
    return adapter.values.grad is None or bool(adapter.values.grad.isfinite().all())
