"""The embedded base model, with no code of ours, and the reader."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from dressform.backbones.embedded import embedded_folder

pytestmark = [
    pytest.mark.recipe,
    pytest.mark.skipif(not (embedded_folder() / "model_index.json").is_file(), reason="the embedded model is not trained yet"),
]


def test_stable_diffusion_pipeline_loads_and_draws() -> None:
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(embedded_folder(), safety_checker=None, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    side = pipe.unet.config.sample_size * pipe.vae_scale_factor
    drawn = pipe("tan skin, front view", num_inference_steps=2, height=side, width=side, output_type="np").images
    assert drawn.shape == (1, 128, 128, 3) and np.isfinite(drawn).all()


def test_it_weighs_at_most_40_mb() -> None:
    files = list(embedded_folder().rglob("*.safetensors"))
    assert len(files) == 3 and sum(f.stat().st_size for f in files) <= 40_000_000


@pytest.mark.skipif(not (embedded_folder().parent / "reader").is_dir(), reason="the reader is not trained yet")
def test_the_reader_reads_held_out_dolls_it_never_saw() -> None:
    from dressform.layfigure.doll import attributes
    from dressform.layfigure.render import render
    from dressform.layfigure.visible import visible
    from dressform.layfigure.world import held_out_doll
    from dressform.measure import reader

    rng = random.Random(123)
    dolls = [held_out_doll(rng) for _ in range(64)]
    drawn = [render(d) for d in dolls]
    found = reader.load().read(torch.from_numpy(np.stack([r.picture for r in drawn])).permute(0, 3, 1, 2))
    right = [
        reading.words.get(name) == attributes(doll)[name]
        for doll, shown, reading in zip(dolls, drawn, found, strict=True)
        for name in visible(doll, shown)
    ]
    assert len(right) > 700 and np.mean(right) > 0.95


@pytest.mark.skipif(not (embedded_folder().parent / "reader").is_dir(), reason="the reader is not trained yet")
def test_figures_of_a_sheet_are_read_at_any_size() -> None:
    """Nadia's head is small: at the usual height of a cut figure her short hair lies where others have a bun."""
    from benchmarks.pictures.making_sheets import turnaround
    from dressform.layfigure.world import HELD_OUT_IDENTITIES
    from dressform.measure import reader
    from dressform.measure.likeness import shown
    from dressform.pictures import intake, sheets
    from dressform.pictures.intake import Decoded

    names = ("skin", "hair_colour", "hair_style", "ears")
    for who in ("nadia", "petra"):
        sheet = turnaround(HELD_OUT_IDENTITIES[who], None, 40)
        figures = [intake.fitted(p.pixels, 128) for p in sheets.pictures(Decoded(sheet.pixels, None, ""), sheets.Cutting(), 96)]
        found = reader.load().read(torch.from_numpy(np.stack(figures)).permute(0, 3, 1, 2), reader.ANY_SIZE)
        assert shown(found, names) == {name: getattr(HELD_OUT_IDENTITIES[who], name) for name in names}


def test_any_new_trigger_word_has_tokens_and_vocabulary_words_are_known() -> None:
    from dressform import backbones

    base = backbones.load("layfigure")
    for word in ("aoi", "zxqvj", "アオイ", "mia_dress7"):
        ids = base.asking.tokenizer(word, add_special_tokens=False).input_ids
        assert ids and base.asking.tokenizer.unk_token_id not in ids and not base.knows_word(word)
    assert base.knows_word("red") and base.knows_word("swimsuit")
