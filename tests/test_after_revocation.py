"""What goes on after consent was taken back, and what does not: on the tiny base model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from dressform import paper
from dressform.consent import ledger as ledgers
from dressform.consent import lineage
from dressform.consent.scopes import CAREFUL
from dressform.dress.sampler import SampleConfig
from dressform.errors import BadInput, Full, NotReady, Refused
from dressform.layfigure import samples
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.pictures.tags import Edit, Where
from dressform.store import MemoryStore, write_atomically
from dressform.train.events import StepDone
from dressform.vault import keys, owner
from dressform.workspace import begun, captioning, consenting, creating, dressing, exporting, forgetting, planning, previewing, training
from dressform.workspace.datasets import Origin
from dressform.workspace.workspace import Workspace

OUTFITS = ("coat", "dress")


@pytest.fixture
def aoi(tmp_path: Path, tiny_backbone, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A character with two outfits, trained."""
    monkeypatch.setattr(training, "preview", lambda *_a: None)
    monkeypatch.setattr(planning, "measured", lambda *_a, **_k: planning.Cost(0, 2**30, 0.0, 1.0))
    store, doll = MemoryStore(), HELD_OUT_IDENTITIES["aoi"]
    creating.create(tmp_path / "aoi", creating.Asked("aoi", 24, base_model=str(tiny_base)), store)
    her = Workspace(tmp_path / "aoi", store, owner.load())
    her.__dict__["backbone"] = tiny_backbone
    samples.draw(tmp_path / "neutral", doll, None, 2, seed=0, size=32)
    her.add([tmp_path / "neutral"], None)
    for i, name in enumerate(OUTFITS, 1):
        samples.draw(tmp_path / name, doll, HELD_OUT_DESIGNS[f"{name}-a"], 2, seed=i, size=32)
        her.add([tmp_path / name], name)
    train(her)
    return her


def train(her: Workspace, restart: bool = False, source: Origin = "auto") -> tuple[str, ...]:
    return training.run(her, *(replace(r, rows=2) for r in training.recipes(2, 0, 1)), restart=restart, source=source).adapters


def learned_from_dressed(her: Workspace) -> None:
    """Her identity comes from the pictures of all outfits."""
    her.character = replace(her.character, description="light skin, short black hair")
    train(her, restart=True, source="dressed")


@pytest.mark.recipe
def test_the_other_outfits_go_on_and_what_is_made_later_is_not_shredded(aoi: Workspace) -> None:
    captioning.edit(aoi, Where.parsed("outfit=dress"), Edit(add=("seen once",)))
    consenting.revoke(aoi, ["dress"], 7)
    assert train(aoi, restart=True) == ("identity", "coat") and aoi.trained() == ["coat"] and aoi.taken_back() == ["dress"]
    book, _ = dressing.lookbook(aoi, 0, SampleConfig(steps=1))
    assert Path(book).exists()
    consenting.revoke(aoi, ["dress"], 0)
    assert consenting.shred(aoi)
    assert not list(aoi.store.list("captions/")), "what the shredded pictures were called is gone with them"
    made = {"checkpoints/outfits-x/1": b"begun", "drafts/0001.json": b"{}", "cache/x": b"encoded"}
    aoi.store.write_all(made)
    lines = len(aoi.gate.ledger.entries())
    assert consenting.shred(aoi) == 0 and len(aoi.gate.ledger.entries()) == lines
    assert all(name in aoi.store for name in made)
    assert train(aoi, restart=True) == ("identity", "coat")


@pytest.mark.recipe
def test_what_is_taken_back_while_it_is_drawn_is_never_written(aoi: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = dressing.draw

    def taken_back(*args: object) -> object:
        drawn = real(*args)  # type: ignore[arg-type]
        consenting.revoke(aoi, ["coat"], 7)
        return drawn

    def looks(her: Workspace) -> list[dressing.Look]:
        return dressing.dress(her, dressing.Asked(("coat",), "side view"), SampleConfig(steps=1))

    def lookbook(her: Workspace) -> tuple[str, str]:
        return dressing.lookbook(her, 0, SampleConfig(steps=1))

    monkeypatch.setattr(dressing, "draw", taken_back)
    ways: tuple[Callable[[Workspace], object], ...] = (looks, lookbook)
    for way in ways:
        with pytest.raises(Refused):
            way(aoi)
        assert not aoi.looks.exists() or not list(aoi.looks.iterdir())
        consenting.grant(aoi, ("dress",), ("coat",), None, "en")


@pytest.mark.recipe
def test_what_her_identity_came_from_is_taken_back_while_she_is_drawn_in_another_outfit(
    aoi: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned_from_dressed(aoi)
    real = dressing.draw

    def taken_back(*args: object) -> object:
        drawn = real(*args)  # type: ignore[arg-type]
        consenting.revoke(aoi, ["dress"], 7)
        return drawn

    monkeypatch.setattr(dressing, "draw", taken_back)
    with pytest.raises(Refused, match="comes from what was revoked"):
        dressing.dress(aoi, dressing.Asked(("coat",), "side view"), SampleConfig(steps=1))
    assert not aoi.looks.exists() or not list(aoi.looks.iterdir())


@pytest.mark.recipe
def test_the_ledger_names_what_drew_whatever_took_its_place_meanwhile(aoi: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real, drew = dressing.draw, aoi.adapter_sha256("coat")

    def replaced(*args: object) -> object:
        drawn = real(*args)  # type: ignore[arg-type]
        aoi.store.write(aoi.adapter_name("coat"), b"another")
        return drawn

    monkeypatch.setattr(dressing, "draw", replaced)
    (look,) = dressing.dress(aoi, dressing.Asked(("coat",), "side view"), SampleConfig(steps=1))
    made = sha256(Path(look.path).read_bytes()).hexdigest()
    assert lineage.inputs_of(aoi.gate.ledger.entries(), made) == {aoi.adapter_sha256(None), drew}


@pytest.mark.recipe
def test_a_training_stops_within_one_step(aoi: Workspace) -> None:
    told: list[int] = []

    def taken_back(_what: str, event: StepDone) -> None:
        told.append(event.step)
        consenting.revoke(aoi, ["neutral"], 7)

    with pytest.raises(Refused, match="revoked"):
        training.run(aoi, *(replace(r, rows=2) for r in training.recipes(2, 0, 6)), on_step=taken_back, restart=True)
    assert told == [1]


@pytest.mark.recipe
def test_nobody_learns_what_they_could_not_sign(aoi: Workspace) -> None:
    aoi.owner = replace(aoi.owner, identity=keys.new_identity())
    with pytest.raises(BadInput, match="not the owner's"):
        train(aoi, restart=True)
    assert not list(aoi.store.list("checkpoints/"))


@pytest.mark.recipe
def test_a_picture_that_was_something_else_is_left_out_with_what_it_was(aoi: Workspace, tmp_path: Path) -> None:
    consenting.revoke(aoi, ["dress"], 7)  # so that what is removed from now on keeps its origin
    moved = aoi.pictures("coat")[:1]
    forgetting.remove(aoi, moved)
    aoi.add([tmp_path / "coat"], None)
    assert {p.id for p in moved} < {p.id for p in aoi.pictures()} and not aoi.left_aside()
    consenting.revoke(aoi, ["coat"], 7)
    assert {p.id for p in aoi.left_aside()} == {p.id for p in moved}
    assert not {p.id for p in (*aoi.pictures(), *captioning.matching(aoi, Where()))} & {p.id for p in moved}
    assert captioning.edit(aoi, Where.parsed("outfit=neutral"), Edit(add=("seen once",)))
    (named,) = [p for p in captioning.matching(aoi, Where(), aoi.rows()) if p.id == moved[0].id]
    assert named.outfit is None, "it can still be named, to be removed"
    assert train(aoi, restart=True) == ("identity",)
    assert not lineage.inputs_of(aoi.gate.ledger.entries(), aoi.adapter_sha256(None)) & {p.id for p in moved}


@pytest.mark.recipe
def test_what_her_file_does_not_name_is_not_learned(aoi: Workspace) -> None:
    learned_from_dressed(aoi)
    aoi.character = replace(aoi.character, outfits=tuple(o for o in aoi.character.outfits if o.name != "dress"))
    assert train(aoi, restart=True, source="dressed") == ("identity", "coat")
    inputs = lineage.inputs_of(aoi.gate.ledger.entries(), aoi.adapter_sha256(None))
    assert inputs == {p.id for p in aoi.pictures("coat")}


@pytest.mark.recipe
def test_a_full_ledger_holds_up_no_shredding_and_no_removing(aoi: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "FILE_LIMIT_BYTES", len(aoi.gate.ledger.file.read_bytes()) + 4000)
    monkeypatch.setattr(ledgers, "_KEPT_FREE_BYTES", {"revoke": 0, "narrow": 0, "forgetting": 3990, "use": 3990})
    with pytest.raises(Full, match="is full"):
        dressing.dress(aoi, dressing.Asked(("coat",), "side view"), SampleConfig(steps=1))
    forgetting.remove(aoi, aoi.pictures("coat"))
    assert not aoi.pictures("coat")
    consenting.revoke(aoi, ["dress"], 0)
    assert consenting.shred(aoi) and not aoi.pictures("dress")


@pytest.mark.recipe
def test_an_outfit_is_not_learned_on_an_identity_that_came_from_what_is_taken_back(aoi: Workspace) -> None:
    learned_from_dressed(aoi)
    before = aoi.adapter_sha256("coat")

    def taken_back(*_told: object) -> None:
        if "dress" not in str(aoi.gate.state().revoked):
            consenting.revoke(aoi, ["dress"], 7)

    with pytest.raises(Refused, match="comes from what was revoked"):
        recipes = [replace(r, rows=2) for r in training.recipes(2, 0, 2)]
        training.run(aoi, *recipes, on_step=taken_back, restart=True, only=["coat"])
    assert aoi.adapter_sha256("coat") == before and list(aoi.store.list("checkpoints/")) == [begun.GROUPS]


@pytest.mark.recipe
def test_what_is_taken_back_while_it_is_learned_is_saved_nowhere(aoi: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken_back(*_told: object) -> None:
        consenting.revoke(aoi, [], 0)
        consenting.shred(aoi)
        raise KeyboardInterrupt

    with pytest.raises(Refused, match="revoked"):  # an interruption saves the step that is done, but not now
        training.run(aoi, *(replace(r, rows=2) for r in training.recipes(2, 0, 1)), on_step=taken_back, restart=True)
    assert not [name for name in aoi.store.list() if name.startswith(("checkpoints/", "previews/", "adapters/"))]


@pytest.mark.recipe
def test_a_preview_of_what_is_taken_back_while_it_is_drawn_is_not_written(aoi: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = aoi.gate.need("train:identity", "neutral")
    stack = dressing.wardrobe(aoi, dressing.agreed(aoi, []), [])
    monkeypatch.setattr(previewing, "draw", lambda *_a: consenting.revoke(aoi, ["neutral"], 7) and torch.zeros(1, 3, 8, 8).byte())
    with pytest.raises(Refused, match="revoked"):
        previewing.preview(aoi, grant, "previews/x.png", aoi.pictures(), stack, [None])
    assert "previews/x.png" not in aoi.store


@pytest.mark.recipe
def test_words_that_are_refused_are_refused_wherever_they_stand(aoi: Workspace) -> None:
    for background in ("nude, topless", "14 year old girl", "(nu:1.1)de"):
        with pytest.raises(Refused):
            dressing.lookbook(aoi, 0, SampleConfig(steps=1), background)
    del aoi.__dict__["backbone"]
    for changes in ({"description": "a 14 year old girl"}, {"trigger": "14 year old"}):
        edited = Workspace(aoi.root, aoi.store, aoi.owner)
        edited.character = replace(edited.character, **changes)  # type: ignore[arg-type]
        with pytest.raises(Refused, match="adults only"):
            train(edited, restart=True)
        consenting.revoke(edited, ["coat"], 7)  # taking back is always possible
        consenting.grant(aoi, CAREFUL, ("coat",), None, "en")


@pytest.mark.recipe
def test_what_was_taken_back_is_in_no_backup_and_is_named_where_it_lies_open(aoi: Workspace) -> None:
    (look,) = dressing.dress(aoi, dressing.Asked(("dress",), "side view"), SampleConfig(steps=1))
    shown = paper.page("shown", f"<p>{paper.picture(Path(look.path).read_bytes(), 'her')}</p>").encode()
    page = aoi.reports / "measure.html"
    write_atomically(page, shown)
    damaged = '<img src="data:image/png;base64,iVBOR">'
    write_atomically(aoi.reports / "other.html", paper.page("empty", paper.picture(b"another", "") + damaged).encode())
    consenting.grant(aoi, ["export:outfit"], ("coat", "dress"), None, "en")
    adapter, card = exporting.export(aoi, exporting.Wanted(("dress",)), aoi.exports)
    (other,) = exporting.export(aoi, exporting.Wanted(("dress",), "peft"), aoi.exports / "peft")
    exporting.export(aoi, exporting.Wanted(("coat",)), aoi.exports)
    assert not consenting.withheld(aoi) and not consenting.left_in_the_clear(aoi)
    consenting.revoke(aoi, ["dress"], 7)
    left = consenting.withheld(aoi)
    assert {f"pictures/{p.id}.png" for p in aoi.pictures("dress")} < left and "adapters/outfit-dress.safetensors" in left
    assert not any(f"pictures/{p.id}.png" in left for p in (*aoi.pictures("coat"), *aoi.pictures()))
    assert consenting.left_in_the_clear(aoi) == [Path(look.path), page, *sorted([adapter, card, other])]
    assert {p.outfit for p in captioning.shown(aoi, Where())} == {None, "coat"}


@pytest.mark.recipe
def test_where_every_outfit_is_taken_back_nobody_is_told_to_train(aoi: Workspace) -> None:
    consenting.revoke(aoi, list(OUTFITS), 7)
    with pytest.raises(NotReady, match="consent for coat, dress was taken back"):
        dressing.lookbook(aoi, 0, SampleConfig(steps=1))


@pytest.mark.recipe
def test_pictures_are_not_encoded_after_consent_was_taken_back(aoi: Workspace) -> None:
    aoi.store.delete_all(list(aoi.store.list("cache/")))
    told: list[int] = []

    def taken_back(done: int, _of: int) -> None:
        told.append(done)
        consenting.revoke(aoi, [], 7)

    recipes = [replace(r, rows=2) for r in training.recipes(2, 0, 1)]
    with pytest.raises(Refused):
        training.run(aoi, *recipes, restart=True, watch=training.Watch(on_encoded=taken_back))
    assert told == [1]


@pytest.mark.recipe
def test_what_is_learned_again_is_named(aoi: Workspace) -> None:
    recipes = [replace(r, rows=2) for r in training.recipes(2, 0, 2)]
    assert training.plan(aoi, *recipes).anew == ("identity", *OUTFITS)
    assert training.plan(aoi, *(replace(r, rows=2) for r in training.recipes(2, 0, 1))).anew == ()


@pytest.mark.recipe
def test_everything_taken_back_takes_every_adapter_also_one_no_line_speaks_of(aoi: Workspace) -> None:
    aoi.store.write("adapters/outfit-hat.safetensors", b"put there")
    consenting.revoke(aoi, [], 7)
    assert set(aoi.adapters_there().values()) <= aoi.quarantined() and not captioning.shown(aoi, Where())
    consenting.revoke(aoi, [], 0)
    assert consenting.shred(aoi) and not list(aoi.store.list("adapters/"))


def test_to_revoke_again_puts_nothing_off() -> None:
    from datetime import UTC, datetime, timedelta

    from dressform.consent.gate import fold, grace_ends
    from dressform.consent.ledger import Entry

    start = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        Entry(i, str(i), "revoke", start + timedelta(days=day), {"assets": ["neutral"], "grace_days": grace})
        for i, (day, grace) in enumerate([(0, 7), (5, 7), (6, 0)])
    ]
    assert [grace_ends(fold(lines[:n]).revoked["neutral"]) for n in (1, 2, 3)] == [start + timedelta(days=d) for d in (7, 7, 6)]


@pytest.mark.recipe
def test_an_outfit_called_by_a_word_for_less_than_dressed_is_not_drawn(aoi: Workspace) -> None:
    aoi.character = replace(aoi.character, outfits=tuple(replace(o, trigger="nude") for o in aoi.character.outfits))
    with pytest.raises(Refused, match="less than dressed"):
        dressing.dress(aoi, dressing.Asked(("dress",), "side view"), SampleConfig(steps=1))
    for refused in (
        lambda: aoi.add([aoi.root], "topless"),
        lambda: creating.checked(aoi.root / "x", creating.Asked("mia", 24, trigger="loli")),
    ):
        with pytest.raises(Refused):
            refused()
