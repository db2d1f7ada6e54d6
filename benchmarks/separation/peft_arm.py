"""The arm that other people's software trains: one plain LoRA by PEFT and diffusers, probed by our code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from benchmarks import with_peft
from benchmarks.separation.arms import Learned, Recipe, plain_material, plain_recipe, words_of
from benchmarks.separation.cases import Material
from dressform.adapters.stack import Adapter
from dressform.backbones.assembled import Assembled
from dressform.records import AdapterInfo


def one_plain_with_peft(base: Assembled, cases: Sequence[Material], recipe: Recipe) -> list[Learned]:
    """The arm "one plain LoRA", trained by other people's software, one case after another."""
    found, config = [], plain_recipe(cases[0], recipe)
    for given in cases:
        unet = with_peft.trained(base, plain_material(base, given), config)
        found.append(Learned([taken_over(base, unet, config)], lambda _asked: (1.0,), words_of(given)))
    return found


def taken_over(base: Assembled, unet: torch.nn.Module, config) -> Adapter:  # type: ignore[no-untyped-def]
    """PEFT's matrices in our adapter, so that both are probed by the same code."""
    info = AdapterInfo("outfit", "peft", "peft", config.rank, config.alpha, config.targets, base.sha256)
    adapter = Adapter(info, base.target_layers(config.targets))
    theirs: dict[str, Any] = dict(unet.named_modules())
    with torch.no_grad():
        for name, down, up in adapter.matrices():
            down.copy_(theirs[name].lora_A["default"].weight)
            up.copy_(theirs[name].lora_B["default"].weight.flatten(1))  # a convolution's is [out, rank, 1, 1]
    return adapter
