"""Pictures made by the model itself: what a set lacks, how candidates are judged, and that only approved ones join it, marked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from dressform.consent import lineage
from dressform.consent.ledger import Entry
from dressform.dress.sampler import Row, SampleConfig
from dressform.errors import BadInput, NotReady, Refused, UnknownName
from dressform.layfigure.captions import NEUTRAL, identity_tags, identity_words
from dressform.layfigure.doll import BACKGROUNDS, IDENTITY_ATTRIBUTES, POSES, VIEWS, Doll, Scene, attributes
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.measure.likeness import likeness, shown
from dressform.measure.reader import Reading
from dressform.measure.separation import Probe, Truth
from dressform.pictures import intake
from dressform.pictures.wanted import lacking
from dressform.records import Picture
from dressform.workspace import adding, candidates, consenting, describing, drafting, looking, room
from dressform.workspace.candidates import Asked

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace

AOI = HELD_OUT_IDENTITIES["aoi"]
CONFIG = SampleConfig(2)
CHOICES = (VIEWS, POSES, BACKGROUNDS)


# what a set lacks -----------------------------------------------------------------------------------
def test_the_scenes_that_are_lacking_even_a_set_out() -> None:
    have = [("front", "standing", "white"), ("side", "standing", "white"), ("back", "not named", "not named")]
    found = lacking(have, CHOICES, 21)
    every = Counter(have + found)
    assert max(every.values()) == 1 and found == lacking(have, CHOICES, 21)
    assert [Counter(v for v, _, _ in every)[v] for v in VIEWS] == [6, 6, 6, 6]
    assert all(3 <= Counter(p for _, p, _ in every)[pose] <= 4 for pose in POSES)
    assert all(2 <= Counter(b for _, _, b in every)[background] <= 4 for background in BACKGROUNDS)


def test_more_scenes_than_there_are_begin_again() -> None:
    found = lacking([], (("front", "back"), ("standing",), ("white",)), 5)
    assert sorted(Counter(found).values()) == [2, 3]


# who a few pictures show ----------------------------------------------------------------------------
def reading(doll: Doll, **wrong: str) -> Reading:
    return Reading({**attributes(doll), **wrong}, (900, 60, 20, 10, 4, 2, 0, 0, 0))


def test_a_ponytail_is_read_from_the_side_and_eyes_from_the_front() -> None:
    who = HELD_OUT_IDENTITIES["dalia"]
    front, side, back = (Doll(who, None, Scene(view)) for view in ("front", "side", "back"))
    found = shown(
        [reading(front, hair_style="short"), reading(side), reading(back, hair_style="short", eyes="red"), reading(back, eyes="red")],
        IDENTITY_ATTRIBUTES,
    )
    assert found == asdict(who)


def test_what_tags_say_of_her_is_read_back() -> None:
    for who in HELD_OUT_IDENTITIES.values():
        assert identity_words(identity_tags(who)) == asdict(who)
    assert identity_words(["Low height", "no mark", "long hair", "red dress", "huge ears", "waving", ""]) == {
        "height": "low",
        "mark": "none",
    }


def test_likeness_counts_what_should_show_and_names_what_is_wrong() -> None:
    truth, scene = Truth(asdict(AOI), {}), {"view": "front", "pose": "waving", "background": "park"}
    doll = Doll(AOI, None, Scene(*scene.values()))
    visible = truth.visible("neutral", scene)
    assert likeness(Probe("neutral", scene, reading(doll), visible), truth).share == 1
    off = likeness(Probe("neutral", scene, reading(doll, skin="green", kind="coat"), visible), truth)
    assert 0.5 < off.share < 1 and "skin green, not blue" in off.wrong and "kind coat, not neutral" in off.wrong


def test_what_her_owner_wrote_of_her_is_completed_by_what_is_read() -> None:
    seen = [reading(Doll(replace(AOI, height="low"), None, Scene(view))) for view in ("front", "side")]
    written = "tall height, a scar"
    known = describing.who(written, seen)
    assert known == {**asdict(AOI), "height": "tall"}
    said = describing.body(known, written)
    assert said == ", ".join([*identity_tags(replace(AOI, height="tall")), "a scar"])


def test_pictures_that_were_drawn_do_not_say_who_she_is_where_there_are_others() -> None:
    own, drawn = (Picture(name, None, "", 128, 128, False, name, i) for i, name in enumerate("ab"))
    assert describing.sample([own, drawn]) == [own] and describing.sample([drawn]) == [drawn]


def test_who_she_is_is_read_from_a_few_dozen_pictures_however_many_there_are() -> None:
    many = [Picture(f"{7919 * i % 1000:03}", "coat" if i % 3 else None, "", 128, 128, False, "") for i in range(60)]
    some = describing.sample(many)
    assert len(some) < 40 and describing.sample(many[::-1]) == some
    assert {p.id for p in many if p.outfit is None} < {p.id for p in some}
    more = describing.sample([*many, Picture("0005", None, "", 128, 128, False, "")])
    assert len({p.id for p in more} - {p.id for p in some}) == 1


# how far from given pictures ------------------------------------------------------------------------
def test_generations_are_counted_along_the_ledger() -> None:
    def use(action: str, inputs: Sequence[str], outputs: Sequence[str]) -> Entry:
        body = {"action": action, "assets": ["neutral"], "inputs": inputs, "outputs": outputs}
        return Entry(1, "", "use", datetime.now(UTC), body)

    lines = [use("add", [], ["p"]), use("train:identity", ["p"], ["a"]), use("measure", ["a"], ["d"]), use("add", ["a"], ["d"])]
    assert [lineage.generation(lines, [x]) for x in ("p", "a", "d", "unknown")] == [0, 0, 1, 0]
    lines += [use("train:identity", ["p", "d"], ["a2"]), use("measure", ["a2"], ["e"]), use("add", ["a2"], ["e"])]
    assert lineage.generation(lines, ["a2"]) == 1 and lineage.generation(lines, ["e"]) == 2
    assert lineage.generation(lines, ["a", "e"]) == 2


# proposing and deciding -----------------------------------------------------------------------------
def put(her: Workspace, outfit: str | None, scene: Scene, generation: int = 0) -> Picture:
    shown_ = render(Doll(AOI, HELD_OUT_DESIGNS["dress-a"] if outfit else None, scene)).picture
    caption = ", ".join([*([] if outfit else [NEUTRAL]), f"{scene.view} view", scene.pose])
    name = f"{outfit}-{scene.view}-{scene.pose}"
    picture = Picture(name, outfit, caption, 128, 128, False, f"{name}.png", generation)
    her.store.write(f"pictures/{name}.png", intake.png(np.ascontiguousarray(shown_)))
    her.store.write(f"pictures/{name}.json", json.dumps(asdict(picture)).encode())
    return picture


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """A model that draws what it is asked for without fault: every row that it was given."""
    rows: list[Row] = []

    def drawn(_backbone, _stack, asked: Sequence[Row], _config, _on_pictures) -> torch.Tensor:
        rows.extend(asked)
        return torch.stack([_drawn(row) for row in asked])

    monkeypatch.setattr(drafting, "draw", drawn)
    return rows


def _drawn(row: Row) -> torch.Tensor:
    words = [w.strip() for w in row.prompt.split(",")]
    view = next(v for v in VIEWS if f"{v} view" in words)
    pose = next(p for p in POSES if p in words)
    ground = next(b for b in BACKGROUNDS if f"{b} background" in words)
    worn = None if NEUTRAL in words else HELD_OUT_DESIGNS["dress-a"]
    pixels = render(Doll(AOI, worn, Scene(view, pose, ground))).picture.copy()
    pixels[0, 0] = row.seed % 251
    return torch.from_numpy(pixels).permute(2, 0, 1)


@pytest.fixture
def sheet(her: Workspace) -> Workspace:
    """aoi with the three views of a turnaround sheet, and a base model that is never loaded."""
    her.__dict__["backbone"] = SimpleNamespace(size_px=128, sha256="b" * 64)
    for view in ("front", "side", "back"):
        put(her, None, Scene(view))
    return her


def test_what_else_was_asked_for_is_in_the_caption_too(sheet: Workspace, asked_for: list[Row]) -> None:
    asked = "(holding an umbrella:1.2),\nblue eyes, park background,"
    (made, *_) = drafting.propose(sheet, Asked(want=4, tries=1, text=asked), CONFIG).candidates
    assert made.caption.endswith(" background, holding an umbrella") and made.caption.count("background") == 1
    assert "eyes" not in made.caption and "holding an umbrella" in asked_for[0].prompt


def test_a_sheet_of_three_grows_to_a_set_by_what_is_approved(sheet: Workspace, asked_for: list[Row]) -> None:
    made = drafting.propose(sheet, Asked(want=9, tries=2), CONFIG)
    assert len(made.candidates) == 6 and not made.left and len(asked_for) == 12
    body = ", ".join(identity_tags(AOI)[:-1])  # the reader is not sure of marks
    assert all(body in row.prompt and "aoi" not in row.prompt for row in asked_for)
    assert len(sheet.pictures()) == 3, "nothing joins before it is approved"
    first = made.candidates[0]
    assert first.judged.fidelity == 1 and first.generation == 1 and [c.number for c in made.candidates] == [1, 2, 3, 4, 5, 6]
    assert sorted((c.judged.rank for c in made.candidates), reverse=True) == [c.judged.rank for c in made.candidates]
    assert candidates.waiting(sheet) == list(made.candidates)
    drawn = sheet.gate.ledger.entries()[-1].body
    assert drawn["action"] == "measure" and drawn["inputs"] == ["b" * 64] and len(drawn["outputs"]) == 6
    assert candidates.approve(sheet, candidates.picked(sheet, [2, 1])) == 2
    joined = [p for p in sheet.pictures() if p.generation]
    assert (
        {p.source for p in joined} == {f"drawn-{p.id[:8]}.png" for p in joined}
        and len(joined) == 2
        and all(p.caption.startswith(NEUTRAL) for p in joined)
    )
    assert not any("skin" in p.caption or "hair" in p.caption for p in joined)
    line = sheet.gate.ledger.entries()[-1].body
    assert line["action"] == "add" and line["inputs"] == ["b" * 64] and set(line["outputs"]) == {p.id for p in joined}
    assert [c.number for c in candidates.waiting(sheet)] == [3, 4, 5, 6]
    assert room.shelves(sheet)[0].drawn == 2
    assert adding.undo(sheet) == ("neutral", 2) and len(sheet.pictures()) == 3


def test_what_is_there_and_what_waits_is_not_proposed_again(sheet: Workspace, asked_for: list[Row]) -> None:
    one = drafting.propose(sheet, Asked(want=6, tries=1), CONFIG)
    more = drafting.propose(sheet, Asked(want=8, tries=1), CONFIG)
    assert [c.number for c in more.candidates] == [4, 5]
    assert not {c.scene for c in one.candidates} & {c.scene for c in more.candidates}
    with pytest.raises(BadInput, match=r"3 pictures and 5 that wait .*--want 16"):
        drafting.propose(sheet, Asked(want=8), CONFIG)


def test_what_her_owner_wrote_goes_before_what_is_read(sheet: Workspace, asked_for: list[Row]) -> None:
    without = drafting.propose(sheet, Asked(want=4, tries=1), CONFIG).candidates[0].judged.wrong
    candidates.reject(sheet, candidates.waiting(sheet))
    asked_for.clear()
    sheet.character = replace(sheet.character, description="low height, freckles")
    made = drafting.propose(sheet, Asked(want=4, tries=1), CONFIG)
    assert "low height" in asked_for[0].prompt and "freckles" in asked_for[0].prompt and "blue skin" in asked_for[0].prompt
    assert made.candidates[0].judged.wrong == (*without, "height medium, not low")


def test_rejecting_forgets_and_redrawing_draws_the_same_scene_anew(sheet: Workspace, asked_for: list[Row]) -> None:
    made = drafting.propose(sheet, Asked(want=5, tries=1), CONFIG)
    again = drafting.redraw(sheet, made.candidates[:1], CONFIG).candidates[0]
    assert (again.number, again.scene, again.turn) == (1, made.candidates[0].scene, 1) and again.id != made.candidates[0].id
    assert asked_for[-1].prompt in {r.prompt for r in asked_for[:-1]} and asked_for[-1].seed not in {r.seed for r in asked_for[:-1]}
    candidates.reject(sheet, candidates.picked(sheet, ()))
    assert not list(sheet.store.list("drafts/")) and len(sheet.pictures()) == 3
    with pytest.raises(NotReady, match="draft propose"):
        candidates.picked(sheet, ())
    anew = drafting.propose(sheet, Asked(want=5, tries=1), CONFIG).candidates
    assert {c.scene for c in anew} == {c.scene for c in made.candidates}
    assert not {c.id for c in anew} & {again.id, *(c.id for c in made.candidates)}, "what was rejected does not come again"


def test_a_number_that_is_another_candidates_by_now_is_not_decided_on(sheet: Workspace, asked_for: list[Row]) -> None:
    seen = drafting.propose(sheet, Asked(want=4, tries=1), CONFIG).candidates
    candidates.reject(sheet, seen)
    (other,) = drafting.propose(sheet, Asked(want=4, tries=1), CONFIG).candidates
    assert other.number == seen[0].number and other.id != seen[0].id
    for decide in (candidates.approve, candidates.reject, lambda *of: drafting.redraw(*of, CONFIG)):
        with pytest.raises(NotReady, match="candidate 1 is not the one that was looked at"):
            decide(sheet, seen)
    assert candidates.waiting(sheet) == [other] and len(sheet.pictures()) == 3


def test_two_who_propose_at_once_overwrite_nothing(sheet: Workspace, asked_for: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    best, beside = drafting._best, []

    def while_another_proposes(*given):
        if not beside:
            beside.append(None)
            beside[0] = drafting.propose(sheet, Asked(want=5, tries=1), CONFIG).candidates
        return best(*given)

    monkeypatch.setattr(drafting, "_best", while_another_proposes)
    made = drafting.propose(sheet, Asked(want=4, tries=1), CONFIG).candidates
    assert [c.number for c in candidates.waiting(sheet)] == [1, 2, 3] and {*made, *beside[0]} == {*candidates.waiting(sheet)}


def test_a_picture_that_joined_keeps_what_was_made_of_it(sheet: Workspace, asked_for: list[Row]) -> None:
    made = drafting.propose(sheet, Asked(want=4, tries=1), CONFIG).candidates
    candidates.approve(sheet, made)
    row = json.loads(sheet.store.read(f"pictures/{made[0].id}.json")) | {"caption": "back view", "has_mask": True}
    sheet.store.write(f"pictures/{made[0].id}.json", json.dumps(row).encode())
    candidates.keep(sheet, sheet.gate.need("measure"), [(made[0], np.zeros((4, 4, 3), np.uint8))])
    assert candidates.approve(sheet, candidates.waiting(sheet)) == 0 and not candidates.waiting(sheet)
    assert json.loads(sheet.store.read(f"pictures/{made[0].id}.json")) == row


def test_drafts_make_no_outfit_that_add_would_refuse(sheet: Workspace, asked_for: list[Row]) -> None:
    for name in ("neutral", "another"):
        with pytest.raises(BadInput, match=name):
            drafting.propose(sheet, Asked(name, wear="green coat"), CONFIG)


def test_candidates_are_picked_by_number(sheet: Workspace, asked_for: list[Row]) -> None:
    drafting.propose(sheet, Asked(want=5, tries=1), CONFIG)
    assert [c.number for c in candidates.picked(sheet, [2, 2, 1])] == [2, 1]
    with pytest.raises(UnknownName, match="candidate named '7'"):
        candidates.picked(sheet, [7])


def test_an_outfit_is_drawn_as_the_reader_sees_it_and_undressed_tries_are_dropped(
    sheet: Workspace, asked_for: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotReady, match="--wear"):
        drafting.propose(sheet, Asked("coat", want=2), CONFIG)
    made = drafting.propose(sheet, Asked("coat", want=2, tries=1, wear="blue dress"), CONFIG)
    assert all("blue dress" in r.prompt for r in asked_for) and all(c.judged.fidelity for c in made.candidates)
    candidates.approve(sheet, made.candidates)
    assert [o.name for o in sheet.character.outfits] == ["coat"] and {p.generation for p in sheet.pictures("coat")} == {1}
    del asked_for[:]
    put(sheet, "dress", Scene("front", "waving"))
    drafting.propose(sheet, Asked("dress", want=3, tries=1), CONFIG)
    worn = HELD_OUT_DESIGNS["dress-a"]
    assert all(f"{worn.colour} and {worn.second} {worn.kind}" in r.prompt for r in asked_for)
    bare = torch.from_numpy(render(Doll(AOI, None, Scene())).picture.copy()).permute(2, 0, 1)
    monkeypatch.setattr(drafting, "draw", lambda _b, _s, rows, *_: torch.stack([bare] * len(rows)))
    gone = drafting.propose(sheet, Asked("dress", want=6, tries=1), CONFIG)
    assert not gone.candidates and len(gone.left) == 3


def test_neutral_candidates_never_leave_and_dressed_ones_with_a_line_in_the_ledger(
    sheet: Workspace, asked_for: list[Row], tmp_path: Path
) -> None:
    neutral = drafting.propose(sheet, Asked(want=4, tries=1), CONFIG).candidates
    dressed = drafting.propose(sheet, Asked("coat", want=2, tries=1, wear="red dress"), CONFIG).candidates
    for some in (neutral, (*neutral, *dressed), ()):
        with pytest.raises(Refused, match="never leave"):
            candidates.write_candidates(sheet, some, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    files = candidates.write_candidates(sheet, dressed, tmp_path / "out")
    assert [f.name for f in files] == ["aoi-candidate-0002.png", "aoi-candidate-0003.png", "aoi-candidates.png"]
    assert all(f.stat().st_mode & 0o77 == 0 for f in files)
    assert sheet.gate.ledger.entries()[-1].kind == "attest" and len(sheet.gate.ledger.entries()[-1].body["evidence"]) == 3
    with pytest.raises(BadInput, match="her own folder"):
        candidates.write_candidates(sheet, dressed, sheet.root / "out")


@pytest.mark.parametrize("scope", ["add", "measure"])
def test_drafting_needs_consent_to_draw_and_to_keep(sheet: Workspace, asked_for: list[Row], scope) -> None:
    made = drafting.propose(sheet, Asked(want=4, tries=1), CONFIG).candidates
    consenting.narrow(sheet, (scope,), "en")
    with pytest.raises(Refused, match=scope):
        drafting.propose(sheet, Asked(want=5, tries=1), CONFIG)
    if scope == "add":
        with pytest.raises(Refused, match="add"):
            candidates.picture(sheet, made[0])
        with pytest.raises(Refused, match="add"):
            candidates.approve(sheet, made)
    assert len(sheet.pictures()) == 3 and len(asked_for) == 1


def test_what_is_revoked_takes_drawn_pictures_and_candidates_with_it(sheet: Workspace, asked_for: list[Row]) -> None:
    """A drawn picture of an outfit comes from what drew it: revoke that, and the outfit's pictures no longer hold it."""
    put(sheet, "dress", Scene("front", "waving"))
    adding.make_known(sheet, "dress")
    sheet.record(sheet.gate.need("train:identity", "neutral"), ["None-front-standing"], ["a" * 64])
    sheet.record(sheet.gate.need("add", "outfit:dress"), ["a" * 64], ["None-side-standing"])
    put(sheet, "dress", Scene("back", "waving"), generation=1)
    sheet.record(sheet.gate.need("add", "outfit:dress"), ["a" * 64], ["dress-back-waving"])
    drafting.propose(sheet, Asked(want=5, tries=1), CONFIG)
    assert len(sheet.pictures("dress")) == 2
    consenting.revoke(sheet, ("neutral",), 0)
    assert [p.id for p in sheet.pictures("dress")] == ["dress-front-waving"] and not candidates.waiting(sheet)
    assert consenting.shred(sheet)
    assert [p.id for p in sheet.pictures(every=True)] == ["dress-front-waving"] and not list(sheet.store.list("drafts/"))


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (Asked("coat", wear="straw hat"), BadInput, "covers her"),
        (Asked("coat", wear="naked"), Refused, "dressed"),
        (Asked(text="neutral layer"), Refused, "dressed"),
        (Asked(text="15 years old"), Refused, "adults only"),
        (Asked("coat", wear="red dress", text="(na:1.1)ked"), Refused, "dressed"),
        (Asked(wear="red dress"), BadInput, "for outfits"),
        (Asked(tries=0), BadInput, "--tries 0"),
        (Asked("a b", wear="red dress"), BadInput, "a-z, A-Z, 0-9"),
        (Asked(by="adapter"), NotReady, "not trained yet"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(sheet: Workspace, asked_for: list[Row], asked: Asked, error, says: str) -> None:
    with pytest.raises(error, match=says) as told:
        drafting.propose(sheet, asked, CONFIG)
    assert "\n" not in str(told.value) and not asked_for and not list(sheet.store.list("drafts/"))


def test_neutral_pictures_are_drawn_on_the_embedded_model_alone(sheet: Workspace, asked_for: list[Row]) -> None:
    sheet.character = replace(sheet.character, base_model="elsewhere")
    with pytest.raises(Refused, match="embedded"):
        drafting.propose(sheet, Asked(), CONFIG)
    with pytest.raises(NotReady, match="who she is"):
        drafting.propose(sheet, Asked("coat", wear="red dress"), CONFIG)
    with pytest.raises(BadInput, match="auto, adapter, words"):
        drafting.way_of("magic")


def test_reading_captions_keeps_the_view_that_the_cut_of_a_sheet_named(sheet: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Doll(AOI, None, Scene("three-quarter", "waving", "sky"))
    monkeypatch.setattr(looking, "read_pictures", lambda _her, _reader, pictures: [reading(seen) for _ in pictures])
    looking.read(sheet, every=True)
    assert {p.caption for p in sheet.pictures()} == {
        f"{NEUTRAL}, {view} view, waving, sky background" for view in ("front", "side", "back")
    }
