"""The layout of PEFT and diffusers, written only: ``unet.LAYER.lora_A.weight`` (down) and ``.lora_B.weight`` (up).

It has no alpha of its own. diffusers reads it from the metadata key ``lora_adapter_metadata``, the JSON of a PEFT
configuration with the component before each key (``loaders/lora_base.py``); without that, alpha counts as the rank.
"""

from __future__ import annotations

import json

import torch

from dressform.adapters import files, keys
from dressform.adapters.stack import Adapter


def to_bytes(adapter: Adapter, dtype: torch.dtype = torch.float16) -> bytes:
    """The adapter as ``StableDiffusionPipeline.load_lora_weights`` reads it. The same adapter gives the same bytes."""
    info = adapter.info
    tensors: dict[str, torch.Tensor] = {}
    for layer, down, up in adapter.matrices():
        b = up.detach()
        tensors[f"{keys.peft(layer)}.lora_A.weight"] = down.detach().to(dtype).contiguous()
        tensors[f"{keys.peft(layer)}.lora_B.weight"] = (b[:, :, None, None] if down.dim() == 4 else b).to(dtype).contiguous()
    configuration = {
        "unet.r": info.rank,
        "unet.lora_alpha": info.alpha,
        "unet.target_modules": list(adapter.layer_names),
        "unet.bias": "none",
        "unet.init_lora_weights": False,
    }
    return files.with_metadata(tensors, info, {"format": "pt", "lora_adapter_metadata": json.dumps(configuration)})
