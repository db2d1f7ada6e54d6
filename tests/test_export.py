"""Adapters for other programs: they do there what they do here, they tell nothing private, and they leave by consent alone."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from dressform.adapters import comfyui, files, header, peft_file
from dressform.adapters.joined import joined
from dressform.adapters.stack import Adapter, AdapterStack
from dressform.consent import cards
from dressform.errors import BadInput, Refused
from dressform.records import AdapterInfo

INFO = AdapterInfo("outfit", "aoi-dress", "aoi_dress", rank=3, alpha=1.5, targets="all", base_model_sha256="b" * 64)


def filled(backbone, info: AdapterInfo, seed: int) -> Adapter:
    adapter = Adapter(info, backbone.target_layers(info.targets), seed)
    generator = torch.Generator().manual_seed(seed)
    for up in adapter.up:
        up.data.normal_(std=0.3, generator=generator)
    return adapter


def ours(backbone, adapters: list[Adapter]) -> torch.Tensor:
    """What the denoiser says with these adapters at full strength, float32."""
    stack = AdapterStack(backbone.target_layers("all"), adapters)
    with torch.no_grad(), stack.attached(), stack.active(torch.ones(2, len(adapters))):
        return backbone.denoiser(*asked(backbone)).sample


def asked(backbone) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(5)
    t = torch.tensor([10, 700])
    return torch.randn(2, 4, 8, 8, generator=generator), t, backbone.encode_text(["aoi, front view", "aoi_dress"])


@pytest.mark.recipe
@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
@pytest.mark.parametrize("write", [files.to_bytes, peft_file.to_bytes])
def test_diffusers_draws_the_same_with_what_is_exported(write, tmp_path: Path, tiny_base: Path, tiny_backbone) -> None:
    from diffusers import StableDiffusionPipeline

    who, worn = filled(tiny_backbone, replace(INFO, rank=4, alpha=4.0), 1), filled(tiny_backbone, INFO, 2)
    pipe = StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)
    for name, adapter in (("who", who), ("worn", worn)):
        (tmp_path / f"{name}.safetensors").write_bytes(write(adapter, torch.float32))
        pipe.load_lora_weights(str(tmp_path), weight_name=f"{name}.safetensors", adapter_name=name)
    pipe.set_adapters(["who", "worn"])
    with torch.no_grad():
        theirs = pipe.unet(*asked(tiny_backbone)).sample
    torch.testing.assert_close(theirs, ours(tiny_backbone, [who, worn]), atol=1e-4, rtol=1e-4)


@pytest.mark.recipe
def test_two_adapters_in_one_file_do_what_they_do_together(tiny_backbone) -> None:
    who, worn = filled(tiny_backbone, replace(INFO, rank=4, alpha=8.0), 1), filled(tiny_backbone, INFO, 2)
    one = joined("aoi-dress-joined", "aoi, aoi_dress", tiny_backbone.target_layers("all"), [who, worn], [1.0, 1.0])
    assert one.info.rank == 7 and one.info.scaling == 2.0
    torch.testing.assert_close(ours(tiny_backbone, [one]), ours(tiny_backbone, [who, worn]), atol=1e-5, rtol=1e-5)


@pytest.mark.recipe
def test_a_joined_file_loses_no_digits_where_alpha_is_far_below_rank(tiny_backbone) -> None:
    layers, faint = tiny_backbone.target_layers("all"), replace(INFO, rank=64, alpha=0.002, origin_sha256="c" * 64)
    who, worn = filled(tiny_backbone, replace(faint, alpha=0.001), 1), filled(tiny_backbone, faint, 2)
    one = joined("aoi-dress-joined", "aoi, aoi_dress", layers, [who, worn], [1.0, 1.0])
    assert not one.info.origin_sha256
    one.info = replace(one.info, kind="outfit", trigger="aoi_dress")
    again = files.from_bytes(files.to_bytes(one), layers, INFO.base_model_sha256)
    for (_, down, up), *both in zip(again.matrices(), who.matrices(), worn.matrices(), strict=True):
        wanted = sum(a.info.scaling * b @ d.flatten(1) for a, (_, d, b) in zip((who, worn), both, strict=True))
        torch.testing.assert_close(again.info.scaling * up @ down.flatten(1), wanted, rtol=1e-2, atol=2e-3 * wanted.abs().max().item())


@pytest.mark.parametrize(("predicts_v", "zero_snr"), [(False, False), (True, False), (True, True)])
def test_a_workflow_says_what_a_denoiser_predicts(predicts_v: bool, zero_snr: bool) -> None:
    asked = comfyui.Asked("aoi", "", 512, 7.5, "aoi", 1.0, predicts_v, zero_snr)
    nodes = json.loads(comfyui.workflow("stable-diffusion-v1", "base.safetensors", WORN, asked))
    over = nodes[next(n["inputs"]["model"] for n in nodes.values() if n["class_type"] == "KSampler")[0]]
    if predicts_v:
        assert over["class_type"] == "ModelSamplingDiscrete"
        assert (over["inputs"]["sampling"], over["inputs"]["zsnr"]) == ("v_prediction", zero_snr)
        over = nodes[over["inputs"]["model"][0]]
    assert over["class_type"] == "LoraLoader"


WORN = [("aoi.safetensors", 1.0), ("aoi-dress.safetensors", 0.8)]


@pytest.mark.parametrize(
    ("architecture", "loaders", "lora"),
    [
        ("stable-diffusion-v1", ["CheckpointLoaderSimple"], "LoraLoader"),
        ("stable-diffusion-xl-v1-base", ["CheckpointLoaderSimple"], "LoraLoader"),
        ("z-image", ["UNETLoader", "CLIPLoader", "VAELoader"], "LoraLoaderModelOnly"),  # it is published in three files
    ],
)
def test_a_workflow_links_every_node_to_one_that_is_there(architecture: str, loaders: list[str], lora: str) -> None:
    asked = comfyui.Asked("aoi", "", 512, 7.5, "aoi", shift=6.0)
    nodes = json.loads(comfyui.workflow(architecture, "base.safetensors", WORN, asked))
    links = [v for node in nodes.values() for v in node["inputs"].values() if isinstance(v, list)]
    assert all(str(a) in nodes and type(b) is int for a, b in links)
    assert {n for n, node in nodes.items() if node["class_type"] != "SaveImage"} == {a for a, _ in links}, "none is left unused"
    assert [
        n["class_type"] for n in nodes.values() if n["class_type"].endswith(("Loader", "LoaderSimple")) and "Lora" not in n["class_type"]
    ] == loaders
    put_on = [n["inputs"] for n in nodes.values() if n["class_type"] == lora]
    assert [(n["lora_name"], n["strength_model"]) for n in put_on] == WORN
    sampler = next(n for n in nodes.values() if n["class_type"] == "KSampler")
    over = nodes[sampler["inputs"]["model"][0]]
    assert over["inputs"].get("shift", 6.0) == 6.0
    while "lora_name" not in over["inputs"]:
        over = nodes[over["inputs"]["model"][0]]
    assert over["inputs"]["lora_name"] == "aoi-dress.safetensors", "the last that was put on"


@pytest.mark.recipe
def test_what_leaves_is_agreed_written_down_and_says_nothing_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.trust import running
    from dressform.consent.profile import Profile, boundary
    from dressform.workspace import consenting, exporting, profiling, training, workspace
    from dressform.workspace.exporting import Wanted

    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "keys"))
    running.make(tmp_path)
    out = tmp_path / "out"
    about, notes = "a calm painter by the sea", "ask the owner of the grey cat"
    with workspace.opened(tmp_path / "aoi") as her:
        training.run(her, *training.recipes(2, 0, 1))
        profiling.keep(her, Profile("Aoi", about, notes, (boundary("Never in armour"),)), "en")
        for identity, form in ((False, "kohya"), (True, "peft"), (False, "joined"), (False, "comfyui"), (False, "charx")):
            with pytest.raises(Refused, match="export:"):
                exporting.export(her, Wanted(("dress",), form, identity), out)  # type: ignore[arg-type]
        consenting.grant(her, ("export:outfit",), (), None, "en")
        for form in ("joined", "charx"):
            with pytest.raises(Refused, match="export:identity"):
                exporting.export(her, Wanted(("dress",), form), out)
        for form in ("joined", "comfyui"):
            with pytest.raises(BadInput, match="name one with --outfit"):
                exporting.export(her, Wanted((), form, True), out)
        wrongs = {"--outfit": Wanted(), "--license": Wanted(("dress",), license="a\nb"), "charx": Wanted(("dress",), profile=True)}
        for words, wrong in wrongs.items():
            with pytest.raises(BadInput, match=words):
                exporting.export(her, wrong, out)
        assert not out.exists()
        made = exporting.export(her, Wanted(("dress",)), out)
        assert [f.name for f in made] == ["aoi-dress.safetensors", "aoi-dress.json"]
        assert exporting.export(her, Wanted(("dress",)), out) == made
        uses = [e.body for e in her.gate.ledger.entries() if e.kind == "use" and e.body["action"] == "export:outfit"]
        assert len(uses) == 4 and uses[0]["inputs"] == [her.adapter_sha256("dress")]
        made[1].write_text("{}")
        with pytest.raises(BadInput, match="there already"):
            exporting.export(her, Wanted(("dress",)), out)
        (tmp_path / "other" / "aoi-dress.safetensors").mkdir(parents=True)
        with pytest.raises(BadInput, match="there already"):
            exporting.export(her, Wanted(("dress",)), tmp_path / "other")
        consenting.grant(her, ("export:identity",), (), None, "en")
        every = tmp_path / "all"
        assert {f.name for f in exporting.export(her, Wanted(("dress",), "comfyui", license="CC0-1.0"), every)} == {
            "aoi.safetensors", "aoi-dress.safetensors", "aoi-dress.workflow.json",
        }  # fmt: skip
        assert exporting.export(her, Wanted(("dress",), "joined"), every)[0].name == "aoi-dress-joined.safetensors"
        exporting.export(her, Wanted(("dress",), "peft", True), every / "peft")
        assert [f.name for f in exporting.export(her, Wanted(("dress",), "charx", license="CC0-1.0"), every)] == ["aoi.charx"]
        shown = exporting.export(her, Wanted(("dress",), "charx", profile=True), every / "shown")
        captions = {p.caption for p in her.pictures(every=True)}
        sources = {p.source for p in her.pictures(every=True)}
    private = [*captions, *sources, str(tmp_path), tmp_path.name, "neutral", about, notes, "armour", time.strftime("%Y-%m-%d")]
    left = [f for f in every.rglob("*") if f.is_file() and "shown" not in f.parts]
    assert len(left) == 8 and len(captions) > 3
    assert [(f.name, word) for f in left for word in private if word.encode() in tensors_apart(f)] == []
    assert metadata(every / "aoi-dress.safetensors")["modelspec.license"] == "CC0-1.0"
    a_character_in_one_file(every / "aoi.charx", shown[0], about, notes)


def tensors_apart(file: Path) -> bytes:
    """What a file says in words: tensors may be any bytes, by chance those of a short word."""
    data = file.read_bytes()
    if file.suffix == ".safetensors":
        return data[: 8 + int.from_bytes(data[:8], "little")]
    if file.suffix == ".charx":
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            first, *adapters = (archive.read(n) for n in names)
        return b" ".join([*(n.encode() for n in names), first, *(d[: 8 + int.from_bytes(d[:8], "little")] for d in adapters)])
    return data


def metadata(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as opened:
        return opened.metadata()


def a_character_in_one_file(bare: Path, shown: Path, about: str, notes: str) -> None:
    with zipfile.ZipFile(bare) as archive:
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        card = json.loads(archive.read("card.json"))
        assert (card["spec"], card["spec_version"], card["data"]["name"]) == ("chara_card_v3", "3.0", "aoi")
        assets = card["data"]["assets"]
        assert {a["name"] for a in assets} == {"aoi", "aoi-dress"}
        for asset in assets:
            assert asset["type"] == "x_lora" and asset["uri"].startswith("embeded://assets/x_lora/ai/")
            assert archive.read(asset["uri"].removeprefix("embeded://")) == (bare.parent / f"{asset['name']}.safetensors").read_bytes()
    with zipfile.ZipFile(shown) as archive:
        read = cards.from_bytes(archive.read("card.json"))
    assert (read.name, read.about, [str(b) for b in read.boundaries]) == ("Aoi", about, ["Never in armour"]) and notes not in read.notes


def test_a_file_says_what_programs_look_for(tiny_backbone) -> None:
    from dressform.adapters.metadata import Card

    data = files.to_bytes(filled(tiny_backbone, INFO, 1), card=Card(128, "epsilon", "CC0-1.0", ("aoi",)))
    said = header.read(data).metadata
    digest = hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    assert {k: v for k, v in said.items() if not k.startswith("dressform.")} == {
        "ss_base_model_version": "dressform_layfigure_v1", "ss_output_name": "aoi-dress", "ss_network_module": "networks.lora",
        "ss_network_dim": "3", "ss_network_alpha": "1.5", "sshs_model_hash": digest, "modelspec.hash_sha256": f"0x{digest}",
        "modelspec.sai_model_spec": "1.0.1", "modelspec.architecture": "dressform-layfigure-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": "aoi-dress", "modelspec.trigger_phrase": "aoi_dress", "modelspec.resolution": "128x128",
        "modelspec.license": "CC0-1.0", "modelspec.usage_hint": "strength 1; begin the prompt with: aoi_dress",
        "modelspec.tags": "clothing",
        "modelspec.merged_from": "aoi", "modelspec.prediction_type": "epsilon",
    }  # fmt: skip
    for architecture, version, v2 in (("v1", "sd_v1", None), ("v2-512", "sd_v2", "True"), ("v2-768-v", "sd_v2_v", "True")):
        info = replace(INFO, architecture=f"stable-diffusion-{architecture}")
        said = header.read(files.to_bytes(filled(tiny_backbone, info, 1))).metadata
        assert (said["ss_base_model_version"], said.get("ss_v2")) == (version, v2)


class _Target:
    """A base model that has a target and nothing else."""

    def __init__(self, of_noise: float, of_latents: float) -> None:
        self.of_noise, self.of_latents = of_noise, of_latents
        self.device = torch.device("cpu")

    def target(self, latents: torch.Tensor, noise: torch.Tensor, _t: torch.Tensor) -> torch.Tensor:
        return self.of_noise * noise + self.of_latents * latents


@pytest.mark.parametrize(("of_noise", "of_latents", "word"), [(1, 0, "epsilon"), (0.6, -0.8, "v"), (1, -1, ""), (0, 1, "")])
def test_what_a_base_model_predicts_is_asked_of_its_target(of_noise: float, of_latents: float, word: str) -> None:
    from dressform.workspace.labelling import prediction

    assert prediction(_Target(of_noise, of_latents)) == word  # type: ignore[arg-type]


def test_the_tiny_base_model_predicts_what_its_scheduler_says(tiny_base: Path, tiny_backbone) -> None:
    from dressform.workspace.labelling import prediction

    said = json.loads((tiny_base / "scheduler" / "scheduler_config.json").read_text())["prediction_type"]
    assert prediction(tiny_backbone) == {"epsilon": "epsilon", "v_prediction": "v"}[said]


@pytest.mark.recipe
@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_the_example_draws_her_with_diffusers_alone(tmp_path: Path, tiny_base: Path, tiny_backbone) -> None:
    files_of = {"aoi": replace(INFO, kind="identity", name="aoi", trigger="aoi"), "aoi-dress": INFO}
    for i, (name, info) in enumerate(files_of.items()):
        (tmp_path / f"{name}.safetensors").write_bytes(files.to_bytes(filled(tiny_backbone, info, i)))
    command = [sys.executable, "examples/wear_in_diffusers.py", tiny_base, tmp_path / "out.png"]
    done = subprocess.run([*command, *(tmp_path / f"{name}.safetensors" for name in files_of)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (32, 32)
    assert "dressform" not in re.sub(r'"""[\s\S]*?"""', "", Path("examples/wear_in_diffusers.py").read_text(), count=1)


def test_an_unknown_format_is_named() -> None:
    from dressform.workspace import exporting

    with pytest.raises(BadInput, match="kohya, peft, joined, comfyui, charx"):
        exporting.form_of("zip")


@pytest.mark.parametrize(("said", "zero"), [("epsilon", False), ("v_prediction", False), ("v_prediction", True)])
def test_zero_terminal_snr_is_asked_of_the_schedule(said: str, zero: bool) -> None:
    from dressform.backbones.schedule import Diffusion
    from dressform.workspace import labelling

    schedule = Diffusion({"prediction_type": said, "rescale_betas_zero_snr": zero}, torch.device("cpu"))
    schedule.device = torch.device("cpu")  # type: ignore[attr-defined]
    assert labelling.zero_snr(schedule) == zero  # type: ignore[arg-type]


@pytest.mark.parametrize("write", [files.to_bytes, peft_file.to_bytes])
def test_values_that_float16_cannot_hold_never_leave(write, tiny_backbone) -> None:
    one = filled(tiny_backbone, INFO, 1)
    with torch.no_grad():
        one.values.mul_(1e9)
    with pytest.raises(BadInput, match="float16 cannot"):
        write(one)
