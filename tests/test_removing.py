"""Pictures that are forgotten: nothing of them is left to work with, the rest is untouched, and the ledger says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from dressform.cli.app import app
from dressform.errors import NotReady, Tampered, UnknownName
from dressform.pictures.tags import Edit, Where
from dressform.workspace import adding, captioning, consenting, forgetting
from tests.test_adding import small, written  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from dressform.records import Picture
    from dressform.workspace.workspace import Workspace


EXAMPLE = Path(__file__).parents[1] / "examples" / "aoi"


def meant(her: Workspace, where: str) -> list[Picture]:
    return captioning.matching(her, Where.parsed(where))


def everything_of(her: Workspace, picture: Picture) -> list[str]:
    return [n for n in her.store.list() if picture.id in n or (n.startswith("captions/") and picture.id.encode() in her.store.read(n))]


@pytest.fixture
def dressed(small: Workspace, tmp_path: Path) -> Workspace:  # noqa: F811
    small.add([written(tmp_path / "a", 2)], None)
    small.add([written(tmp_path / "b", 3, alpha=True)], "dress")
    captioning.edit(small, Where(), Edit(add=("tall",)))
    cached = [f"cache/pictures/{p.id}-0a" for p in small.pictures(every=True)]
    for name in ("previews/masks-dress.png", "lint/looked-at.json", "cache/texts/0b", "adapters/identity.safetensors", *cached):
        small.store.write(name, b"made of them")
    return small


def test_nothing_of_a_removed_picture_is_left_and_all_of_the_others(dressed: Workspace, tmp_path: Path) -> None:
    (gone,) = meant(dressed, "outfit=dress source=00001.png")
    others = [p for p in dressed.pictures(every=True) if p != gone]
    before = {p.id: everything_of(dressed, p) for p in others}
    lines = len(dressed.gate.ledger.entries())
    forgetting.remove(dressed, [gone])
    assert everything_of(dressed, gone) == [] and {p.id: everything_of(dressed, p) for p in others} == before
    assert dressed.pictures(every=True) == others
    left = list(dressed.store.list())
    assert "previews/masks-dress.png" not in left and "lint/looked-at.json" not in left, "what shows it, and what was seen of it"
    assert "cache/texts/0b" in left and "adapters/identity.safetensors" in left
    (line,) = dressed.gate.ledger.entries()[lines:]
    assert line.body["statement"] == "removed pictures: 1 of outfit:dress" and line.body["evidence"] == [gone.id]
    consenting.verify(dressed)
    assert adding.undo(dressed) == ("outfit:dress", 2), "the add that it came by still stands, for the rest"
    assert dressed.add([tmp_path / "b"], "dress").taken == 3


def test_one_who_is_interrupted_can_ask_for_the_same_again(dressed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = meant(dressed, "outfit=dress source=00001.png")
    with monkeypatch.context() as patch:
        patch.setattr(type(dressed.store), "delete_all", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            forgetting.remove(dressed, gone)
    assert meant(dressed, "outfit=dress source=00001.png") == gone
    forgetting.remove(dressed, gone)
    assert everything_of(dressed, gone[0]) == []


def test_one_who_is_interrupted_while_taking_an_add_back_takes_back_no_other(dressed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(forgetting, "attest", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            adding.undo(dressed)
    assert adding.undo(dressed) == ("outfit:dress", 0) and len(dressed.pictures()) == 2


def test_pictures_that_a_revocation_hides_keep_their_outfit_known(dressed: Workspace) -> None:
    (drawn, *_) = meant(dressed, "outfit=dress")
    row = json.loads(dressed.store.read(f"pictures/{drawn.id}.json")) | {"generation": 1}
    dressed.store.write(f"pictures/{drawn.id}.json", json.dumps(row).encode())
    grant = dressed.gate.need("add", "outfit:dress")
    dressed.record(grant, [dressed.pictures()[0].id], [drawn.id])
    consenting.revoke(dressed, ("neutral",), 7)
    shown = meant(dressed, "outfit=dress")
    assert drawn.id not in {p.id for p in shown}
    forgetting.remove(dressed, shown)
    assert dressed.character.outfit("dress") and f"pictures/{drawn.id}.json" in dressed.store


def test_nothing_is_written_on_a_ledger_that_was_put_back(dressed: Workspace) -> None:
    file = dressed.root / "consent.jsonl"
    before = file.read_bytes()
    consenting.revoke(dressed, (), 7)
    file.write_bytes(before)
    with pytest.raises(Tampered):
        forgetting.remove(dressed, dressed.rows())
    assert file.read_bytes() == before and len(dressed.rows()) == 5


def test_a_picture_is_named_by_its_id_or_by_its_file_as_it_is_called(small: Workspace, tmp_path: Path) -> None:  # noqa: F811
    folder = written(tmp_path / "a", 2)
    (folder / "00000.png").rename(folder / "girl[1].png")
    (folder / "00001.png").rename(folder / "girl1.png")
    small.add([folder], None)
    (one,) = meant(small, "source=girl[1].png")
    assert one.source == "girl[1].png" and meant(small, f"id={one.id[:8]}") == [one] and not meant(small, "id=")


def test_a_training_under_way_goes_on_without_what_others_had_encoded(dressed: Workspace) -> None:
    from dressform.train import cache

    kept, gone = meant(dressed, "outfit=neutral")[0], meant(dressed, "outfit=dress")[0]
    forgetting.remove(dressed, [gone])
    assert f"cache/pictures/{kept.id}-0a" in dressed.store and f"cache/pictures/{gone.id}-0a" not in dressed.store
    backbone = SimpleNamespace(device=torch.device("cpu"), sha256="")
    with pytest.raises(NotReady, match="removed meanwhile"):
        cache.Cache(dressed.store, backbone).read(f"cache/pictures/{gone.id}-0a")  # type: ignore[arg-type]


def test_an_outfit_with_no_picture_and_no_adapter_is_not_known_any_more(dressed: Workspace) -> None:
    forgetting.remove(dressed, meant(dressed, "outfit=dress"))
    assert not dressed.character.outfits and len(dressed.pictures(every=True)) == 2
    with pytest.raises(UnknownName, match="none yet; add pictures"):
        meant(dressed, "outfit=dress")


def test_an_outfit_that_was_learned_stays_known(dressed: Workspace) -> None:
    dressed.store.write(dressed.adapter_name("dress"), b"learned")
    forgetting.remove(dressed, meant(dressed, "outfit=dress"))
    assert [o.name for o in dressed.character.outfits] == ["dress"]


def test_pictures_can_be_removed_when_nothing_is_agreed_to(dressed: Workspace) -> None:
    consenting.revoke(dressed, (), 7)
    forgetting.remove(dressed, dressed.pictures(every=True))
    assert dressed.pictures(every=True) == []


def test_the_command_asks_and_says_what_it_would_forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dressform.workspace import creating, workspace

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["remove", str(tmp_path / "aoi"), *words])

    def sources() -> list[str]:
        with workspace.opened(tmp_path / "aoi") as her:
            return sorted(p.source for p in her.pictures())

    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "keys"))
    creating.create(tmp_path / "aoi", creating.Asked("aoi", 24))
    (tmp_path / "two").mkdir()
    for name in ("01.png", "02.png"):
        shutil.copy(EXAMPLE / "neutral" / name, tmp_path / "two")
    with workspace.opened(tmp_path / "aoi") as her:
        her.add([tmp_path / "two"], None)
    refusals = [((), "say which"), (("--where", "source=no.png"), "no picture fits"), (("--where", "source=01.png"), "nobody said yes")]
    for words, says in refusals:
        refused = run(*words)
        assert refused.exit_code == 1 and says in str(refused.exception)
        assert sources() == ["01.png", "02.png"]
    with workspace.opened(tmp_path / "aoi") as her:
        captioning.edit(her, Where(), Edit(add=("a secret word",)))
        consenting.revoke(her, ["neutral"], 7)
    assert "a secret word" not in run("--where", "source=01.png").stderr
    done = run("--where", "source=01.png", "--yes")
    assert done.exit_code == 0 and "removed 1 pictures" in done.stdout and "01.png" in done.stderr and "neutral  id=" in done.stderr
    assert sources() == ["02.png"]


def test_what_was_added_as_the_wrong_thing_and_taken_back_may_be_another(small: Workspace, tmp_path: Path) -> None:  # noqa: F811
    given = written(tmp_path / "a", 2, alpha=True)
    small.add([given], "dress")
    adding.undo(small)
    small.add([given], "coat")
    small.add([written(tmp_path / "b", 3)], "dress")
    forgetting.remove(small, meant(small, "outfit=dress source=00002.png"))
    small.add([tmp_path / "b" / "00002.png"], "coat")
    consenting.revoke(small, ["dress"], 0)
    hers = {p.id for p in small.pictures("coat")}
    assert len(hers) == 3 and not hers & small.quarantined(), "consent for the coat stands"
    consenting.shred(small)
    assert {p.id for p in small.pictures("coat")} == hers and not small.pictures("dress")


def test_what_was_taken_back_is_not_made_another_thing_by_removing_it(small: Workspace, tmp_path: Path) -> None:  # noqa: F811
    small.add([written(tmp_path / "a", 2)], "dress")
    consenting.revoke(small, ["dress"], 7)
    forgetting.remove(small, meant(small, "outfit=dress"))
    report = small.add([tmp_path / "a"], "coat")
    assert not report.taken and {n.reason for n in report.notes} == {"its consent was taken back (the same pixels)"}
    assert not small.pictures("coat")
    consenting.grant(small, ("add",), ("dress",), None, "en")
    assert small.add([tmp_path / "a"], "coat").taken == 2
