"""Gradient checkpointing that knows nothing of adapters and still computes them again as they were.

Which adapters are live is a context variable (adapters/stack.py). The backward pass runs when that choice is over, and on a
GPU in another thread, so each block takes the context of its forward pass along.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

from torch.utils.checkpoint import checkpoint


def recomputed(block: Any, *inputs: Any) -> Any:
    """The block's output; what lies inside it is computed again in the backward pass, in the context of this call."""
    context = copy_context()
    return checkpoint(lambda *given: context.copy().run(block, *given), *inputs, use_reentrant=False, preserve_rng_state=False)
