"""The whole journey on a tiny random base model of each family, by the same commands: there and back, and what is refused on the way."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save
from typer.testing import CliRunner

from dressform import backbones
from dressform.adapters import files, keys, peft_file
from dressform.adapters.stack import Adapter, AdapterStack
from dressform.backbones import memory
from dressform.cli import app
from dressform.layfigure import samples
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.records import AdapterInfo
from dressform.store import MemoryStore
from dressform.train import optimizer
from dressform.vault import owner
from dressform.workspace import creating, training, workspace
from dressform.workspace.workspace import Workspace
from tests import original_layout, tiny, tiny_flow, tiny_sdxl
from tests.test_backbone_families import HOSTILE

pytestmark = pytest.mark.recipe
FAMILIES = {"tiny": tiny, "tiny_sdxl": tiny_sdxl, "tiny_flow": tiny_flow}
PROMPT, STEPS, GUIDANCE = "red dress, side view", 3, 2.0


@dataclass(frozen=True)
class Journey:
    """A character that was made, given pictures, and trained for two steps on a base model."""

    aoi: Path
    base_model: Path
    said: dict[str, Result]

    @property
    def family(self) -> str:
        return self.base_model.stem


def run(*arguments: str | Path) -> Result:
    """A command's outcome; its errors are raised."""
    done = CliRunner().invoke(app.app, list(map(str, arguments)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def travelled(place: Path, base_model: Path) -> Journey:
    """``new``, ``add``, ``train`` and consent to export."""
    drawn, aoi, said = pictures(place / "pictures"), place / "aoi", {}
    said["new"] = run("new", "aoi", "--age", "24", "--base-model", base_model, "--folder", aoi, "--yes")
    said["neutral"] = run("add", aoi, drawn / "neutral", "--neutral")
    said["dress"] = run("add", aoi, drawn / "dress", "--outfit", "dress")
    said["train"] = run("train", aoi, "--steps", "2", "--rank", "4")
    said["grant"] = run("consent", "grant", aoi, "--permit", "export:outfit,export:identity")
    return Journey(aoi, base_model, said)


@pytest.fixture(scope="module")
def journey(family_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """On a diffusers folder of each family."""
    return travelled(tmp_path_factory.mktemp("journey"), family_folder)


def pictures(folder: Path) -> Path:
    """neutral/ and dress/: three small pictures each, with captions and masks; the first of each is higher than wide."""
    aoi = HELD_OUT_IDENTITIES["aoi"]
    samples.draw(folder / "neutral", aoi, None, 3, seed=0, size=64)
    samples.draw(folder / "dress", aoi, HELD_OUT_DESIGNS["dress-a"], 3, seed=1, size=64)
    for first in folder.rglob("00.png"):
        with Image.open(first) as picture:
            upright = picture.crop((12, 0, 52, 64))
        upright.save(first)
    return folder


def arrived(journey: Journey) -> None:
    said = journey.said
    assert all(done.exit_code == 0 for done in said.values())
    assert "took 3 of 3" in said["neutral"].output and "took 3 of 3" in said["dress"].output
    assert "trained identity, dress" in said["train"].output
    drawn = run("dress", journey.aoi, "side view", "--outfit", "dress", "-n", "2", "--steps", "2")
    assert drawn.exit_code == 0 and len(list((journey.aoi / "looks").glob("*.png"))) == 2


def test_new_add_train_dress(journey: Journey) -> None:
    arrived(journey)
    assert "nothing to do" in run("train", journey.aoi, "--steps", "2", "--rank", "4").output


@pytest.mark.parametrize("family", ["tiny", "tiny_sdxl"])
def test_one_file_goes_the_same_way(family: str, tmp_path: Path) -> None:
    """Where the family is published in one file. What an adapter says of its base model is what the file's hash says."""
    file = original_layout.write(FAMILIES[family].write(tmp_path / family), tmp_path / "model.safetensors")
    journey = travelled(tmp_path, file)
    arrived(journey)
    comes_back(journey, "kohya", tmp_path / "out")


def test_a_plan_speaks_of_memory_before_all_else(journey: Journey) -> None:
    first, *rest = run("plan", journey.aoi, "--steps", "3").stdout.splitlines()
    assert first.startswith("memory: one outfit at 32 x 32 would take about ") and "this machine's memory may be used" in first
    assert any(line.startswith("in all: the identity from 3 pictures, then 1 outfit") for line in rest)


def comes_back(journey: Journey, form: str, out: Path) -> None:
    """Exported, imported as another outfit, the same to the last bit, and worn."""
    made = run("export", journey.aoi, "--outfit", "dress", "--identity", "--format", form, "--to", out)
    names = {Path(line).name for line in made.stdout.split()}
    assert {"aoi.safetensors", "aoi-dress.safetensors"} <= names and made.exit_code == 0
    back = run("import", journey.aoi, out / "aoi-dress.safetensors", "--as", "outfit", "--outfit", f"coat-{form}")
    assert f"took aoi-dress.safetensors as aoi-coat-{form}" in back.output and "left out" not in back.output
    with workspace.opened(journey.aoi) as her:
        grant = her.gate.need("dress", "neutral", "outfit:dress", f"outfit:coat-{form}")
        own, again = her.adapter(grant, "dress"), her.adapter(grant, f"coat-{form}")
        assert (own.layer_names, own.info.rank, own.info.alpha) == (again.layer_names, again.info.rank, again.info.alpha)
        for one, other in zip(own.parameters(), again.parameters(), strict=True):
            assert torch.equal(one, other)
    drawn = run("dress", journey.aoi, "front view", "--outfit", f"coat-{form}", "--steps", "2")
    assert drawn.exit_code == 0 and (journey.aoi / "looks" / f"aoi-coat-{form}-0.png").is_file()


@pytest.mark.parametrize("form", ["kohya", "peft"])
def test_what_was_exported_comes_back_as_it_was(journey: Journey, form: str, tmp_path: Path) -> None:
    comes_back(journey, form, tmp_path)


@pytest.mark.parametrize("form", ["joined", "comfyui", "charx"])
def test_the_other_formats_are_written_for_every_family(journey: Journey, form: str, tmp_path: Path) -> None:
    made = run("export", journey.aoi, "--outfit", "dress", "--format", form, "--to", tmp_path)
    written = [Path(line) for line in made.stdout.split()]
    assert made.exit_code == 0 and written and all(file.is_file() for file in written)
    for file in (f for f in written if f.suffix == ".safetensors"):
        assert len(load_file(file)) > 20


def test_a_stopped_training_goes_on_exactly(journey: Journey, tmp_path: Path) -> None:
    drawn = pictures(tmp_path / "pictures")

    def made(name: str) -> Workspace:
        store = MemoryStore()
        creating.create(tmp_path / name, creating.Asked("aoi", 24, base_model=str(journey.base_model)), store)
        her = Workspace(tmp_path / name, store, owner.load())
        her.add([drawn / "neutral"], None)
        her.add([drawn / "dress"], "dress")
        return her

    def stop(what: str, event: object) -> None:
        if what == "outfits" and event.step == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    whole, stopped = made("whole"), made("stopped")
    training.run(whole, *training.recipes(2, 0, 2))
    with pytest.raises(KeyboardInterrupt):
        training.run(stopped, *training.recipes(2, 0, 2), on_step=stop)
    training.run(stopped, *training.recipes(2, 0, 2))
    for outfit in (None, "dress"):
        assert whole.store.read(whole.adapter_name(outfit)) == stopped.store.read(stopped.adapter_name(outfit))


# other programs ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def base(family_folder: Path) -> Any:
    """The backbone of each family, working in float32."""
    found: Any = backbones.load(family_folder, "cpu")
    found.autocast = lambda: torch.autocast("cpu", enabled=False)
    return found


@pytest.fixture(scope="module")
def strong(base: Any) -> list[Adapter]:
    """An identity and an outfit that do much, with alpha unlike rank."""
    layers, made = base.target_layers("attention"), []
    for i, (name, rank, alpha) in enumerate((("aoi", 4, 2.0), ("aoi-dress", 3, 1.5))):
        info = AdapterInfo("outfit", name, "aoi", rank, alpha, "attention", base.sha256, architecture=base.architecture)
        one = Adapter(info, layers, i)
        for up in one.up:
            up.data.normal_(std=0.3, generator=torch.Generator().manual_seed(up.numel() + i))
        made.append(one)
    return made


def drawn_here(base: Any, adapters: list[Adapter], noise: torch.Tensor) -> torch.Tensor:
    """Latents, with all of these adapters at full strength."""
    text, stack = base.encode_text(["", PROMPT]), AdapterStack(base.target_layers("attention"), adapters)

    def guided(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        empty, asked = base.predict(torch.cat([x, x]), torch.cat([t, t]), text).chunk(2)
        return empty + GUIDANCE * (asked - empty)

    with torch.no_grad(), stack.attached(), stack.active(torch.ones(2, len(adapters))):
        return base.sample(noise, guided, STEPS)


def drawn_there(pipe: Any, noise: torch.Tensor) -> torch.Tensor:
    """Latents that diffusers' pipeline draws from the same noise."""
    flows = "Flow" in type(pipe.scheduler).__name__
    return pipe(
        PROMPT, negative_prompt="", latents=noise.clone(), num_inference_steps=STEPS, height=32, width=32, output_type="latent",
        guidance_scale=GUIDANCE - 1 if flows else GUIDANCE,  # there the scale counts from the prompt, not from the empty text
    ).images  # fmt: skip


def pipeline(folder: Path) -> Any:
    from diffusers import DDIMScheduler, DiffusionPipeline

    more = {"safety_checker": None} if folder.name == "tiny" else {}
    pipe = DiffusionPipeline.from_pretrained(folder, **more)
    pipe.set_progress_bar_config(disable=True)
    if folder.name != "tiny_flow":
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    return pipe


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
@pytest.mark.parametrize("write", [files.to_bytes, peft_file.to_bytes])
def test_diffusers_draws_the_same_picture(
    base: Any, strong: list[Adapter], family_folder: Path, write: Callable[..., bytes], tmp_path: Path
) -> None:
    pipe, noise = pipeline(family_folder), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    bare = drawn_there(pipe, noise)
    for one in strong:
        (tmp_path / f"{one.info.name}.safetensors").write_bytes(write(one, torch.float32))
        pipe.load_lora_weights(str(tmp_path), weight_name=f"{one.info.name}.safetensors", adapter_name=one.info.name.replace("-", "_"))
    pipe.set_adapters([one.info.name.replace("-", "_") for one in strong])
    theirs, ours = drawn_there(pipe, noise), drawn_here(base, strong, noise)
    assert (theirs - bare).norm() > 0.05 * bare.norm(), "the adapters do too little to tell"
    assert (ours - theirs).norm() < 1e-4 * theirs.norm()
    assert (base.decode(ours).int() - base.decode(theirs).int()).abs().max() <= 1


def test_peft_predicts_the_same(base: Any, strong: list[Adapter], family_folder: Path, tmp_path: Path) -> None:
    """The file's own configuration and tensors, by PEFT alone."""
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    noisy, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([30, 800])
    text, other = base.encode_text(["", PROMPT]), backbones.load(family_folder, "cpu")
    other.autocast = base.autocast  # type: ignore[attr-defined]
    stack = AdapterStack(base.target_layers("attention"), strong[1:])
    with torch.no_grad(), stack.attached(), stack.active(torch.ones(2, 1)):
        ours = base.predict(noisy, t, text)
    file, component = tmp_path / "a.safetensors", keys.of(base.architecture).component
    file.write_bytes(peft_file.to_bytes(strong[1], torch.float32))
    with safe_open(file, "pt") as held:
        said = json.loads(held.metadata()["lora_adapter_metadata"])
    config = LoraConfig(**{name.removeprefix(f"{component}."): value for name, value in said.items()})
    inject_adapter_in_model(config, other.denoiser)
    state = {name.removeprefix(f"{component}."): tensor for name, tensor in load_file(file).items()}
    assert not set_peft_model_state_dict(other.denoiser, state).unexpected_keys
    with torch.no_grad():
        theirs = other.predict(noisy, t, text)
        bare = base.predict(noisy, t, text)
    assert (theirs - bare).norm() > 0.05 * bare.norm() and (ours - theirs).norm() < 1e-4 * theirs.norm()


# what is refused --------------------------------------------------------------------------------------------------------
@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line of a command that is refused, as a person sees it."""

    def one_line(*arguments: str | Path) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["dressform", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        out, err = capsys.readouterr()
        assert ended.value.code == 1 and out == ""
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        assert err.splitlines()[-1] == line and "Traceback" not in err and len(line) < 600
        return line

    return one_line


def wrong_shapes(file: Path) -> bytes:
    """The same adapter with one matrix too wide."""
    tensors = load_file(file)
    name = next(n for n in tensors if n.endswith("lora_down.weight"))
    tensors[name] = torch.zeros(len(tensors[name]), 99, *tensors[name].shape[2:])
    with safe_open(file, "pt") as held:
        return save(tensors, held.metadata())


def test_adapters_that_cannot_be_taken_are_one_line(journey: Journey, refused: Callable[..., str], tmp_path: Path) -> None:
    run("export", journey.aoi, "--outfit", "dress", "--to", tmp_path / "out")
    good = tmp_path / "out" / "aoi-dress.safetensors"
    wrongs = {
        "half": (good.read_bytes()[: good.stat().st_size // 2], "half a file|cut off|not whole|bytes"),
        "wide": (wrong_shapes(good), "99"),
        "empty": (HOSTILE["a million empty tensors"], "tensors|header"),
    }
    before = ledger(journey)
    for name, (data, words) in wrongs.items():
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(data)
        line = refused("import", journey.aoi, file, "--as", "outfit", "--outfit", "coat")
        assert any(word in line for word in words.split("|")), line
    assert ledger(journey) == before


def test_an_adapter_for_another_base_model_is_one_line(journey: Journey, refused: Callable[..., str], tmp_path: Path) -> None:
    """One of every other family, made elsewhere: it names its layers, and what it was made for."""
    for name, family in FAMILIES.items():
        if name == journey.family:
            continue
        other: Any = backbones.load(family.write(tmp_path / name), "cpu")
        layers = other.target_layers("attention")
        info = AdapterInfo("outfit", "coat", "coat", 2, 1.0, "attention", other.sha256, architecture=other.architecture)
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(files.to_bytes(Adapter(info, layers)))
        assert "base model" in refused("import", journey.aoi, file, "--as", "outfit", "--outfit", "coat")
        file.write_bytes(save({n: t for n, t in load_file(file).items()}))  # without what it says of itself
        line = refused("import", journey.aoi, file, "--as", "outfit", "--outfit", "coat")
        assert any(words in line for words in ("base model", "layers", "shape")), line


def ledger(journey: Journey) -> bytes:
    return (journey.aoi / "consent.jsonl").read_bytes()


@pytest.mark.parametrize("how", ["half", "a million empty tensors", "wrong shapes"])
def test_base_models_that_cannot_be_used_are_one_line(journey: Journey, refused: Callable[..., str], how: str, tmp_path: Path) -> None:
    """In the denoiser's file. A wrong shape shows when the network is read, at the latest in training."""
    place = tmp_path / "base"
    shutil.copytree(journey.base_model, place)
    file = next(f for part in ("unet", "transformer") for f in (place / part).glob("*.safetensors"))
    if how == "half":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif how == "wrong shapes":
        widened(file)
    else:
        file.write_bytes(HOSTILE["a million empty tensors"])
    new = ("new", "mia", "--age", "24", "--base-model", place, "--folder", tmp_path / "mia", "--yes")
    if how != "wrong shapes":
        assert str(file.name) in refused(*new) and not (tmp_path / "mia").exists()
        return
    run(*new)
    run("add", tmp_path / "mia", pictures(tmp_path / "pictures") / "neutral", "--neutral")
    assert "cannot be read" in refused("train", tmp_path / "mia", "--steps", "1")


def widened(file: Path) -> None:
    """One matrix of the denoiser is wider than its configuration says."""
    tensors = load_file(file)
    ends = ("attn2.to_q.weight", "layers.0.attention.to_q.weight")
    name = next(n for n in tensors if n.endswith(ends))
    tensors[name] = torch.zeros(len(tensors[name]), 99)
    file.write_bytes(save(tensors, {"format": "pt"}))


def test_an_optimizer_that_is_not_installed_is_one_line(
    journey: Journey, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizer, "find_spec", lambda _name: None)
    assert "bitsandbytes is not installed" in refused("train", journey.aoi, "--optimizer", "adamw8bit")
    assert "offload without recompute" in refused("train", journey.aoi, "--offload")


def test_a_training_that_cannot_fit_is_one_line(journey: Journey, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ALLOWANCE", 50 << 30)
    monkeypatch.setattr(memory, "estimate", huge(memory.estimate))
    line = refused("train", journey.aoi, "--steps", "4", "--rank", "5", "--memory", "1")
    assert "one picture at a time needs about" in line and "this machine's memory" in line and "--recompute" in line


def huge(estimate: Callable[..., memory.Estimate]) -> Callable[..., memory.Estimate]:
    """The account, as if 100 GiB were kept for a backward pass that computes nothing again."""

    def told(sketch: Any, asked: memory.Training, settings: memory.Settings) -> memory.Estimate:
        found = estimate(sketch, asked, settings)
        return replace(found, kept=found.kept if settings.checkpoint_gradients else 100 << 30, allowance=0)

    return told


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Sketches are of one journey alone."""
    from dressform.workspace import fitting

    fitting._sketch.cache_clear()
    yield
