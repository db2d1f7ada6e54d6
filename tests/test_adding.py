"""Pictures on their way in and out again: through the gate, sealed with their originals, and taken back."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from dressform.errors import BadInput, NotReady, Refused, StoreError
from dressform.pictures.intake import from_png
from dressform.pictures.sheets import Cutting
from dressform.vault import keys
from dressform.workspace import adding, captioning, character_file, consenting, health, room
from tests import paper_dolls

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace


@pytest.fixture
def small(her: Workspace) -> Workspace:
    """aoi on a base model of 64 pixels that is never loaded."""
    her.__dict__["backbone"] = SimpleNamespace(size_px=64, sha256="")
    return her


def written(folder: Path, count: int, caption: str = "front view, standing", alpha: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        pixels = np.full((80, 64, 4 if alpha else 3), 255, np.uint8)
        pixels[10:70, 20:44, :3] = (200, i, 90 if alpha else 40)
        if alpha:
            pixels[..., 3] = 0
            pixels[10:70, 20:44, 3] = 255
        Image.fromarray(pixels).save(folder / f"{i:05}.png")
        (folder / f"{i:05}.txt").write_text(caption)
    return folder


def test_pictures_are_kept_with_their_originals_and_taken_back(small: Workspace, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", 3)
    before = sorted(small.store.list())
    report = small.add([folder], None)
    assert report.taken == 3 and report.notes[0].what == "PNG 64x80"
    one = small.pictures()[0]
    assert small.store.read(f"pictures/{one.id}.original") == (folder / one.source).read_bytes()
    assert from_png(small.store.read(f"pictures/{one.id}.png")).shape == (80, 64, 3)
    lines = len(small.gate.ledger.entries())
    assert adding.undo(small) == ("neutral", 3)
    assert sorted(n for n in small.store.list() if not n.startswith("consent/")) == [n for n in before if not n.startswith("consent/")]
    assert len(small.gate.ledger.entries()) == lines + 1
    with pytest.raises(NotReady, match="no add to take back"):
        adding.undo(small)
    assert small.add([folder], None).taken == 3
    assert adding.undo(small) == ("neutral", 3)


def test_an_outfit_that_another_command_made_known_meanwhile_stays(small: Workspace, tmp_path: Path) -> None:
    from dressform.records import Outfit
    from dressform.workspace import character_file

    theirs = replace(small.character, description="tall", outfits=(Outfit("coat", "aoi_coat"),))
    character_file.write(small.root, theirs)
    small.add([written(tmp_path / "a", 2, alpha=True)], "dress")
    known = character_file.read(small.root)
    assert known == small.character and known.description == "tall" and [o.name for o in known.outfits] == ["coat", "dress"]
    adding.undo(small)
    assert character_file.read(small.root) == theirs


def test_an_outfit_is_made_known_by_the_next_add_where_the_first_was_cut_off(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path / "a", 2, alpha=True)
    with monkeypatch.context() as cut_off:
        cut_off.setattr(adding, "make_known", lambda *_: None)
        small.add([folder], "dress")
    assert not small.character.outfits
    assert consenting.revoke(small, ["dress"], 7)[1] == 2, "what is in the store can be taken back, known or not"
    consenting.grant(small, ["add"], ["dress"], None, "en")
    small.add([folder], "coat")
    assert not small.character.outfits, "they are here, but not as a coat"
    small.add([folder], "dress")
    assert [o.name for o in small.character.outfits] == ["dress"]


def test_an_add_that_was_killed_between_batches_is_concluded_by_the_next_or_by_undo(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.add([written(tmp_path / "before", 2)], None)
    many = written(tmp_path / "many", adding._BATCH + 6, alpha=True)
    with monkeypatch.context() as killed:
        killed.setattr(adding, "_conclude", lambda *_: None)  # the process is gone: no line, no outfit
        small.add([many], "coat")
    assert not small.character.outfits and len(small.pictures(every=True)) == adding._BATCH + 8
    assert adding.undo(small) == ("outfit:coat", adding._BATCH + 6), "what was killed is the last add, and not the one before"
    assert len(small.pictures()) == 2 and not small.character.outfits and not list(small.store.list("adding/"))
    with monkeypatch.context() as killed:
        killed.setattr(adding, "_conclude", lambda *_: None)
        small.add([many], "coat")
    assert small.add([written(tmp_path / "after", 1)], None).taken + 1 and [o.name for o in small.character.outfits] == ["coat"]
    lines = [e.body["outputs"] for e in small.gate.ledger.entries() if e.kind == "use" and e.body["assets"] == ["outfit:coat"]]
    assert len(lines[-1]) == adding._BATCH + 6 and not list(small.store.list("adding/"))


def test_what_her_file_says_she_is_does_not_let_photographs_in(small: Workspace, tmp_path: Path) -> None:
    from dressform.workspace import character_file

    photograph = Image.fromarray(paper_dolls.sheet(1)).convert("RGB")
    exif = Image.Exif()
    exif[271] = "camera"
    photograph.save(tmp_path / "a.jpg", exif=exif)
    assert "photograph" in small.add([tmp_path / "a.jpg"], None).left_out[0].reason
    small.character = replace(small.character, kind="self")
    character_file.write(small.root, small.character)
    with pytest.raises(Refused, match="says she is 'self', and what was agreed says 'original'"):
        small.add([tmp_path / "a.jpg"], None)
    with pytest.raises(Refused, match="what was agreed"):
        consenting.grant(small, ["dress"], (), None, "en")


def test_what_is_given_beside_a_picture_later_is_taken(small: Workspace, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", 1)
    (folder / "00000.txt").rename(tmp_path / "kept.txt")
    small.add([folder], "dress")
    (tmp_path / "kept.txt").rename(folder / "00000.txt")
    (folder / "masks").mkdir()
    mask = Image.new("L", (64, 80))
    mask.paste(255, (0, 0, 8, 8))
    mask.save(folder / "masks" / "00000.png")
    again = small.add([folder], "dress")
    assert not again.taken and "took its mask and its caption" in again.notes[0].reason
    (kept,) = small.pictures("dress")
    assert kept.has_mask and kept.caption and f"pictures/{kept.id}.mask.png" in small.store
    assert "already here as dress" in small.add([folder], "coat").notes[0].reason and small.pictures("dress") == [kept]


def test_undo_leaves_no_words_and_no_sheet_of_masks(small: Workspace, tmp_path: Path) -> None:
    from dressform.pictures.tags import Edit, Where

    small.add([written(tmp_path / "a", 1)], None)
    small.add([written(tmp_path / "b", 2, "secret view", alpha=True)], "dress")
    captioning.edit(small, Where(), Edit(add=("tall",)))
    small.store.write("previews/masks-dress.png", b"pixels")
    adding.undo(small)
    kept = [small.store.read(n).decode() for n in small.store.list("captions/")]
    assert len(kept) == 1 and "secret" not in kept[0] and "previews/masks-dress.png" not in small.store


def test_outfits_cannot_be_called_what_a_report_calls_a_stray_garment(small: Workspace, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'another'"):
        small.add([written(tmp_path / "a", 1)], "another")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_name_that_is_not_utf8_is_told_as_it_reads(small: Workspace, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", 1)
    (folder / "00000.png").rename(os.fsdecode(os.fsencode(folder) + b"/" + "立ち絵.png".encode("shift-jis")))
    report = small.add([folder], None)
    assert report.taken == 1 and small.pictures()[0].source == "立ち絵.png"


def test_undo_takes_the_newest_add_and_an_outfit_that_is_empty_again(small: Workspace, tmp_path: Path) -> None:
    small.add([written(tmp_path / "a", 2)], None)
    small.add([written(tmp_path / "b", 2, alpha=True)], "dress")
    assert [o.name for o in small.character.outfits] == ["dress"]
    assert adding.undo(small) == ("outfit:dress", 2) and not small.character.outfits
    assert len(small.pictures(every=True)) == 2
    consenting.narrow(small, ("add",), "en")
    with pytest.raises(Refused, match="add"):
        adding.undo(small)
    assert len(small.pictures(every=True)) == 2


def test_an_add_that_is_interrupted_keeps_and_records_what_was_sealed(small: Workspace, tmp_path: Path) -> None:
    def stop(done: int, _all: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    folder = written(tmp_path / "a", 40)
    with pytest.raises(KeyboardInterrupt):
        small.add([folder], None, stop)
    kept = len(small.pictures())
    assert 0 < kept < 40 and len(small.gate.ledger.entries()[-1].body["outputs"]) == kept
    assert small.add([folder], None).taken == 40 - kept


def test_one_who_cannot_sign_seals_nothing_that_its_owner_would_sign_for(small: Workspace, tmp_path: Path) -> None:
    hers = small.owner
    small.owner = replace(hers, identity=keys.new_identity())
    with pytest.raises(BadInput, match="not the owner's"):
        small.add([written(tmp_path / "a", 2)], None)
    small.owner = hers
    adding.go_on(small)
    assert not small.pictures() and not list(small.store.list("adding/"))


def test_a_caption_that_is_edited_meanwhile_stays(small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "a", 1, caption="")
    small.add([folder], None)
    (folder / "00000.txt").write_text("side view")
    real = small.store.read

    def read(name: str) -> bytes:
        with pytest.raises(StoreError, match="held captions"), character_file.held(small.root, captioning.ROWS, wait_seconds=0):
            pass  # the row is read and written by one alone
        return real(name)

    with monkeypatch.context() as patched:
        patched.setattr(small.store, "read", lambda name: read(name) if name.endswith(".json") and "pictures/" in name else real(name))
        small.add([folder], None)
    assert small.pictures()[0].caption == "side view"


def test_consent_taken_back_stops_an_add_at_its_next_batch(small: Workspace, tmp_path: Path) -> None:
    def revoke(done: int, _all: int) -> None:
        if done == 3:
            consenting.revoke(small, (), 0)

    with pytest.raises(Refused):
        small.add([written(tmp_path / "a", 5)], None, revoke)
    assert not small.pictures()


def test_what_was_sealed_before_consent_was_taken_back_goes_with_the_rest(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "_BATCH", 2)

    def revoke(done: int, _all: int) -> None:
        if done == 3:
            consenting.revoke(small, ["dress"], 0)

    small.add([written(tmp_path / "coat", 1)], "dress")
    with pytest.raises(Refused):
        small.add([written(tmp_path / "a", 6)], "dress", revoke)
    sealed = {p.id for p in small.pictures("dress")}
    assert len(sealed) >= 2 and sealed <= small.quarantined()
    consenting.shred(small)
    assert not small.pictures("dress")
    report = small.add([tmp_path / "a"], None)
    assert len([n for n in report.notes if "taken back" in n.reason]) == len(sealed) and not {p.id for p in small.pictures()} & sealed


def test_what_a_killed_add_sealed_goes_with_what_is_taken_back(small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small.add([written(tmp_path / "coat", 1)], "dress")
    with monkeypatch.context() as killed:
        killed.setattr(adding, "_conclude", lambda *_a: None)
        small.add([written(tmp_path / "a", 4)], "dress")
    consenting.revoke(small, ["dress"], 0)
    consenting.shred(small)
    assert not small.rows() and not list(small.store.list("adding/"))
    assert small.add([tmp_path / "a"], None).taken == 0


def test_an_undo_that_cannot_be_signed_takes_nothing_back(small: Workspace, tmp_path: Path) -> None:
    small.add([written(tmp_path / "a", 2)], None)
    small.owner = replace(small.owner, identity=keys.new_identity())
    with pytest.raises(BadInput, match="not the owner's"):
        adding.undo(small)
    assert len(small.pictures()) == 2


def test_few_pictures_are_in_memory_at_once(small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at and not yet taken never grows with the number of files."""
    ahead: list[int] = []
    looked, taken = [0], [0]
    look, take = adding._Taking.look, adding._Taking.take
    monkeypatch.setattr(adding._Taking, "look", lambda self, item: (looked.__setitem__(0, looked[0] + 1), look(self, item))[1])

    def counted(self: adding._Taking, found: adding._Looked) -> None:
        ahead.append(looked[0] - taken[0])
        taken[0] += 1
        take(self, found)

    monkeypatch.setattr(adding._Taking, "take", counted)
    assert small.add([written(tmp_path / "a", 60)], None).taken == 60
    assert max(ahead) <= adding._THREADS + adding._AHEAD


def test_a_sheet_is_left_out_unless_it_is_said_what_to_do_with_it(small: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "三面図.png"
    Image.fromarray(paper_dolls.sheet(3)).save(file)
    left = small.add([file], None)
    assert not left.taken and "sheet of 3 figures" in left.notes[0].reason and "--sheet" in left.notes[0].reason
    report = adding.add(small, [file], None, Cutting())
    assert [n.source for n in report.notes] == [f"三面図.png, figure {i}" for i in (1, 2, 3)] and report.taken == 3
    assert sorted((p.caption, p.figure) for p in small.pictures()) == [("back view", 3), ("front view", 1), ("side view", 2)]
    originals = [n for n in small.store.list("pictures/") if n.endswith(".original")]
    assert len(originals) == 1 and small.store.read(originals[0]) == file.read_bytes()
    sheet, shown = adding.preview(small, file, None, Cutting())
    assert len(sheet.cuts) == 3 and Image.open(io.BytesIO(shown)).size == paper_dolls.sheet(3).shape[1::-1]
    assert adding.undo(small) == ("neutral", 3)
    assert adding.add(small, [file], None, "whole").taken == 1 and [p.figure for p in small.pictures()] == [0]


def test_a_folder_of_kohya_loses_the_trigger_word(small: Workspace, tmp_path: Path) -> None:
    written(tmp_path / "10_aoi woman", 1)
    (tmp_path / "10_aoi woman" / "00000.txt").unlink()
    small.add([tmp_path], None)
    assert small.pictures()[0].caption == "woman"


def test_pictures_of_what_her_file_does_not_name_any_more_are_told(small: Workspace, tmp_path: Path) -> None:
    small.add([written(tmp_path / "a", 2)], "dress")
    assert not list(health.hidden(small))
    small.character = replace(small.character, outfits=())
    assert list(health.hidden(small)) == [
        "2 of 'dress' are left aside, for character.toml does not name it: write it there again under outfits"
    ]


def test_the_same_pixels_are_taken_once(small: Workspace, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", 1)
    (folder / "again.png").write_bytes((folder / "00000.png").read_bytes())
    report = small.add([folder], None)
    assert report.taken == 1 and "already here" in report.left_out[0].reason
    assert small.add([folder], None).taken == 0


# the room -------------------------------------------------------------------------------------------
def test_the_room_counts_views_and_poses_and_names_what_is_missing(small: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no pictures yet"):
        room.shelves(small)
    small.add([written(tmp_path / "a", 2)], None)
    small.add([written(tmp_path / "b", 3, "後ろ姿, sitting", alpha=True)], "dress")
    neutral, dress = room.shelves(small)
    assert neutral.total == 2 and neutral.views() == {"front": 2} and dress.counts == {("back", "sitting"): 3}
    lacks = room.missing(neutral)
    assert "no picture of the back view" in lacks and "every pose that is named is standing" in lacks


@pytest.mark.parametrize(
    ("caption", "view", "pose"),
    [
        ("front view, standing", "front", "standing"),
        ("from behind, arms up", "back", "arms up"),
        ("three-quarter view", "three-quarter", "not named"),
        ("正面, 座り", "front", "sitting"),
        ("a blue dress", "not named", "not named"),
        ("forearms bare, flying", "not named", "not named"),
        ("three-quarter front view, lying down", "three-quarter", "lying"),
    ],
)
def test_captions_name_views_and_poses(caption: str, view: str, pose: str) -> None:
    assert (room.view_of(caption), room.pose_of(caption)) == (view, pose)


def test_contact_sheets_of_dressed_pictures_leave_on_request_and_neutral_ones_never(small: Workspace, tmp_path: Path) -> None:
    small.add([written(tmp_path / "a", 2)], None)
    with pytest.raises(Refused, match="never leave"):
        room.write_contact(small, (), tmp_path / "out")
    small.add([written(tmp_path / "b", 3, "<b>back view</b>", alpha=True)], "dress")
    lines = len(small.gate.ledger.entries())
    files = room.write_contact(small, ("dress",), tmp_path / "out")
    assert [f.name for f in files] == ["aoi-dress.png", "aoi-pictures.html"] and all(f.stat().st_mode & 0o77 == 0 for f in files)
    page = files[1].read_text()
    assert page.count("<img") == 3 and "http" not in page and "<script" not in page
    last = small.gate.ledger.entries()[-1]
    assert len(small.gate.ledger.entries()) == lines + 1 and last.kind == "attest" and len(last.body["evidence"]) == 2
    consenting.revoke(small, ("dress",), 7)
    with pytest.raises(Refused):
        room.write_contact(small, ("dress",), tmp_path / "other")
    assert not (tmp_path / "other").exists() and [s.outfit for s in room.shelves(small)] == [None]
    assert len(room.cells(small, None)) == 2
