"""A tiny random Stable Diffusion XL folder: two text encoders, pooled embedding, time ids."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from recipes.layfigure.make_tokenizer import build

SCHEDULER = {
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "epsilon",
    "timestep_spacing": "leading", "steps_offset": 1,
}  # fmt: skip
POOLED, WIDTHS = 12, (16, 24)


def write(folder: Path, seed: int = 0, **scheduler: object) -> Path:
    """Write the folder and return it: 32 x 32 pictures, 8 x 8 latents of 4 channels."""
    torch.manual_seed(seed)
    tokenizer, second = build(), build()
    second.add_special_tokens({"pad_token": "!"})
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(8, 16), layers_per_block=2,
        cross_attention_dim=sum(WIDTHS), attention_head_dim=(1, 2), norm_num_groups=4, use_linear_projection=True,
        transformer_layers_per_block=(1, 2), addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + POOLED,
    )  # fmt: skip
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, block_out_channels=(4, 8, 8),
        layers_per_block=2, latent_channels=4, norm_num_groups=2, sample_size=32, scaling_factor=0.13025,
    )  # fmt: skip

    def config(width: int, projection: int, act: str) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=width, intermediate_size=2 * width, projection_dim=projection, num_hidden_layers=3,
            num_attention_heads=2, max_position_embeddings=tokenizer.model_max_length, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, hidden_act=act,
        )  # fmt: skip

    StableDiffusionXLPipeline(
        vae=vae, text_encoder=CLIPTextModel(config(WIDTHS[0], 16, "quick_gelu")), tokenizer=tokenizer, tokenizer_2=second,
        text_encoder_2=CLIPTextModelWithProjection(config(WIDTHS[1], POOLED, "gelu")), unet=unet,
        scheduler=EulerDiscreteScheduler(**{**SCHEDULER, **scheduler}),
    ).save_pretrained(folder)  # fmt: skip
    return folder
