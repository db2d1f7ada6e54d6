"""One file in the original layout: the same predictions as the diffusers folder that it was made from, and never the network."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dressform import backbones
from dressform.backbones import chunks, clip_tokenizer, single_file, sketch, unet
from dressform.backbones.text import plain
from dressform.errors import BadInput
from tests import original_layout, tiny, tiny_sdxl

CONFIGS = {"stable_diffusion": 4, "stable_diffusion_xl": 5}


@pytest.fixture(scope="module", params=[tiny, tiny_sdxl], ids=lambda module: module.__name__)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A diffusers folder and the file made from it."""
    root = tmp_path_factory.mktemp("single")
    folder = request.param.write(root / "folder")
    file = original_layout.write(folder, root / "model.safetensors")
    # a file says nothing of its schedule: it is the shipped one unless its own folder has another
    (root / "model" / "scheduler").mkdir()
    (root / "model" / "scheduler" / "scheduler_config.json").write_bytes((folder / "scheduler" / "scheduler_config.json").read_bytes())
    return folder, file


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries believe that they may fetch, and no socket can be opened."""
    import huggingface_hub.constants

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("reached for the network")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def test_a_file_predicts_what_its_folder_predicts(both: tuple[Path, Path], no_network: None) -> None:
    folder, file = (backbones.load(path, "cpu") for path in both)
    noisy, t = torch.randn(2, 4, 12, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([30, 900])
    texts = ["", "red dress, side view"]
    pictures = torch.randint(0, 255, (1, 3, 32, 48), dtype=torch.uint8)
    with torch.no_grad():
        for one, other in (
            (folder.encode_text(texts), file.encode_text(texts)),
            (folder.predict(noisy, t, folder.encode_text(texts)), file.predict(noisy, t, file.encode_text(texts))),
            (folder.encode_pictures(pictures), file.encode_pictures(pictures)),
            (folder.decode(noisy).float(), file.decode(noisy).float()),
        ):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert (file.architecture, file.size_px, file.cell_px) == (folder.architecture, folder.size_px, folder.cell_px)
    assert folder.target_layers("all").keys() == file.target_layers("all").keys()


def test_a_file_that_lacks_a_tensor_or_has_another_is_refused(both: tuple[Path, Path], tmp_path: Path) -> None:
    tensors = load_file(both[1])
    name = next(n for n in tensors if n.endswith("attn2.to_k.weight"))
    for changed, words in (
        ({n: v for n, v in tensors.items() if n != name}, "lacks 1 tensors such as"),
        ({**tensors, name: torch.zeros(3, 3)}, "unet cannot be read"),
        ({**tensors, name.replace("attn2", "attn3"): tensors[name].clone()}, "has 1 more"),
    ):
        file = tmp_path / "model.safetensors"
        save_file(changed, file)
        if not (tmp_path / "model").exists():
            (tmp_path / "model").symlink_to(both[1].with_suffix(""))
        with pytest.raises(BadInput, match=words) as refused:
            _ = backbones.load(file, "cpu").denoiser
        assert "\n" not in str(refused.value)


def test_half_a_file_is_refused(both: tuple[Path, Path], tmp_path: Path) -> None:
    data = both[1].read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match="fetch it again"):
        backbones.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize(("held", "words"), [({}, "put them there"), ({"tokenizer.json": "{"}, "cannot be read")])
def test_an_own_tokenizer_that_cannot_be_read_is_named(both: tuple[Path, Path], tmp_path: Path, held: dict, words: str) -> None:
    file = tmp_path / "other.safetensors"
    file.symlink_to(both[1])
    (tmp_path / "other").mkdir()
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if (both[1].with_suffix("") / part).is_dir():
            (tmp_path / "other" / part).symlink_to(both[1].with_suffix("") / part)
    (tmp_path / "other" / "tokenizer").mkdir()
    for name, text in held.items():
        (tmp_path / "other" / "tokenizer" / name).write_text(text)
    with pytest.raises(BadInput, match=words):
        backbones.load(file).knows_word("red")


@pytest.mark.parametrize(
    ("more", "metadata", "prediction", "zero"),
    [
        ({}, {}, "epsilon", False),
        ({"v_pred": torch.tensor([])}, {}, "v_prediction", False),
        ({"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}, {}, "v_prediction", True),
        ({}, {"modelspec.prediction_type": "v"}, "v_prediction", False),
    ],
)
def test_a_file_says_what_its_denoiser_predicts(tmp_path: Path, more: dict, metadata: dict, prediction: str, zero: bool) -> None:
    file = original_layout.write(tiny_sdxl.write(tmp_path / "folder"), tmp_path / "model.safetensors", more, metadata)
    schedule = backbones.load(file).schedule  # type: ignore[attr-defined]
    assert schedule.prediction == prediction and (schedule.snr(torch.tensor([999])).item() == 0) == zero


def test_a_file_with_another_kind_of_schedule_is_refused(tmp_path: Path) -> None:
    more = {"edm_mean": torch.zeros(4), "edm_std": torch.ones(4)}
    file = original_layout.write(tiny_sdxl.write(tmp_path / "folder"), tmp_path / "model.safetensors", more)
    with pytest.raises(BadInput, match="'edm'"):
        backbones.load(file)


def meta(family: str, part: str, kind: object) -> torch.nn.Module:
    with torch.device("meta"):
        return sketch.built(kind, json.loads((single_file.shipped() / family / part / "config.json").read_text()))


def test_the_full_size_has_the_layers_that_other_programs_know() -> None:
    """192 and 722 in the denoisers, 72 and 192 in the text encoders (FORMATS: kohya's counts)."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    def attended(family: str) -> int:
        return sum(name.endswith(unet.ATTENTION_LEAVES) for name, _ in meta(family, "unet", UNet2DConditionModel).named_modules())

    def in_layers(family: str, part: str, kind: object) -> int:
        modules = meta(family, part, kind).named_modules()
        return sum(isinstance(m, torch.nn.Linear) and "encoder.layers." in name for name, m in modules)

    assert attended("stable_diffusion") == 192 and in_layers("stable_diffusion", "text_encoder", CLIPTextModel) == 72
    assert attended("stable_diffusion_xl") == 722 and in_layers("stable_diffusion_xl", "text_encoder", CLIPTextModel) == 72
    assert in_layers("stable_diffusion_xl", "text_encoder_2", CLIPTextModelWithProjection) == 192


@pytest.mark.parametrize(("family", "millions"), [("stable_diffusion", (860, 84, 123)), ("stable_diffusion_xl", (2567, 84, 123))])
def test_the_full_size_is_that_of_the_published_files(family: str, millions: tuple[int, ...]) -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    parts = (("unet", UNet2DConditionModel), ("vae", AutoencoderKL), ("text_encoder", CLIPTextModel))
    counted = [sum(p.numel() for p in meta(family, part, kind).parameters()) for part, kind in parts]
    assert tuple(round(n / 1e6) for n in counted) == millions


@pytest.mark.parametrize("family", CONFIGS)
def test_every_full_size_tensor_is_found_under_its_original_name(family: str) -> None:
    """The layout as written by the facts, read by the code: the same names and shapes, with no weights at all."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    two = family == "stable_diffusion_xl"
    kinds = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}
    kinds |= {"text_encoder_2": CLIPTextModelWithProjection} if two else {}
    networks = {part: meta(family, part, kind) for part, kind in kinds.items()}
    states = {part: network.state_dict() for part, network in networks.items()}
    written = {
        "unet": original_layout.unet(states["unet"], 2), "vae": original_layout.vae(states["vae"], 4),
        "text_encoder": original_layout.clip(states["text_encoder"], "conditioner.embedders.0.transformer." if two else
                                             "cond_stage_model.transformer."),
    }  # fmt: skip
    if two:
        written["text_encoder_2"] = original_layout.open_clip(states["text_encoder_2"])

    class Held(single_file.SingleFile):
        def __init__(self) -> None: ...

        def _tensors(self, prefixes: tuple[str, ...]) -> dict:
            return {n: v for part in written.values() for n, v in part.items() if n.startswith(prefixes)}

    for part, network in networks.items():
        config = json.loads((single_file.shipped() / family / part / "config.json").read_text())
        found = Held()._renamed(part, network, config)
        assert {n: v.shape for n, v in found.items()} == {n: v.shape for n, v in states[part].items()}, part


def test_the_shipped_vocabulary_is_clips() -> None:
    """Token ids as CLIP's own tokenizer gives them."""
    first = clip_tokenizer.made_from(single_file.shipped() / "clip" / "merges.txt.gz")
    assert len(first) == 49408
    assert first("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert first(["hello"], padding="max_length").input_ids[0][1:4] == [3306, 49407, 49407]
    second = clip_tokenizer.made_from(single_file.shipped() / "clip" / "merges.txt.gz", "!")
    assert second(["hello"], padding="max_length").input_ids[0][:5] == [49406, 3306, 49407, 0, 0]
    for text, ids in (("wow!!!", [2781, 995]), ("what?!", [768, 2835]), ("!", [256])):
        for tokenizer in (first, second):  # diffusers issue 4153: what is padded with is a word like any other
            assert chunks.read(tokenizer, [plain(text)]).ids[0, 1 : len(ids) + 2].tolist() == [*ids, 49407]
    for word in ("アオイ", "zxqvj", "mira_dress"):
        ids = first(word, add_special_tokens=False).input_ids
        assert len(ids) > 1 and first.decode(ids).replace(" ", "") == word


def test_every_configuration_is_shipped() -> None:
    for family, count in CONFIGS.items():
        assert len(list((single_file.shipped() / family).glob("*/*.json"))) == count
    assert (single_file.shipped() / "clip" / "LICENSE").is_file()


def test_the_oldest_spelling_of_a_text_encoder_is_read(both: tuple[Path, Path], tmp_path: Path) -> None:
    """Files of Stable Diffusion 1.x from before transformers 4.24 lack a level in their text encoder's names."""
    old = {n.replace("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."): t for n, t in load_file(both[1]).items()}
    if old.keys() == load_file(both[1]).keys():
        pytest.skip("a base model with two text encoders")
    save_file(old, tmp_path / "model.safetensors")
    (tmp_path / "model").symlink_to(both[1].with_suffix(""))
    torch.testing.assert_close(*(backbones.load(f, "cpu").encode_text(["red dress"]) for f in (both[1], tmp_path / "model.safetensors")))


def test_a_file_without_its_autoencoder_is_refused_at_once(both: tuple[Path, Path], tmp_path: Path) -> None:
    save_file({n: t for n, t in load_file(both[1]).items() if not n.startswith("first_stage_model.")}, tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="without its autoencoder"):
        backbones.load(tmp_path / "model.safetensors", "cpu")


def test_what_is_longer_than_the_text_encoder_reads_is_counted(both: tuple[Path, Path]) -> None:
    base = backbones.load(both[1], "cpu")
    assert base.unread(plain("dress dress dress")) == 0 == base.unread(plain(""))
    text = ", ".join(["red dress"] * 100)
    assert 0 < base.unread(plain(text)) < base.asking.tokens(text)
    assert torch.equal(base.encode_text([text]), base.encode_text([text + ", swimsuit"])), "the end is not read"
