"""Module lists of full-size base models, from their configurations alone: built on the ``meta`` device, no weights."""

from __future__ import annotations

from functools import cache

import torch
from diffusers import UNet2DConditionModel, ZImageTransformer2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

SD1 = {"cross_attention_dim": 768, "attention_head_dim": 8}
SDXL = {
    "sample_size": 128, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20), "cross_attention_dim": 2048,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}  # fmt: skip
IN_RESNETS = ("conv1", "conv2", "conv_shortcut", "time_emb_proj")


@cache
def unet(which: str) -> nn.Module:
    with torch.device("meta"):
        return UNet2DConditionModel(**(SDXL if which == "sdxl" else SD1))


@cache
def transformer() -> nn.Module:
    with torch.device("meta"):
        return ZImageTransformer2DModel()


def matrices(module: nn.Module) -> dict[str, nn.Module]:
    """Every linear and convolution layer."""
    return {n: m for n, m in module.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}


def attention(which: str) -> dict[str, nn.Module]:
    """The layers inside attention blocks, as kohya's trainer counts them."""
    return {n: m for n, m in matrices(unet(which)).items() if ".attentions." in n}


def everything(which: str) -> dict[str, nn.Module]:
    """These, and the convolutions of LoCon."""
    sampling = (".downsamplers.", ".upsamplers.")
    more = {n: m for n, m in matrices(unet(which)).items() if n.endswith(IN_RESNETS) or any(s in n for s in sampling)}
    return attention(which) | more


@cache
def text_encoder(width: int, depth: int) -> list[str]:
    """The layers of a CLIP text encoder that kohya's trainer adapts: (768, 12), or (1280, 32) for the second of XL."""
    kind = CLIPTextModel if width == 768 else CLIPTextModelWithProjection
    with torch.device("meta"):
        model = kind(
            CLIPTextConfig(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=depth, num_attention_heads=width // 64)
        )
    return [n for n in matrices(model) if ".layers." in n]


def stand_in(module: nn.Module) -> nn.Module:
    """A layer with a weight of the same shape on the CPU that takes no memory."""
    made = nn.Module()
    assert isinstance(module.weight, torch.Tensor)
    made.weight = torch.zeros(()).expand(module.weight.shape)
    return made
