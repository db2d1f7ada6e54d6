"""What every base model must do, whichever family it is of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from dressform import backbones
from dressform.adapters.stack import Adapter, AdapterStack
from dressform.backbones import families, folder
from dressform.backbones.conditioning import alike
from dressform.backbones.families import FAMILIES
from dressform.backbones.precision import Placement
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.errors import BadInput
from dressform.records import AdapterInfo
from dressform.train.config import TrainConfig
from dressform.train.data import encode
from dressform.train.loop import Job, train
from dressform.train.objectives.plain import plain

SRC = Path(backbones.__file__).parents[1]
KEY_MAPS = {"keys.py", "files.py", "peft_file.py", "comfyui.py"}
"""What other programs call things, and how they are told to load them."""
TALL = (2, 4, 12, 8)  # latents of a portrait format


def filled(base, targets: str, seed: int = 1) -> Adapter:
    """An adapter that changes something."""
    info = AdapterInfo("outfit", "o", "o", 2, 1.0, targets, base.sha256)
    adapter = Adapter(info, base.target_layers(targets), seed)
    for up in adapter.up:
        up.data.normal_(generator=torch.Generator().manual_seed(seed)).mul_(0.1)
    return adapter


def given(base, shape: tuple[int, ...] = TALL, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy latents, times and conditioning."""
    noisy = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return noisy, torch.tensor([20, 900]), base.encode_text(["red dress", "side view, blue coat, standing, white background"])


def test_predictions_have_the_latents_shape_in_any_format(family) -> None:
    for shape in (TALL, (2, 4, 8, 8), (2, 4, 4, 16)):
        with torch.no_grad():
            out = family.predict(*given(family, shape))
        assert out.shape == shape and out.dtype == torch.float32 and out.isfinite().all()


def test_a_rows_prediction_does_not_depend_on_the_rows_beside_it(family) -> None:
    noisy, t, text = given(family)
    with torch.no_grad():
        together = family.predict(noisy, t, text)
        alone = torch.cat([family.predict(noisy[i : i + 1], t[i : i + 1], text[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_words_times_and_pictures_all_count(family) -> None:
    noisy, t, text = given(family)
    with torch.no_grad():
        first = family.predict(noisy, t, text)
        others = family.predict(noisy, t, text.flip(0)), family.predict(noisy, t.flip(0), text), family.predict(noisy + 0.1, t, text)
    assert all((first - other).abs().max() > 1e-6 for other in others)


def test_conditioning_is_one_shape_for_short_texts_and_may_be_stacked_one_by_one(family) -> None:
    texts = ["", "red dress, side view"]
    together = family.encode_text(texts)
    assert together.shape == (2, *family.asking.shape) and together.dtype == torch.float32
    torch.testing.assert_close(torch.cat([family.encode_text([text]) for text in texts]), together, rtol=1e-4, atol=1e-5)
    texts.append("red, " * 400)
    torch.testing.assert_close(
        torch.cat(alike([family.encode_text([text]) for text in texts])), family.encode_text(texts), rtol=1e-4, atol=1e-5
    )


def test_a_base_model_that_was_read_while_drawing_can_be_trained_through(family_folder: Path) -> None:
    base = backbones.load(family_folder, "cpu")
    draw(base, AdapterStack({}, []), [Row("red dress", 0, ())], SampleConfig(steps=1))
    assert not any(p.is_inference() for part in (base.denoiser, *(one() for one in base.encoders)) for p in part.parameters())
    noisy, t, text = given(base)
    base.predict(noisy.requires_grad_(), t, text).sum().backward()
    assert noisy.grad is not None and noisy.grad.abs().max() > 0


def test_pictures_go_to_latents_and_back(family) -> None:
    pictures = torch.randint(0, 255, (2, 3, 48, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    latents = family.encode_pictures(pictures)
    assert latents.shape == (2, family.latent_channels, 48 // family.cell_px, 32 // family.cell_px)
    back = family.decode(latents)
    assert back.shape == pictures.shape and back.dtype == torch.uint8 and back.device.type == "cpu"


def test_the_target_takes_the_noise_away_again(family) -> None:
    """From x_t and the target, the latents and the noise follow: so both speak of the same process."""
    latents, noise = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    t = torch.tensor([0, 500, 990])
    noisy, target = family.add_noise(latents, noise, t), family.target(latents, noise, t)
    one, zero = torch.ones_like(latents), torch.zeros_like(latents)
    a, s = family.add_noise(one, zero, t), family.add_noise(zero, one, t)
    torch.testing.assert_close(noisy, a * latents + s * noise)
    to_target = family.target(one, zero, t), family.target(zero, one, t)
    torch.testing.assert_close(target, to_target[0] * latents + to_target[1] * noise)
    determinant = a * to_target[1] - s * to_target[0]
    assert (determinant.abs() > 1e-3).all()
    torch.testing.assert_close((to_target[1] * noisy - s * target) / determinant, latents, rtol=1e-3, atol=1e-3)


def test_sampling_finds_the_latents_that_a_true_denoiser_knows(family) -> None:
    latents = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(1)).clamp(-2, 2)
    noise = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(2))

    def truth(noisy: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        one, zero = torch.ones_like(latents), torch.zeros_like(latents)
        whole = t.round().long()
        a, s = family.add_noise(one, zero, whole), family.add_noise(zero, one, whole)
        return family.target(latents, (noisy - a * latents) / s, whole)

    found = family.sample(noise, truth, 25)
    torch.testing.assert_close(found, latents, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_attach_and_detach_restore_predictions_exactly(family, targets: str) -> None:
    with torch.no_grad():
        before = family.predict(*given(family))
        with AdapterStack(family.target_layers(targets), [filled(family, targets)]).attached() as stack:
            with stack.active(torch.tensor([[1.0], [0.0]])):
                worn = family.predict(*given(family))
            closed = family.predict(*given(family))
        after = family.predict(*given(family))
    assert torch.equal(before, after) and torch.equal(before, closed)
    assert (worn[0] - before[0]).abs().max() > 1e-6
    torch.testing.assert_close(worn[1], before[1])


def test_all_targets_hold_the_attention_and_more(family) -> None:
    attention, every = family.target_layers("attention"), family.target_layers("all")
    assert 0 < len(attention) < len(every) and attention.keys() < every.keys()


def test_layers_of_any_other_word_are_refused(family) -> None:
    with pytest.raises(BadInput, match="'auto': use 'attention' or 'all'"):
        family.target_layers("auto")


def test_known_words_and_new_ones(family) -> None:
    assert family.knows_word("swimsuit") and not family.knows_word("zxqvj")


def test_the_same_weights_are_the_same_base_model(family, family_folder: Path) -> None:
    assert backbones.load(family_folder).sha256 == family.sha256 and len(family.sha256) == 64


def test_what_was_released_is_read_again(family_folder: Path) -> None:
    base = backbones.load(family_folder, "cpu")
    before = base.encode_text(["red dress"])
    assert base.encoders[0]._network is not None
    base.release_encoders()
    assert all(part._network is None for part in base.encoders)
    assert torch.equal(base.encode_text(["red dress"]), before)


def test_a_denoiser_is_read_only_when_it_is_asked(family_folder: Path) -> None:
    base = backbones.load(family_folder, "cpu")
    base.knows_word("red")
    assert base._parts.denoiser._network is None


def test_recomputed_blocks_give_the_same_gradients(family) -> None:
    """With the choice of adapters over by the time of the backward pass, as in the training loop."""

    def gradients(on: bool) -> list[torch.Tensor]:
        family.checkpoint_gradients(on)
        one, two = filled(family, "all", 1), filled(family, "all", 2)
        with AdapterStack(family.target_layers("all"), [one, two]).attached() as stack:
            with stack.active(torch.tensor([[1.0, 0.0], [0.5, 1.0]])):
                loss = family.predict(*given(family)).square().sum()
            loss.backward()
        family.checkpoint_gradients(False)
        return [g for a in (one, two) if a.values.grad is not None for matrices in a.parts(a.values.grad) for g in matrices if g.any()]

    kept, again = gradients(False), gradients(True)
    assert len(kept) > 50 and any(g.abs().max() > 0 for g in kept)
    for a, b in zip(kept, again, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_tiles_are_used_where_they_are_asked_for(family_folder: Path) -> None:
    base = backbones.load(family_folder, "cpu")
    base.tile(True)
    base.encode_pictures(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    network = base._parts.pictures.part._network
    assert network.use_tiling
    base.tile(False)
    assert not network.use_tiling


def test_a_tile_is_smaller_than_a_picture_and_a_batch_is_taken_in_parts(family_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dressform.backbones import latents

    base, passes = backbones.load(family_folder, "cpu"), []
    base.autocast = lambda: torch.autocast("cpu", enabled=False)  # in bfloat16, rows beside one another show in the third digit
    pictures = torch.randint(0, 255, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    whole = base.encode_pictures(pictures)
    drawn = base.decode(whole)
    network = base._parts.pictures.part()
    network.encoder.register_forward_hook(lambda _m, inputs, _o: passes.append(tuple(inputs[0].shape)))
    monkeypatch.setattr(latents, "_AT_ONCE_PX", 2 * 32 * 32)
    torch.testing.assert_close(base.encode_pictures(pictures), whole, rtol=1e-4, atol=1e-4)
    assert [shape[0] for shape in passes] == [2, 2, 1] and (base.decode(whole).int() - drawn.int()).abs().max() <= 1
    monkeypatch.setattr(latents, "_TILE_PX", 16)
    passes.clear()
    base.tile(True)
    assert base.encode_pictures(pictures).shape == whole.shape and base.decode(whole).shape == drawn.shape
    assert max(shape[-1] for shape in passes) == 16 < 32


def test_half_precision_weights_predict_nearly_the_same(family_folder: Path, family) -> None:
    """As on a GPU: bfloat16 weights under autocast, with an adapter in float32. Here it is imitated."""
    half = backbones._built(
        families.recognise(family_folder), folder.FolderSource(family_folder), Placement(torch.device("cpu"), torch.bfloat16)
    )
    half.autocast = lambda: torch.autocast("cpu", torch.bfloat16)
    with torch.no_grad():
        outputs = []
        for base in (family, half):
            stack = AdapterStack(base.target_layers("attention"), [filled(base, "attention")])
            with stack.attached(), stack.active(torch.ones(2, 1)):
                outputs.append(base.predict(*given(base)))
    assert next(half.denoiser.parameters()).dtype == torch.bfloat16
    assert (outputs[0] - outputs[1]).norm() < 0.05 * outputs[0].norm()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_predicts_the_same_and_trains(family, family_folder: Path) -> None:
    base = backbones.load(family_folder, "cuda")
    noisy, t, text = given(family)
    with torch.no_grad():
        there = base.predict(noisy.cuda(), t.cuda(), base.encode_text(["red dress", "side view, blue coat, standing, white background"]))
        here = family.predict(noisy, t, text)
    assert (there.cpu() - here).norm() < 0.05 * here.norm()
    adapter = filled(base, "all")
    pictures = torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8)
    losses: list[float] = []
    data = encode(base, ("a", "b"), pictures, ["red dress"] * 2, None)
    train(base, [Job(adapter, data)], plain, TrainConfig(steps=2, rank=2, targets="all"), on_step=lambda e: losses.append(e.losses["o"]))
    assert len(losses) == 2 and all(loss == loss for loss in losses)


def test_nothing_outside_the_backbones_and_the_key_maps_knows_a_family() -> None:
    families = re.compile(
        r"sdxl|sd1\b|sd_?xl|stable.?diffusion(?!-v1\b)|z.?image(?!s)|unet|text_encoder|cross_attention|CLIPText(?!Encode)|time_ids|pooled",
        re.IGNORECASE,
    )
    sources = [f for f in SRC.rglob("*.py") if f.relative_to(SRC).parts[0] != "backbones" and f.name not in KEY_MAPS]
    assert len(sources) > 80
    known = [word for family in FAMILIES for word in (family.name, family.module)]
    assert len(known) >= 6 and all(families.search(word) for word in known), "a family that this test does not look for"
    found = [f"{f.relative_to(SRC)}: {line.strip()}" for f in sources for line in f.read_text().splitlines() if families.search(line)]
    assert found == []
