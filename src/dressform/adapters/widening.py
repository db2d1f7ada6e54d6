"""An adapter over more layers than it was made for: zero there, so that it does the same. For adapters that must lie side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from dressform.adapters.stack import Adapter


def widest(adapters: Sequence[Adapter], least: str = "attention") -> str:
    """The targets that hold the layers of all of them, and those of ``least``."""
    return "all" if "all" in (least, *(a.info.targets for a in adapters)) else "attention"


def widened(adapter: Adapter, targets: str, layers: Mapping[str, nn.Module]) -> Adapter:
    """The adapter itself where it acts on ``layers`` (those of ``targets``) already; else one that is zero in the others."""
    if adapter.layer_names == tuple(layers):
        return adapter
    made = Adapter(replace(adapter.info, targets=targets), layers).to(adapter.values.device)
    made.sha256 = adapter.sha256
    own = {layer: (down, up) for layer, down, up in adapter.matrices()}
    assert own.keys() <= layers.keys(), "an adapter for other layers"
    with torch.no_grad():
        for layer, down, up in made.matrices():
            if layer in own:
                down.copy_(own[layer][0])
                up.copy_(own[layer][1])
            else:
                down.zero_()
    return made
