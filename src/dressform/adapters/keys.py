"""What other programs call a denoiser layer. Loading and saving use the same functions, so that both mean the same layer.

Facts: kohya sd-scripts ``networks/lora.py``; diffusers ``loaders/lora_pipeline.py``. Names are those of the Stable Diffusion
1.x family, to which the embedded model belongs.
"""

from __future__ import annotations


def kohya(layer: str) -> str:
    """``down_blocks.1.attentions.0…`` -> ``lora_unet_down_blocks_1_attentions_0…``."""
    return "lora_unet_" + layer.replace(".", "_")


def peft(layer: str) -> str:
    """``down_blocks.1.attentions.0…`` -> ``unet.down_blocks.1.attentions.0…``, as diffusers' own files have it."""
    return "unet." + layer
