"""An accessory beside outfits: added, trained with them, worn with them, given away and taken in; and never worn alone."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from dressform.consent.scopes import scopes
from dressform.dress import composition
from dressform.dress.composition import composed
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.errors import BadInput, Mismatch, NotReady, Refused, UnknownName
from dressform.layfigure import samples
from dressform.layfigure.accessories import Accessory
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.records import IDENTITY_ALONE, Composition, Outfit
from dressform.store import MemoryStore
from dressform.vault import owner
from dressform.workspace import (
    adding,
    character_file,
    consenting,
    creating,
    dressing,
    exporting,
    importing,
    looking,
    masking,
    room,
    training,
)
from dressform.workspace.workspace import Workspace
from tests.test_cli import refused, run

AOI = HELD_OUT_IDENTITIES["aoi"]
EXTRAS = {"hat": Accessory("hat", "red"), "glasses": Accessory("glasses", "black")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Picture sets: neutral, a dress, a hat worn over the neutral layer and glasses over a coat."""
    folder = tmp_path_factory.mktemp("drawn")
    samples.draw(folder / "neutral", AOI, None, 3, seed=0, size=64)
    samples.draw(folder / "dress", AOI, HELD_OUT_DESIGNS["dress-a"], 3, seed=1, size=64)
    for name, worn in (("hat", None), ("glasses", HELD_OUT_DESIGNS["coat-a"])):
        samples.draw_accessory(folder / name, AOI, EXTRAS[name], worn, 3, seed=2, size=64)
    return folder


def made(root: Path, base: Path, drawn: Path, sets: tuple[str, ...] = ("neutral", "dress", "hat", "glasses")) -> Workspace:
    store = MemoryStore()
    creating.create(root, creating.Asked("aoi", 24, base_model=str(base)), store)
    her = Workspace(root, store, owner.load())
    for name in sets:
        her.add([drawn / name], None if name == "neutral" else name, kind="accessory" if name in EXTRAS else "outfit")
    return her


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, drawn: Path) -> Workspace:
    """Trained in one go; a test that changes her works on a copy."""
    her = made(tmp_path_factory.mktemp("whole") / "aoi", tiny_base, drawn)
    training.run(her, *training.recipes(2, 0, 4))
    return her


@pytest.fixture
def hers(whole: Workspace, tmp_path: Path) -> Workspace:
    """A copy of her."""
    shutil.copytree(whole.root, tmp_path / "aoi")
    store = MemoryStore()
    for name in whole.store.list():
        store.write(name, whole.store.read(name))
    return Workspace(tmp_path / "aoi", store, whole.owner)


# compositions ---------------------------------------------------------------------------------------
def test_a_composition_is_typed_with_its_scales() -> None:
    assert composition.said("hat:0.8, glasses") == Composition((("hat", 0.8), ("glasses", 1.0)))
    assert composition.said("") == IDENTITY_ALONE
    assert (Composition.of(["dress"], 0.5) + composition.said("hat")).names == ("dress", "hat")
    assert composition.said("hat:0.8").scale("hat") == 0.8 and composition.said("hat").scale("bag") == 0.0


@pytest.mark.parametrize(
    ("words", "says"), [("hat:strong", "hat:0.8,glasses"), ("hat,hat", "twice"), ("hat:-1", "from 0 up"), ("hat:nan", "from 0 up")]
)
def test_what_is_no_composition_is_refused(words: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        composition.said(words)


@pytest.mark.parametrize(("outfit", "hat"), [(0.4, 1.0), (0.0, 1.0), (2.1, 1.0), (1.0, 2.1)])
def test_a_finished_picture_has_scales_that_leave_her_dressed(outfit: float, hat: float) -> None:
    with pytest.raises(BadInput, match="1 is as trained"):
        composed(Composition.of(["dress"], outfit), Composition.of(["hat"], hat))
    assert composed(Composition.of(["dress"], 0.5), Composition.of(["hat"], 0.2)).scale("dress") == 0.5


def test_a_character_file_keeps_what_is_an_accessory_and_says_nothing_new_of_outfits(her: Workspace) -> None:
    worn = (Outfit("dress", "aoi_dress"), Outfit("hat", "aoi_hat", "accessory"))
    character_file.write(her.root, replace(her.character, outfits=worn))
    assert character_file.read(her.root).outfits == worn and character_file.read(her.root).named("accessory") == ("hat",)
    rows = tomllib.loads((her.root / character_file.NAME).read_text())["outfits"]
    assert rows[0] == {"name": "dress", "trigger": "aoi_dress"} and rows[1]["kind"] == "accessory"
    (her.root / character_file.NAME).write_text((her.root / character_file.NAME).read_text().replace('"accessory"', '"cover"'))
    with pytest.raises(BadInput, match="'cover'"):
        character_file.read(her.root)


# trained beside outfits -----------------------------------------------------------------------------
@pytest.mark.recipe
def test_a_training_with_accessories_that_was_stopped_gives_the_files_of_one_that_was_not(
    whole: Workspace, tmp_path: Path, tiny_base: Path, drawn: Path
) -> None:
    def stop(what: str, event: object) -> None:
        if what == "outfits" and event.step == 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    stopped = made(tmp_path / "aoi", tiny_base, drawn)
    with pytest.raises(KeyboardInterrupt):
        training.run(stopped, *training.recipes(2, 0, 4), on_step=stop)
    assert training.run(stopped, *training.recipes(2, 0, 4)).adapters == ("dress", "hat", "glasses")
    for name in (None, "dress", "hat", "glasses"):
        assert stopped.store.read(stopped.adapter_name(name)) == whole.store.read(whole.adapter_name(name))
    assert whole.trained() == ["dress"] and whole.trained("accessory") == ["hat", "glasses"]


@pytest.mark.recipe
def test_what_is_under_an_accessory_is_never_learned_as_hers(tmp_path: Path, tiny_base: Path, drawn: Path) -> None:
    from dressform.workspace.datasets import identity_pictures

    her = made(tmp_path / "aoi", tiny_base, drawn, ("dress", "glasses"))
    shown = identity_pictures(her.pictures(every=True), "dressed", her.character.named("accessory"))
    assert {p.outfit for p in shown} == {"dress"}
    only = made(tmp_path / "only", tiny_base, drawn, ("glasses",))
    with pytest.raises(NotReady, match="of accessories alone"):
        training.run(only, *training.recipes(2, 0, 1))


# worn -----------------------------------------------------------------------------------------------
@pytest.mark.recipe
def test_different_accessories_in_one_batch_are_the_pictures_drawn_alone(whole: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    base = whole.backbone
    monkeypatch.setattr(base, "autocast", lambda: torch.autocast("cpu", enabled=False))
    names = ["dress", "hat", "glasses"]
    grant = dressing.agreed(whole, names)
    stack = dressing.wardrobe(whole, grant, names)
    for adapter in stack.adapters:
        for up in adapter.up:
            up.data.normal_(generator=torch.Generator().manual_seed(len(adapter.info.name))).mul_(0.3)  # so that each is seen
    asked = [composition.said(words) for words in ("dress", "dress,hat", "dress:0.5,glasses:1.2", "dress,hat,glasses", "dress:0.5")]
    rows = [Row(dressing.prompt_for(whole, worn, "front view"), 3, dressing.scales(names, worn)) for worn in asked]
    with stack.attached():
        together = draw(base, stack, rows, SampleConfig(2)).int()
        alone = torch.cat([draw(base, stack, [row], SampleConfig(2)) for row in rows]).int()
    assert (together - alone).abs().max() <= 1
    apart = [(together[i] - together[j]).abs().max() for i in range(5) for j in range(i)]
    assert min(apart) > 1, "two compositions drew the same"


@pytest.mark.recipe
def test_she_is_dressed_with_accessories_and_the_ledger_names_them(hers: Workspace) -> None:
    asked = dressing.Asked(("dress",), "front view", seed=5)
    with_hat = replace(asked, accessories=composition.said("hat:0.8"))
    (bare,), (hatted,) = dressing.dress(hers, asked, SampleConfig(2)), dressing.dress(hers, with_hat, SampleConfig(2))
    assert bare.path.endswith("aoi-dress-5.png") and hatted.path.endswith("aoi-dress-with-hat-5.png")
    assert bare.prompt == "aoi, aoi_dress, front view" and hatted.prompt == "aoi, aoi_dress, aoi_hat, front view"
    used = [e.body for e in hers.gate.ledger.entries() if e.kind == "use"][-2:]
    assert used[0]["assets"] == ["neutral", "outfit:dress"] and used[1]["assets"] == ["neutral", "outfit:dress", "outfit:hat"]
    assert hers.adapter_sha256("hat") in used[1]["inputs"] and hers.adapter_sha256("hat") not in used[0]["inputs"]
    picture, page = dressing.lookbook(hers, 0, SampleConfig(1), accessories=composition.said("hat,glasses"))
    assert picture.endswith("lookbook-with-hat-glasses.png") and Path(page).read_text().count("<img") == 4


@pytest.mark.recipe
def test_with_no_outfit_there_is_no_picture_and_revoking_the_hat_takes_the_hat_alone(hers: Workspace) -> None:
    hat = composition.said("hat")
    with pytest.raises(BadInput, match="hat alone is no dressed picture"):
        dressing.dress(hers, dressing.Asked(accessories=hat), SampleConfig(1))
    with pytest.raises(BadInput, match="'hat' is an accessory, not an outfit"):
        dressing.dress(hers, dressing.Asked(("hat",)), SampleConfig(1))
    with pytest.raises(BadInput, match="'dress' is an outfit, not an accessory"):
        dressing.dress(hers, dressing.Asked(("dress",), accessories=composition.said("dress")), SampleConfig(1))
    with pytest.raises(UnknownName, match="no accessory named 'het': did you mean hat"):
        dressing.dress(hers, dressing.Asked(("dress",), accessories=composition.said("het")), SampleConfig(1))
    with pytest.raises(BadInput, match=r"scale 0\.1"):
        dressing.dress(hers, dressing.Asked(("dress",), scale=0.1), SampleConfig(1))
    with pytest.raises(BadInput, match=r"--scale 0\.8.*--wear has none"):
        dressing.dress(hers, dressing.Asked(wear="green coat", scale=0.8), SampleConfig(1))
    assert not list(hers.looks.glob("*"))
    (worn,) = dressing.dress(hers, dressing.Asked(wear="green coat", accessories=hat), SampleConfig(1))
    assert worn.path.endswith("aoi-green-coat-with-hat-0.png") and worn.prompt.startswith("aoi, aoi_hat, green coat")
    consenting.revoke(hers, ["hat"], 7)
    with pytest.raises(Refused, match="outfit:hat was revoked"):
        dressing.dress(hers, dressing.Asked(("dress",), accessories=hat), SampleConfig(1))
    assert len(dressing.dress(hers, dressing.Asked(("dress",)), SampleConfig(1))) == 1


@pytest.mark.recipe
def test_an_accessory_does_not_become_an_outfit_by_another_word_in_a_file(hers: Workspace) -> None:
    file = hers.root / character_file.NAME
    file.write_text(file.read_text().replace('kind = "accessory"', 'kind = "outfit"'))
    again = Workspace(hers.root, hers.store, hers.owner)
    with pytest.raises(Mismatch, match=r"aoi-hat was made as accessory, character.toml says outfit"):
        dressing.dress(again, dressing.Asked(("hat",)), SampleConfig(1))


@pytest.mark.recipe
def test_its_pictures_stay_in_the_vault_and_its_captions_name_what_is_beside_it(hers: Workspace, drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not an outfit"):
        room.write_contact(hers, ["hat"], tmp_path / "out")
    with pytest.raises(BadInput, match="'hat' is an accessory, not an outfit"):
        hers.add([drawn / "dress"], "hat")
    with pytest.raises(BadInput, match="'dress' is an outfit, not an accessory"):
        adding.add(hers, [drawn / "hat"], "dress", kind="accessory")
    with pytest.raises(NotReady, match="knows no accessories"):
        masking.mask(hers, "hat", "reader")
    about = {(f.about, f.code) for f in looking.findings(hers)}
    assert ("hat", "few-pictures") in about and ("hat", "garment-always-named") not in about


# given away and taken in ----------------------------------------------------------------------------
@pytest.mark.recipe
def test_an_exported_accessory_says_what_it_is_and_comes_back_as_nothing_else(hers: Workspace, tmp_path: Path) -> None:
    consenting.grant(hers, scopes("export:outfit,export:identity"), (), None, "en")
    wanted = exporting.Wanted(("dress",), accessories=("hat",))
    files = {f.name: f for f in exporting.export(hers, wanted, tmp_path / "out")}
    assert files.keys() == {"aoi-dress.safetensors", "aoi-dress.json", "aoi-hat.safetensors", "aoi-hat.json"}
    with safe_open(files["aoi-hat.safetensors"], "pt") as opened:
        said = opened.metadata()
    assert said["dressform.kind"] == "accessory" and "accessory" in said["modelspec.tags"] and said["modelspec.trigger_phrase"] == "aoi_hat"
    with pytest.raises(BadInput, match="name one with --outfit"):
        exporting.export(hers, replace(wanted, outfits=(), form="joined"), tmp_path / "out")
    joined = {f.name for f in exporting.export(hers, replace(wanted, form="joined"), tmp_path / "out")}
    assert joined == {"aoi-dress-hat-joined.safetensors", "aoi-dress-hat-joined.json"}
    flow = exporting.export(hers, replace(wanted, form="comfyui"), tmp_path / "flow")[-1]
    assert flow.name == "aoi-dress-hat.workflow.json" and "aoi, aoi_dress, aoi_hat" in flow.read_text()
    hat = files["aoi-hat.safetensors"]
    with pytest.raises(BadInput, match="--as accessory"):
        importing.take(hers, importing.Asked(hat, "cap"))
    before = hers.adapter(dressing.agreed(hers, ["hat"]), "hat")
    assert importing.take(hers, importing.Asked(hat, "cap", kind="accessory")).trigger == "aoi_cap"
    after = hers.adapter(dressing.agreed(hers, ["cap"]), "cap")
    assert after.info.kind == "accessory" and hers.character.named("accessory") == ("hat", "glasses", "cap")
    for (_, a, b), (_, c, d) in zip(before.matrices(), after.matrices(), strict=True):
        assert torch.equal(a * 1.0, c) and torch.allclose(b * before.info.scaling, d * after.info.scaling)


# the commands ---------------------------------------------------------------------------------------
@pytest.mark.recipe
def test_the_journey_with_a_hat(tmp_path: Path, tiny_base: Path, drawn: Path) -> None:
    run("new", "aoi", "--age", "24", "--base-model", tiny_base, "--yes", cwd=tmp_path)
    run("add", "aoi", drawn / "neutral", "--neutral", cwd=tmp_path)
    run("add", "aoi", drawn / "dress", "--outfit", "dress", cwd=tmp_path)
    assert "took 3 of 3 pictures as hat" in run("add", "aoi", drawn / "hat", "--accessory", "hat", cwd=tmp_path).stdout
    refused(run("add", "aoi", drawn / "hat", "--accessory", "hat", "--neutral", cwd=tmp_path), "one of --neutral")
    trained = run("train", "aoi", "--steps", "2", cwd=tmp_path)
    assert "plan: the identity from 3 pictures, then 1 outfit and 1 accessory in one pass" in trained.stderr, trained.stderr
    assert "trained identity, dress, hat" in trained.stdout
    looks = run("dress", "aoi", "side view", "--outfit", "dress", "--with", "hat:0.8", "--steps", "1", cwd=tmp_path)
    assert looks.stdout.strip() == "aoi/looks/aoi-dress-with-hat-0.png" and (tmp_path / looks.stdout.strip()).is_file(), looks.stderr
    refused(run("dress", "aoi", "--with", "hat", cwd=tmp_path), "hat alone is no dressed picture", "--outfit")
    book = run("lookbook", "aoi", "--with", "hat", "--steps", "1", cwd=tmp_path)
    assert (tmp_path / "aoi" / "looks" / "lookbook-with-hat.html").is_file(), book.stderr
