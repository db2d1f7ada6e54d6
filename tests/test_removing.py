"""Pictures that are forgotten: nothing of them is left to work with, the rest is untouched, and the ledger says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from typer.testing import CliRunner

from dressform.cli.app import app
from dressform.errors import UnknownName
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
    for name in ("previews/masks-dress.png", "cache/pictures/0a", "cache/texts/0b", "adapters/identity.safetensors"):
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
    assert "previews/masks-dress.png" not in left and "cache/pictures/0a" not in left, "what shows or encodes it"
    assert "cache/texts/0b" in left and "adapters/identity.safetensors" in left
    (line,) = dressed.gate.ledger.entries()[lines:]
    assert line.body["statement"] == "removed pictures: 1 of outfit:dress" and line.body["evidence"] == [gone.id]
    consenting.verify(dressed)
    assert adding.undo(dressed) == ("outfit:dress", 2), "the add that it came by still stands, for the rest"
    assert dressed.add([tmp_path / "b"], "dress").taken == 3


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
    from dressform.workspace import workspace

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["remove", str(tmp_path / "aoi"), *words])

    def sources() -> list[str]:
        with workspace.opened(tmp_path / "aoi") as her:
            return sorted(p.source for p in her.pictures())

    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "keys"))
    workspace.create(tmp_path / "aoi", workspace.Asked("aoi", 24))
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
    done = run("--where", "source=01.png", "--yes")
    assert done.exit_code == 0 and "removed 1 pictures" in done.stdout and "neutral  01.png" in done.stderr
    assert sources() == ["02.png"]
