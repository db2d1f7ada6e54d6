"""The recipe of the embedded model, run for a moment from end to end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.recipe


def test_the_recipe_makes_a_pipeline_and_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionPipeline

    from dressform.measure import reader
    from recipes.layfigure import finish_decoder, make_latents, make_tokenizer, recolour_vae, train_denoiser, train_reader, train_vae

    def run(module, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["recipe", "--work", str(tmp_path), *arguments])
        module.main()

    run(make_tokenizer)
    run(train_vae, "--minutes", "0.01", "--pool", "20", "--batch", "2")
    run(recolour_vae, "--minutes", "0.01", "--pool", "20", "--batch", "2")
    run(finish_decoder, "--minutes", "0.01", "--pool", "20", "--batch", "2")
    run(make_latents, "--count", "100")
    run(train_denoiser, "--minutes", "0.001", "--batch", "4", "--no-compile")
    run(train_denoiser, "--minutes", "0.002", "--batch", "4", "--no-compile")
    run(train_reader, "--minutes", "0.01", "--pool", "64", "--batch", "8", "--held", "32")
    assert StableDiffusionPipeline.from_pretrained(tmp_path / "base", safety_checker=None).unet.config["sample_size"] == 16
    assert reader.load(tmp_path / "reader").card


def test_what_was_unsaid_is_said_in_the_silent_directions_and_the_others_stay() -> None:
    import torch

    from recipes.layfigure.recolour_vae import SILENT, SPREAD, unsaid

    torch.manual_seed(0)
    turn = torch.linalg.qr(torch.randn(12, 12))[0]
    living = torch.randn(40, 10, 8, 8)
    z = torch.einsum("nchw,cd->ndhw", torch.cat([1e-4 * torch.randn(40, 2, 8, 8), living], dim=1), turn)
    hidden = torch.randn(40, 2, 8, 8)
    colour = torch.stack([living[:, 0] + hidden[:, 0], living[:, 1] - hidden[:, 0], hidden[:, 1]], dim=1)
    new = torch.einsum("nchw,dc->ndhw", unsaid(z, colour).of(z, colour), turn)
    torch.testing.assert_close(new[:, SILENT:], living, atol=1e-2, rtol=0)
    said = new[:, :SILENT].movedim(1, -1).reshape(-1, SILENT)
    torch.testing.assert_close(said.std(0), torch.full((SILENT,), SPREAD), atol=0.01, rtol=0)
    design = torch.cat([said, torch.ones(len(said), 1)], dim=1)
    true = hidden.movedim(1, -1).reshape(-1, SILENT)
    left = true - design @ torch.linalg.lstsq(design, true).solution
    assert (left.var(0) < 0.01 * true.var(0)).all()
