"""Full-size base models with random weights, for speed alone: what a step costs does not depend on the values.

The configurations are those that dressform ships for single files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.auto_pipeline import StableDiffusionPipeline, StableDiffusionXLPipeline
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from dressform import backbones
from dressform.backbones.clip_tokenizer import made_from

_SHIPPED = Path(backbones.__file__).parent / "shipped"
FAMILIES = {"sd15": "stable_diffusion", "sdxl": "stable_diffusion_xl"}


def write(family: str, folder: Path, smaller: dict[str, dict[str, Any]] | None = None) -> Path:
    """Write a half-precision diffusers folder of ``family`` ("sd15", "sdxl") and return it; ``smaller`` overrides settings by part."""
    place, usual = _SHIPPED / FAMILIES[family], torch.get_default_dtype()
    merges = _SHIPPED / "clip" / "merges.txt.gz"

    def config(part: str) -> dict[str, Any]:
        file = place / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        return json.loads(file.read_text()) | (smaller or {}).get(part, {})

    torch.set_default_dtype(torch.float16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):  # random numbers by the billion
            networks: dict[str, Any] = {
                "vae": AutoencoderKL.from_config(config("vae")), "unet": UNet2DConditionModel.from_config(config("unet")),
                "text_encoder": CLIPTextModel(CLIPTextConfig(**config("text_encoder"))),
            }  # fmt: skip
            if family == "sdxl":
                networks["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**config("text_encoder_2")))
    finally:
        torch.set_default_dtype(usual)
    parts = {**networks, "tokenizer": made_from(merges), "scheduler": DDIMScheduler.from_config(config("scheduler"))}
    if family == "sdxl":
        parts["tokenizer_2"] = made_from(merges, "!")
    _pipeline(family, parts).save_pretrained(folder)
    return folder


def _pipeline(family: str, parts: dict[str, Any]) -> DiffusionPipeline:
    if family == "sdxl":
        return StableDiffusionXLPipeline(**parts)
    alone: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return StableDiffusionPipeline(**parts, **alone)
