"""The embedded model's adapters, exported, draw the same picture with diffusers alone that dressform draws."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from dressform.adapters.stack import AdapterStack
from dressform.backbones import precision
from dressform.backbones.embedded import embedded_folder
from dressform.cli.app import app
from dressform.dress import sampler
from dressform.layfigure import samples
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.train.plan import Cost
from dressform.workspace import planning, training, workspace

PROMPT = "front view, standing, white background"
ALONE = """
import sys
sys.path.insert(0, "examples")
import wear_in_diffusers
wear_in_diffusers.main(*sys.argv[1:])
assert not [name for name in sys.modules if name.partition(".")[0] == "dressform"]
"""


def run(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.stdout


def pixels(file: str | Path) -> np.ndarray:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def learn(aoi: Path) -> None:
    """A few steps that change much, without the pictures and the measured step that a long training begins with."""
    recipes = [replace(one, rows=2, learning_rate=1e-2, warmup_steps=1) for one in training.recipes(8, 0, 3)]
    with pytest.MonkeyPatch.context() as patch, workspace.opened(aoi) as her:
        patch.setattr(training, "preview", lambda *_: None)
        patch.setattr(planning, "measured", lambda *_, **__: Cost(0.0, 1.0, 0.0, 1.0))
        assert training.run(her, *recipes).adapters == ("identity", "dress")


@pytest.mark.recipe
def test_she_wears_her_outfit_in_diffusers_as_she_does_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "half", lambda _device: None)  # the script draws in float32
    aoi, identity = tmp_path / "aoi", HELD_OUT_IDENTITIES["aoi"]
    samples.draw(tmp_path / "neutral", identity, None, 3, seed=0)
    samples.draw(tmp_path / "dress", identity, HELD_OUT_DESIGNS["dress-a"], 3, seed=1)
    run("new", "aoi", "--age", "24", "--folder", aoi, "--yes")
    run("add", aoi, tmp_path / "neutral", "--neutral")
    run("add", aoi, tmp_path / "dress", "--outfit", "dress")
    learn(aoi)
    run("consent", "grant", aoi, "--permit", "export:outfit,export:identity")
    run("export", aoi, "--outfit", "dress", "--identity", "--format", "kohya", "--to", tmp_path)
    ours = run("dress", aoi, PROMPT, "--outfit", "dress", "--seed", "0").strip()

    theirs = tmp_path / "theirs.png"
    adapters = [tmp_path / "aoi.safetensors", tmp_path / "aoi-dress.safetensors"]
    done = subprocess.run([sys.executable, "-c", ALONE, embedded_folder(), theirs, *adapters], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    with workspace.opened(aoi) as her, torch.no_grad():
        bare = AdapterStack(her.backbone.target_layers("all"), [])
        row = sampler.Row(f"aoi, aoi_dress, {PROMPT}", 0, ())
        undressed = sampler.draw(her.backbone, bare, [row], sampler.SampleConfig())[0].permute(1, 2, 0).numpy().astype(int)
    apart, change = np.abs(pixels(ours) - pixels(theirs)), np.abs(pixels(theirs) - undressed)
    assert pixels(theirs).shape == (128, 128, 3)
    assert apart.max() <= 1 and apart.mean() < 1e-3
    assert change.mean() > 5, "the adapters do too little to tell"
