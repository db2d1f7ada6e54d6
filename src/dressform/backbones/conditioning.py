"""Conditionings of different lengths side by side.

A denoiser's cross-attention weighs its keys by a softmax, so keys that all stand there k times get the shares that they had once: a
conditioning that is said again as a whole says the same. So a shorter one is repeated until it is as long as the others, and no
padding is attended to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor


def alike(conditionings: Sequence[Tensor]) -> list[Tensor]:
    """Conditionings [..., length, width] of one base model, each repeated to the smallest length that all of them reach."""
    length = math.lcm(*(one.shape[-2] for one in conditionings))
    return [one if one.shape[-2] == length else one.repeat(*[1] * (one.dim() - 2), length // one.shape[-2], 1) for one in conditionings]
