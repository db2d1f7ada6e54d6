"""The recipe of the embedded model, run for a moment from end to end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.recipe


def test_the_recipe_makes_a_pipeline_and_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionPipeline

    from dressform.measure import reader
    from recipes.layfigure import finish_decoder, make_latents, make_tokenizer, train_denoiser, train_reader, train_vae

    def run(module, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["recipe", "--work", str(tmp_path), *arguments])
        module.main()

    run(make_tokenizer)
    run(train_vae, "--minutes", "0.01", "--pool", "20", "--batch", "2")
    run(finish_decoder, "--minutes", "0.01", "--pool", "20", "--batch", "2")
    run(make_latents, "--count", "100")
    run(train_denoiser, "--minutes", "0.001", "--batch", "4", "--no-compile")
    run(train_denoiser, "--minutes", "0.002", "--batch", "4", "--no-compile")
    run(train_reader, "--minutes", "0.01", "--pool", "64", "--batch", "8", "--held", "32")
    assert StableDiffusionPipeline.from_pretrained(tmp_path / "base", safety_checker=None).unet.config["sample_size"] == 16
    assert reader.load(tmp_path / "reader").card
