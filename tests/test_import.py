"""An adapter made elsewhere becomes hers: by consent, exactly, with its line in the ledger; and it is worn like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load, save
from torch import nn
from typer.testing import CliRunner

from benchmarks.trust import running
from dressform.adapters import files, header
from dressform.dress.sampler import SampleConfig
from dressform.errors import BadInput, Mismatch, NotReady, Refused, StoreError
from dressform.workspace import consenting, dressing, exporting, finishing, importing, training, workspace
from dressform.workspace.character_file import held
from dressform.workspace.importing import Asked, take
from dressform.workspace.workspace import Workspace
from tests import infotext_reader

pytestmark = pytest.mark.recipe


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A character with pictures on the tiny base model, untrained."""
    place = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRESSFORM_HOME", str(place / "keys"))
        running.make(place)
    return place


@pytest.fixture
def aoi(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    running.copied(drawn, tmp_path)
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "keys"))
    with workspace.opened(tmp_path / "aoi") as her:
        yield her


def made_elsewhere(
    layers: dict[str, nn.Module], rank: int = 3, alpha: float = 1.5, dtype: torch.dtype = torch.float16, **metadata: str
) -> bytes:
    """A kohya file for these layers, with a text encoder's layer beside them."""
    generator, tensors = torch.Generator().manual_seed(rank), {}
    for layer, module in layers.items():
        name, shape = "lora_unet_" + layer.replace(".", "_"), module.weight.shape  # type: ignore[union-attr]
        up = torch.randn(shape[0], rank, generator=generator)  # type: ignore[misc]
        tensors[f"{name}.lora_down.weight"] = torch.randn(rank, *shape[1:], generator=generator)  # type: ignore[misc]
        tensors[f"{name}.lora_up.weight"] = up[:, :, None, None].contiguous() if len(shape) == 4 else up  # type: ignore[arg-type]
        tensors[f"{name}.alpha"] = torch.tensor(alpha)
    text = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    tensors |= {f"{text}.lora_down.weight": torch.ones(2, 16), f"{text}.lora_up.weight": torch.ones(32, 2)}
    return save({n: t.to(dtype) if "alpha" not in n else t for n, t in tensors.items()}, metadata or None)


def given(place: Path, data: bytes, name: str = "coat.safetensors") -> Path:
    (place / name).write_bytes(data)
    return place / name


def adapter_of(her: Workspace, outfit: str | None):
    return her.adapter(dressing.agreed(her, [outfit] if outfit else []), outfit)


def test_an_outfit_from_elsewhere(aoi: Workspace, tmp_path: Path, dolls: Path) -> None:
    layers = aoi.backbone.target_layers("attention")
    some = dict(list(layers.items())[3:])
    said = {"modelspec.trigger_phrase": "green_coat", "ss_sd_model_hash": "6ce0161689", "ss_tag_frequency": '{"10_coat": {"coat": 20}}'}
    file = given(tmp_path, made_elsewhere(some, **said))
    before = len(aoi.gate.ledger.entries())
    with pytest.raises(NotReady, match="identity is not trained"):
        take(aoi, Asked(file, "coat", mu=1.0))
    consenting.narrow(aoi, ("train:outfit",), "en")
    with pytest.raises(Refused, match="train:outfit"):
        take(aoi, Asked(file, "coat"))
    consenting.grant(aoi, ("train:outfit",), (), None, "en")
    assert aoi.character.outfit("coat") is None and len(aoi.gate.ledger.entries()) == before + 2

    taken = take(aoi, Asked(file, "coat"))
    assert (taken.name, taken.ranks, taken.layers, taken.left_out) == ("aoi-coat", (3,), len(some), {"text_encoder": 1})
    assert taken.overlap is None and taken.trigger == "green_coat"
    coat = adapter_of(aoi, "coat")
    assert (coat.info.rank, coat.info.alpha, coat.info.targets) == (3, 1.5, "attention")
    assert (coat.info.origin_sha256, coat.info.origin_base) == (sha256(file.read_bytes()).hexdigest(), "6ce0161689")
    whole = header.read(file.read_bytes()).shapes
    for layer, down, up in coat.matrices():
        assert bool(up.any()) == (layer in some) == ("lora_unet_" + layer.replace(".", "_") + ".alpha" in whole) and down.isfinite().all()
    line = aoi.gate.ledger.entries()[-1].body
    assert (line["action"], line["inputs"], line["outputs"]) == ("train:outfit", [coat.info.origin_sha256], [aoi.adapter_sha256("coat")])
    with workspace.opened(aoi.root) as again:
        assert again.character.outfit("coat").trigger == "green_coat"  # type: ignore[union-attr]

    assert take(aoi, Asked(file, "cape")).trigger == "aoi_cape", "the file's own word calls the coat already"
    with pytest.raises(BadInput, match="green_coat: calls coat already"):
        take(aoi, Asked(file, "hood", trigger="green_coat"))
    assert aoi.character.outfit("hood") is None

    kept = aoi.adapter_sha256("coat")
    aoi.add([dolls / "dress"], "coat")  # pictures to measure it by
    assert training.run(aoi, *training.recipes(2, 0, 1)).adapters == ("identity", "dress") and aoi.adapter_sha256("coat") == kept
    looks = dressing.dress(aoi, dressing.Asked(("coat", "dress"), "side view"), SampleConfig(steps=2))
    assert [look.prompt.split(",")[1] for look in looks] == [" green_coat", " aoi_dress"]
    plain = take(aoi, Asked(file, "coat")).overlap
    soft = take(aoi, Asked(file, "coat", mu=9.0)).overlap
    assert plain and soft and plain[0] == plain[1] == soft[0] and 0 < soft[1] < 0.05 * soft[0]
    assert adapter_of(aoi, "coat").info.identity_sha256 == aoi.adapter_sha256(None)
    aoi.store.delete("adapters/outfit-dress.safetensors")
    from dressform.workspace import measuring

    with pytest.raises(NotReady, match="there are no pictures to measure by"):
        measuring.measure(aoi, 1, 0, SampleConfig(steps=1))


def test_an_identity_from_elsewhere_that_reaches_convolutions(aoi: Workspace, tmp_path: Path) -> None:
    every = aoi.backbone.target_layers("all")
    file = given(tmp_path, made_elsewhere(every, **{"dressform.identity_sha256": "nonsense"}), "her.safetensors")
    taken = take(aoi, Asked(file))
    assert taken.name == taken.trigger == "aoi" and adapter_of(aoi, None).info.targets == "all"
    here = aoi.adapter_sha256(None)
    assert training.run(aoi, *training.recipes(2, 0, 1)).adapters == ("dress",)
    dress = adapter_of(aoi, "dress")
    assert aoi.adapter_sha256(None) == here and dress.info.identity_sha256 == here and dress.info.targets == "all"
    narrow = given(tmp_path, made_elsewhere(aoi.backbone.target_layers("attention")))
    take(aoi, Asked(narrow, "coat", "green_coat"))
    assert dressing.dress(aoi, dressing.Asked(("coat",)), SampleConfig(steps=1))
    consenting.grant(aoi, ("export:identity", "export:outfit"), (), None, "en")
    joined = exporting.export(aoi, exporting.Wanted(("coat",), "joined"), tmp_path / "out")[0]
    said = header.read(joined.read_bytes()).metadata
    assert (said["dressform.targets"], said["ss_network_dim"], said["modelspec.merged_from"]) == ("all", "6", "aoi, aoi-coat")


def test_outfits_are_learned_on_an_identity_from_elsewhere_without_asking_what_learning_her_asks_for(
    aoi: Workspace, tmp_path: Path
) -> None:
    take(aoi, Asked(given(tmp_path, made_elsewhere(aoi.backbone.target_layers("attention")), "her.safetensors")))
    here, recipes = aoi.adapter_sha256(None), training.recipes(2, 0, 1)
    aoi.store.delete_all([n for p in aoi.pictures() for n in aoi.store.list(f"pictures/{p.id}")])
    consenting.narrow(aoi, ("train:identity",), "en")
    found = training.plan(aoi, *recipes)
    assert (found.kept, found.identity, found.pictures_of_her) == (("identity",), None, 0)
    assert training.run(aoi, *recipes).adapters == ("dress",) and aoi.adapter_sha256(None) == here
    with pytest.raises(Refused, match="train:identity"):
        training.run(aoi, *recipes, restart=True)
    assert aoi.imported(None) and training.run(aoi, *recipes).adapters == (), "refused before anything is forgotten"


def test_what_does_not_belong_is_refused_and_nothing_is_changed(aoi: Workspace, tmp_path: Path) -> None:
    layers = aoi.backbone.target_layers("attention")
    good = made_elsewhere(layers)
    wrongs: dict[str, tuple[type[Exception], bytes]] = {
        "half": (BadInput, good[: len(good) // 2]),
        "wide": (Mismatch, made_elsewhere({n: nn.Linear(99, 99) for n in layers})),
        "xl": (Mismatch, made_elsewhere({"input_blocks.4.1.proj_in": nn.Linear(8, 8)}, ss_base_model_version="sdxl_base_v1-0")),
        "young": (Refused, made_elsewhere(layers, **{"modelspec.title": "a 9 year old girl"})),
        "tagged": (Refused, made_elsewhere(layers, ss_tag_frequency='{"set": {"1girl": 4, "child": 4}}')),
        "other": (Mismatch, made_elsewhere(layers, **{"dressform.base_model_sha256": "c" * 64})),
    }
    before = len(aoi.gate.ledger.entries())
    for name, (kind, data) in wrongs.items():
        with pytest.raises(kind):
            take(aoi, Asked(given(tmp_path, data, f"{name}.safetensors"), "coat"))
    fine = given(tmp_path, good)
    for asked in (Asked(fine, "a/b"), Asked(fine, "coat", "two words"), Asked(fine, mu=1.0), Asked(fine, "coat", mu=float("nan"))):
        with pytest.raises(BadInput):
            take(aoi, asked)
    for name in ("another", "identity", "neutral"):
        with pytest.raises(BadInput, match="name"):
            take(aoi, Asked(fine, name))
    with held(aoi.root, "training"), pytest.raises(StoreError, match="another process has held training"):
        take(aoi, Asked(fine, "coat"))
    with pytest.raises(BadInput, match="called by 'aoi_dress'"):
        take(aoi, Asked(fine, "dress", "other"))
    assert len(aoi.gate.ledger.entries()) == before and aoi.character.outfit("coat") is None
    assert not list(aoi.store.list("adapters/"))


def test_what_says_of_itself_that_it_is_another_thing_is_refused(aoi: Workspace, tmp_path: Path) -> None:
    """Her identity taken as an outfit would pass for dressed."""
    layers = aoi.backbone.target_layers("attention")
    for stated, wanted, way in (("identity", "coat", "--as identity"), ("joined", "coat", "joined of"), ("outfit", None, "--as outfit")):
        file = given(tmp_path, made_elsewhere(layers, **{"dressform.kind": stated}), f"{stated}.safetensors")
        with pytest.raises(BadInput, match=f"it is {stated}.*{way}"):
            take(aoi, Asked(file, wanted))
    assert not list(aoi.store.list("adapters/"))


def test_an_outfit_is_known_to_stand_on_her_wherever_both_are_taken_in(aoi: Workspace, tmp_path: Path) -> None:
    training.run(aoi, *training.recipes(2, 0, 1))
    consenting.grant(aoi, ("export:identity", "export:outfit"), (), None, "en")
    made = {f.name: f for f in exporting.export(aoi, exporting.Wanted(("dress",), identity=True), tmp_path / "out")}
    before = aoi.adapter_sha256(None)
    aoi.store.delete_all(list(aoi.store.list("adapters/")))
    take(aoi, Asked(made["aoi.safetensors"]))
    assert aoi.adapter_sha256(None) != before, "another file, of the same tensors"
    assert take(aoi, Asked(made["aoi-dress.safetensors"], "dress")).overlap is None
    assert adapter_of(aoi, "dress").info.identity_sha256 == aoi.adapter_sha256(None)


def test_the_same_of_an_identity_that_came_in_full_precision(aoi: Workspace, tmp_path: Path) -> None:
    take(aoi, Asked(given(tmp_path, made_elsewhere(aoi.backbone.target_layers("attention"), dtype=torch.float32), "her.safetensors")))
    training.run(aoi, *training.recipes(2, 0, 1))
    consenting.grant(aoi, ("export:identity", "export:outfit"), (), None, "en")
    made = {f.name: f for f in exporting.export(aoi, exporting.Wanted(("dress",), identity=True), tmp_path / "out")}
    aoi.store.delete_all(list(aoi.store.list("adapters/")))
    take(aoi, Asked(made["aoi.safetensors"]))
    assert take(aoi, Asked(made["aoi-dress.safetensors"], "dress")).overlap is None


def test_what_was_given_away_does_not_come_back_after_consent_is_taken_back(aoi: Workspace, tmp_path: Path) -> None:
    training.run(aoi, *training.recipes(2, 0, 1))
    consenting.grant(aoi, ("export:outfit",), (), None, "en")
    file = exporting.export(aoi, exporting.Wanted(("dress",)), tmp_path / "out")[0]
    assert take(aoi, Asked(file, "again")).overlap is None and adapter_of(aoi, "again").info.identity_sha256 == aoi.adapter_sha256(None)
    consenting.revoke(aoi, ["dress"], 7)
    with pytest.raises(Refused, match="revoked"):
        take(aoi, Asked(file, "again"))
    with pytest.raises(Refused):
        adapter_of(aoi, "dress")


def test_the_command_says_what_it_did(aoi: Workspace, tmp_path: Path) -> None:
    from dressform.cli.app import app

    file = given(tmp_path, made_elsewhere(aoi.backbone.target_layers("attention"), **{"modelspec.trigger_phrase": "a coat, green"}))
    done = CliRunner().invoke(app, ["import", str(aoi.root), str(file), "--as", "outfit", "--outfit", "coat"])
    assert done.exit_code == 0, done.output
    assert "as aoi-coat" in done.output and "called by aoi_coat" in done.output and "1 layers of text_encoder" in done.output
    for wrong in (["--as", "hat"], ["--as", "identity", "--outfit", "x"], ["--as", "outfit"]):
        assert isinstance(CliRunner().invoke(app, ["import", str(aoi.root), str(file), *wrong]).exception, BadInput)
    with pytest.raises(BadInput):
        importing.wanted("hat", "")


def test_dora_is_taken_with_a_word_on_what_is_lost(aoi: Workspace, tmp_path: Path) -> None:
    from dressform.cli.app import app

    layers = aoi.backbone.target_layers("attention")
    tensors = load(made_elsewhere(layers))
    for layer, module in layers.items():
        norms = torch.linalg.vector_norm(module.weight.flatten(1), dim=1)  # type: ignore[operator, union-attr]
        tensors[f"lora_unet_{layer.replace('.', '_')}.dora_scale"] = 1.1 * norms[:, None]
    file = given(tmp_path, save({n: t.contiguous() for n, t in tensors.items()}))
    done = CliRunner().invoke(app, ["import", str(aoi.root), str(file), "--as", "outfit", "--outfit", "coat"])
    assert done.exit_code == 0, done.output
    coat = adapter_of(Workspace(aoi.root, aoi.store, aoi.owner), "coat")
    assert f"DoRA, cut off after rank {coat.info.rank}: " in done.output and "% of its change" in done.output and coat.info.rank > 3


def test_infotext_is_written_where_it_is_asked_for_and_agreed(aoi: Workspace) -> None:
    training.run(aoi, *training.recipes(2, 0, 1))
    asked = dressing.Asked(("dress",), "(side view:1.2), park", seed=7, infotext=True)
    with pytest.raises(Refused, match="publish"):
        dressing.dress(aoi, asked, SampleConfig(steps=2))
    with pytest.raises(Refused):
        dressing.dress(aoi, replace(asked, text="ch(il:1.2)d"), SampleConfig(steps=2))
    consenting.grant(aoi, ("publish",), (), None, "en")
    with pytest.raises(BadInput, match="ASCII"):
        dressing.dress(aoi, replace(asked, text="公園"), SampleConfig(steps=2))
    assert not aoi.looks.exists()
    (look,) = dressing.dress(aoi, asked, SampleConfig(steps=2))
    with Image.open(look.path) as picture:
        found = infotext_reader.read(picture.info["parameters"])
    hashes = {
        name: files.tensor_area_sha256(aoi.store.read(aoi.adapter_name(o)))[:12] for name, o in (("aoi", None), ("aoi-dress", "dress"))
    }
    assert found["Prompt"] == "aoi, aoi_dress, (side view:1.2), park <lora:aoi:1> <lora:aoi-dress:1>"
    assert found["Lora hashes"] == ", ".join(f"{n}: {h}" for n, h in hashes.items()) and found["Seed"] == "7"
    assert (found["Model"], found["Model hash"]) == ("base", aoi.backbone.sha256[:10])
    seen = finishing.verify(Path(look.path))
    assert seen.state == "ours" and any("infotext" in claim for claim in seen.claims)
    assert not dressing.ignores_weights(aoi, r"side view \(left\)")
    assert not dressing.unknown_words(aoi, "a harbour"), "what another base model was taught nobody knows"
    both = dressing.dress(aoi, dressing.Asked(("dress",), wear="dress"), SampleConfig(steps=1))
    assert not any("infotext" in claim for one in both for claim in finishing.verify(Path(one.path)).claims)
    assert [Path(look.path).name for look in both] == ["aoi-dress-0.png", "aoi-wear-dress-0.png"], "each has a file of its own"
    every = given(aoi.root, made_elsewhere(aoi.backbone.target_layers("all")))
    take(aoi, Asked(every, "coat"))  # it reaches layers that her identity does not
    (wide,) = dressing.dress(aoi, dressing.Asked(("coat",), "side view", infotext=True), SampleConfig(steps=1))
    with Image.open(wide.path) as picture:
        assert infotext_reader.read(picture.info["parameters"])["Lora hashes"].startswith(f"aoi: {hashes['aoi']}, "), "as it is exported"
    (bare,) = dressing.dress(aoi, replace(asked, infotext=False, seed=8), SampleConfig(steps=2))
    with Image.open(bare.path) as picture:
        assert picture.info == {}
