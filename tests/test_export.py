"""Adapters for other programs: they do there what they do here, they tell nothing private, and they leave by consent alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from dressform.adapters import comfyui, files, peft_file
from dressform.adapters.joined import joined
from dressform.adapters.stack import Adapter, AdapterStack
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
    assert one.info.rank == 7 and one.info.scaling == 1.0
    torch.testing.assert_close(ours(tiny_backbone, [one]), ours(tiny_backbone, [who, worn]), atol=1e-5, rtol=1e-5)


def test_a_workflow_links_every_node_to_one_that_is_there() -> None:
    nodes = json.loads(
        comfyui.workflow("base.safetensors", [("aoi.safetensors", 1.0), ("aoi-dress.safetensors", 0.8)], "aoi", "", 512, "aoi")
    )
    links = [v for node in nodes.values() for v in node["inputs"].values() if isinstance(v, list)]
    assert all(str(a) in nodes and type(b) is int for a, b in links)
    put_on = [n["inputs"] for n in nodes.values() if n["class_type"] == "LoraLoader"]
    assert [(n["lora_name"], n["strength_model"]) for n in put_on] == [("aoi.safetensors", 1.0), ("aoi-dress.safetensors", 0.8)]
    sampler = next(n for n in nodes.values() if n["class_type"] == "KSampler")
    assert nodes[sampler["inputs"]["model"][0]]["inputs"]["lora_name"] == "aoi-dress.safetensors"


@pytest.mark.recipe
def test_what_leaves_is_agreed_written_down_and_says_nothing_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.trust import running
    from dressform.workspace import consenting, exporting, training, workspace

    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "keys"))
    running.make(tmp_path)
    out = tmp_path / "out"
    with workspace.opened(tmp_path / "aoi") as her:
        training.run(her, *training.recipes(2, 0, 1))
        for identity, form in ((False, "kohya"), (True, "peft"), (False, "joined"), (False, "comfyui")):
            with pytest.raises(Refused, match="export:outfit"):
                exporting.export(her, ["dress"], form, out, identity)  # type: ignore[arg-type]
        consenting.grant(her, ("export:outfit",), (), None, "en")
        with pytest.raises(Refused, match="export:identity"):
            exporting.export(her, ["dress"], "joined", out)
        with pytest.raises(BadInput, match="--outfit"):
            exporting.export(her, [], "kohya", out)
        assert not out.exists()
        made = exporting.export(her, ["dress"], "kohya", out)
        assert [f.name for f in made] == ["aoi-dress.safetensors", "aoi-dress.json"]
        assert exporting.export(her, ["dress"], "kohya", out) == made
        uses = [e.body for e in her.gate.ledger.entries() if e.kind == "use" and e.body["action"] == "export:outfit"]
        assert len(uses) == 4 and uses[0]["inputs"] == [her.adapter_sha256("dress")]
        made[1].write_text("{}")
        with pytest.raises(BadInput, match="there already"):
            exporting.export(her, ["dress"], "kohya", out)
        consenting.grant(her, ("export:identity",), (), None, "en")
        assert {f.name for f in exporting.export(her, ["dress"], "comfyui", tmp_path / "all")} == {
            "aoi.safetensors", "aoi-dress.safetensors", "aoi-dress.workflow.json",
        }  # fmt: skip
        assert exporting.export(her, ["dress"], "joined", tmp_path / "all")[0].name == "aoi-dress-joined.safetensors"
        captions = {p.caption for p in her.pictures(every=True)}
    with safe_open(tmp_path / "all" / "aoi-dress-joined.safetensors", "pt") as opened:
        said = " ".join([*opened.metadata(), *opened.metadata().values()])
    assert not any(caption in said for caption in captions) and str(tmp_path) not in said


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

    with pytest.raises(BadInput, match="kohya, peft, joined, comfyui"):
        exporting.form_of("zip")
