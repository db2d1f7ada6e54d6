"""AdamW (Loshchilov & Hutter 2019), or the same with moments of 8 bits, where bitsandbytes is installed (Dettmers et al. 2022)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import nn

from dressform.errors import NotReady

Kind = Literal["adamw", "adamw8bit"]
_BETAS = (0.9, 0.99)


def has_small() -> bool:
    """True where moments of 8 bits can be had."""
    return find_spec("bitsandbytes") is not None


def refuse_missing(kind: Kind) -> None:
    """Raises NotReady where the optimizer is not installed."""
    if kind == "adamw8bit" and not has_small():
        raise NotReady("optimizer adamw8bit: bitsandbytes is not installed; pip install bitsandbytes, or train with --optimizer adamw")


def made(kind: Kind, values: nn.Parameter, learning_rate: float) -> torch.optim.Optimizer:
    """The optimizer of one adapter's values. Raises NotReady."""
    refuse_missing(kind)
    how: dict[str, Any] = {"lr": learning_rate, "betas": _BETAS, "weight_decay": 0.0}
    if kind == "adamw":
        return torch.optim.AdamW([values], **how)
    from bitsandbytes.optim import AdamW8bit  # type: ignore[import-not-found]

    return AdamW8bit([values], **how)
