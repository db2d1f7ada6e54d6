"""What the families with diffusers' UNet2DConditionModel and CLIP's text encoders have in common."""

from __future__ import annotations

from typing import Any

from dressform.backbones import rowwise
from dressform.backbones.assembled import Asking, Assembled, Parts, Traits
from dressform.backbones.folder import Source
from dressform.backbones.frozen import Denoiser
from dressform.backbones.latents import Autoencoder
from dressform.backbones.precision import Placement
from dressform.backbones.schedule import Diffusion

ATTENTION_LEAVES = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
_BLOCK_LISTS = ("resnets", "transformer_blocks")
CONVOLUTION_LEAVES = ("conv1", "conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv")


def assembled(
    source: Source,
    where: Placement,
    architecture: str,
    guidance: float,
    asking: Asking,
    usual_targets: str = "attention",
    square: bool = False,
) -> Assembled:
    """A base model with a UNet as its denoiser."""

    def read() -> Any:
        from diffusers import UNet2DConditionModel

        return source.network("unet", UNet2DConditionModel, where.dtype)

    config, pictures = source.config("unet"), Autoencoder(source, where)
    denoiser = Denoiser(read, where.device, _BLOCK_LISTS, _settled_for(where))
    halvings = len(config["block_out_channels"]) - 1
    traits = Traits(
        architecture, int(config["sample_size"]) * pictures.cell_px, 2**halvings, guidance, ATTENTION_LEAVES, CONVOLUTION_LEAVES,
        usual_targets, square,
    )  # fmt: skip
    return Assembled(source, where, traits, Parts(denoiser, pictures, asking, Diffusion(source.config("scheduler"), where.device)))


def _settled_for(where: Placement):
    from diffusers.models.attention_processor import AttnProcessor

    def settle(network: Any) -> None:
        if (where.stands_for or where.device).type == "cpu":
            network.set_attn_processor(AttnProcessor())  # SDPA's backward is slow on CPUs
            rowwise.settle(network)

    return settle
