"""The recipe of the embedded model, run for a moment from end to end."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.recipe


def test_the_recipe_makes_a_pipeline_and_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionPipeline

    from dressform.measure import reader
    from recipes.layfigure import (
        finish_decoder,
        latent_reader,
        make_latents,
        make_tokenizer,
        recolour_vae,
        train_denoiser,
        train_reader,
        train_vae,
    )

    def run(module, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["recipe", "--work", str(tmp_path), *arguments])
        module.main()

    run(make_tokenizer)
    run(train_vae, "--minutes", "0.01", "--pool", "20", "--batch", "2")
    run(recolour_vae, "--minutes", "0.01", "--pool", "20", "--batch", "2")
    run(finish_decoder, "--minutes", "0.01", "--pool", "20", "--batch", "2")
    run(make_latents, "--count", "100")
    run(latent_reader, "--minutes", "0.01", "--batch", "4", "--held", "20")
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


def test_what_true_latents_do_not_tell_is_not_asked_of_those_that_are_drawn() -> None:
    import torch

    from recipes.layfigure.latent_reader import LatentReader, unlike

    torch.manual_seed(0)
    reader = LatentReader().eval()
    true, other = torch.randn(3, 12, 16, 16), torch.randn(3, 12, 16, 16)
    torch.testing.assert_close(unlike(reader, true, true), torch.zeros(3))
    assert (unlike(reader, other, true) > 0).all()
    for head in reader.heads.values():  # a reader that is sure of nothing: nothing can be read wrongly
        torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)
    torch.testing.assert_close(unlike(reader, other, true), torch.zeros(3))


def test_a_caption_with_a_tag_left_out_is_not_read() -> None:
    import torch
    from transformers import CLIPTokenizer

    from dressform.layfigure.world import training_doll
    from recipes.layfigure import latents, train_denoiser
    from recipes.layfigure.install import PRETRAINED

    doll = training_doll(random.Random(5))
    data = latents.Data(torch.zeros(1, 12, 16, 16), torch.ones(1, 1, 16, 16), [doll], torch.tensor([0]))
    tokenizer = CLIPTokenizer.from_pretrained(PRETRAINED / "layfigure" / "tokenizer")
    every = train_denoiser.batch(data, tokenizer, 1.0, 16, 3, 0.0)
    some = train_denoiser.batch(data, tokenizer, 1.0, 64, 3, 0.1)
    assert every.told.tolist() == [1.0] * 16
    assert 0 < some.told.sum() < 64


def test_a_denoiser_that_knows_the_picture_meets_true_noisy_pictures_on_its_own_way_down() -> None:
    from types import SimpleNamespace

    import torch
    from diffusers import DDIMScheduler

    from recipes.layfigure import train_denoiser as recipe

    how = recipe.Loss(DDIMScheduler(**recipe.SCHEDULER).alphas_cumprod, torch.eye(12))
    x0, noise = torch.randn(2, 4, 12, 16, 16, generator=torch.Generator().manual_seed(0)).unbind(0)
    t, own = torch.tensor([900, 600, 300, 500]), torch.tensor([True, False, True, True]).view(-1, 1, 1, 1)
    given = recipe.Batch(x0, noise, t, torch.zeros(4, 8), torch.ones(4, 1, 16, 16), torch.ones(4), own)

    def knows(noisy, time, context):  # type: ignore[no-untyped-def]
        a, s = recipe._coefficients(how, time)
        return SimpleNamespace(sample=(a * noisy - x0[context.flatten().long()]) / s)

    found = recipe._own(SimpleNamespace(unet=knows), how, given, torch.arange(4.0).view(4, 1))  # type: ignore[arg-type]
    a, s = recipe._coefficients(how, t)
    torch.testing.assert_close(found, torch.where(own, a * x0 + s * noise, 0.0), atol=2e-2, rtol=0)


def test_a_doll_that_is_moved_keeps_her_label_map_and_loses_her_height() -> None:
    import torch
    from torch.nn import functional

    from dressform.layfigure.doll import VOCABULARY
    from recipes.layfigure import train_reader

    rng = torch.Generator().manual_seed(0)
    maps = functional.interpolate(torch.randint(0, 2, (40, 1, 4, 4), generator=rng).float(), size=(32, 32))[:, 0].byte()
    x = functional.interpolate(maps[:, None].float(), size=(128, 128)).expand(-1, 3, -1, -1)
    words = torch.zeros(40, len(VOCABULARY), dtype=torch.long)
    pictures, named, moved = train_reader.displaced(x, words, maps, rng, share=0.5)
    went = (pictures - x).flatten(1).abs().amax(1) > 1e-4
    assert 10 < went.sum() < 30
    assert torch.equal(named[:, list(VOCABULARY).index("height")] == -1, went) and (named >= 0).sum() == named.numel() - went.sum()
    assert (functional.avg_pool2d(pictures[:, :1], 4)[:, 0].round() == moved).float().mean() > 0.97
