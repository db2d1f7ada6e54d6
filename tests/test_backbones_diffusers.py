"""A base model draws what diffusers' own pipeline draws from the same noise and words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dressform import backbones

PROMPT, STEPS, GUIDANCE = "red dress, side view", 4, 3.0


@pytest.mark.recipe
def test_the_same_latents_as_diffusers(family, family_folder: Path) -> None:
    from diffusers import DDIMScheduler, DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(family_folder, safety_checker=None) if family_folder.name == "tiny" else (
        DiffusionPipeline.from_pretrained(family_folder)
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    flows = family_folder.name == "tiny_flow"
    if not flows:
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    noise = torch.randn(1, 4, 12, 8, generator=torch.Generator().manual_seed(0))
    theirs = pipe(
        PROMPT, negative_prompt="", latents=noise.clone(), num_inference_steps=STEPS, height=48, width=32, output_type="latent",
        guidance_scale=GUIDANCE - 1 if flows else GUIDANCE,  # there the scale counts from the prompt, not from the empty text
    ).images  # fmt: skip
    text = family.encode_text(["", PROMPT])

    def guided(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        empty, asked = family.predict(torch.cat([x, x]), torch.cat([t, t]), text).chunk(2)
        return empty + GUIDANCE * (asked - empty)

    with torch.no_grad():
        torch.testing.assert_close(family.sample(noise, guided, STEPS), theirs, rtol=1e-3, atol=1e-3)


def test_the_embedded_model_is_read_by_name() -> None:
    assert backbones.load("layfigure").architecture == "dressform-layfigure-v1"
