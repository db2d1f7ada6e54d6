"""Tags, edits, filters, the lint, and the captions of a character."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dressform.cli import preflight
from dressform.errors import BadInput, NotReady, Refused, StoreError, UnknownName
from dressform.measure import reader as reading
from dressform.pictures import intake, tags
from dressform.pictures.lint import Finding, Seen, Words, lint
from dressform.pictures.tags import Edit, Where
from dressform.records import Outfit, Picture
from dressform.workspace import captioning, character_file, consenting, looking

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace

WORDS = Words("aoi", (("dress", "aoi_dress"), ("coat", "aoi_coat")))
VIEWS = ("front view", "side view", "back view")
POSES = ("standing", "waving", "walking")


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("long green hair", "body"), ("Blue_Eyes", "body"), ("no mark", "body"), ("red dress", "garment"), ("neutral layer", "garment"),
        ("three-quarter view", "view"), ("from_behind", "view"), ("hands on hips", "pose"), ("sky background", "background"),
        ("park background", "background"), ("hair ribbon", "garment"), ("masterpiece", None), ("", None),
    ],
)  # fmt: skip
def test_a_tag_speaks_of_what_its_last_words_say(tag: str, kind: str | None) -> None:
    assert tags.kind(tag) == kind


def test_every_body_garment_and_scene_tag_of_the_lay_figure_world_is_known() -> None:
    from dressform.layfigure.captions import garment_tag, identity_tags, scene_tags
    from dressform.layfigure.doll import BACKGROUNDS, KINDS, POSES, VIEWS, Garment, Scene
    from dressform.layfigure.world import HELD_OUT_IDENTITIES

    for who in HELD_OUT_IDENTITIES.values():
        assert [tags.kind(t) for t in identity_tags(who)] == ["body"] * 8
    assert {tags.kind(garment_tag(Garment(k, "red", "blue"))) for k in KINDS} | {tags.kind(garment_tag(None))} == {"garment"}
    scenes = [Scene(v, p, b) for v in VIEWS for p in POSES for b in BACKGROUNDS]
    assert {tuple(map(tags.kind, scene_tags(s))) for s in scenes} == {("view", "pose", "background")}


def test_an_edit_takes_out_puts_in_place_and_adds_in_this_order() -> None:
    change = Edit(("outdoors", "WAVING"), ("blue *",), (("park background", "garden background"),))
    assert change("waving, blue hair, Park_Background") == "waving, garden background, outdoors"
    assert change(change("waving, blue hair")) == "waving, outdoors"
    assert Edit(replace=(("a", "b"),))("a, b, c") == "b, c", "a tag stood twice"
    assert Edit()("  front  view ,, waving") == "front view, waving"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True), ("outfit=dress", True), ("outfit=neutral", False), ("tag=park", True), ('tag="park background"', True),
        ("tag=par", False), ("tag=par*", True), ("tag!=waving", False), ("tag!=night", True), ("caption=any", True),
        ("caption=none", False), ("source=0*.png", True), ("id=3f2a", True), ("id=f2", False), ("outfit=dress tag=night", False),
    ],
)  # fmt: skip
def test_a_filter_means_pictures_that_fit_every_condition(text: str, fits: bool) -> None:
    assert Where.parsed(text).holds("dress", "waving, park background", "01.png", "3f2a91bc") is fits


@pytest.mark.parametrize("text", ["colour=red", "outfit", "tag='open", "caption=maybe"])
def test_a_filter_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="filter"):
        Where.parsed(text)


@pytest.mark.parametrize("text", ["a", "=b", "a=", "a=b,c"])
def test_a_replacement_needs_both_sides(text: str) -> None:
    with pytest.raises(BadInput, match="OLD=NEW"):
        tags.replacement(text)


def good(outfit: str | None, count: int = 9, **change: object) -> list[Seen]:
    """Pictures that the lint has nothing to say about."""
    own = "neutral layer" if outfit is None else ""
    rows = []
    for i in range(count):
        scene = f"{VIEWS[i % 3]}, {POSES[i // 3 % 3]}, {('white', 'park')[i % 2]} background"
        given = {"caption": f"{own}, {scene}" if own else scene, "has_mask": outfit is not None, "shows": (own or "red dress",),
                 "worn": outfit or "neutral"} | change  # fmt: skip
        rows.append(Seen(f"{outfit}{i}", f"{i:02}.png", outfit, **given))  # type: ignore[arg-type]
    return rows


def codes(found: list[Finding]) -> dict[str, str]:
    return {f.code: f.severity for f in found}


def test_a_good_set_has_no_findings() -> None:
    assert lint([*good(None), *good("dress")], WORDS) == []
    assert lint([], WORDS) == []


VECTORS: dict[str, tuple[list[Seen], str, str]] = {
    "no captions": (good("dress", caption=""), "no-caption", "serious"),
    "one caption missing": ([*good("dress", 8), Seen("x", "x.png", "dress", "", True)], "no-caption", "notice"),
    "two pictures": (good("dress", 2), "few-pictures", "serious"),
    "five pictures": (good("dress", 5), "few-pictures", "notice"),
    "no masks": (good("dress", has_mask=False), "no-mask", "serious"),
    "a body trait in every caption": (good("dress", caption="green eyes, side view"), "body-named", "serious"),
    "a caption beyond what is read": ([*good("dress"), Seen("x", "x.png", "dress", "jump", True, unread=4)], "caption-too-long", "notice"),
    "a body trait in one": ([*good("dress"), Seen("x", "x.png", "dress", "tan skin, waving", True)], "body-named", "notice"),
    "a garment never named": (good(None, caption="side view"), "garment-never-named", "serious"),
    "the outfit's garment named": (good("dress", caption="red dress, side view"), "garment-always-named", "notice"),
    "another outfit's word": ([*good("dress"), Seen("x", "x.png", "dress", "aoi coat, waving", True)], "other-trigger", "serious"),
    "the outfit's own word": ([*good("dress"), Seen("x", "x.png", "dress", "Aoi_Dress, waving", True)], "trigger-by-hand", "notice"),
    "an outfit's word in neutral ones": ([*good(None), Seen("x", "x.png", None, "aoi_dress, waving", False)], "other-trigger", "serious"),
    "one picture of another outfit": ([*good("dress"), *good("dress", 1, worn="coat")], "another-outfit", "notice"),
    "many pictures of another outfit": ([*good("dress"), *good("dress", 3, worn="coat")], "another-outfit", "serious"),
    "dressed among the neutral": ([*good(None), *good(None, 3, worn="coat")], "another-outfit", "serious"),
    "one view": (good("dress", caption="side view, park background"), "view-never-varies", "notice"),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_each_fault_is_found_with_its_severity_and_its_fix(name: str) -> None:
    pictures, code, severity = VECTORS[name]
    found = lint(pictures, WORDS)
    assert codes(found)[code] == severity, found
    assert all(f.fix and "\n" not in f.text and f.about in ("neutral", "dress") for f in found)
    assert [f.severity for f in found] == sorted((f.severity for f in found), reverse=True), "serious ones come first"


def test_near_duplicates_are_named_with_the_one_to_keep() -> None:
    pictures = good("dress")
    found = lint(pictures, WORDS, [(pictures[2].id, pictures[0].id)])
    assert [f.code for f in found] == ["near-duplicates"] and found[0].text.startswith("02.png shows the same as 00.png")


def test_the_lint_finds_nothing_more_after_its_own_fixes() -> None:
    broken = [*good(None, caption="green eyes, side view"), *good("dress", caption="aoi_coat, aoi, red dress, side view")]
    for finding in lint(broken, WORDS):
        assert all(p.id not in finding.pictures or finding.safe or finding.severity == "notice" for p in broken)
        change = Edit(finding.add, finding.remove)
        broken = [Seen(**{**asdict(p), "caption": change(p.caption)}) if p.id in finding.pictures else p for p in broken]
    assert not any(f.safe for f in lint(broken, WORDS))


# the captions of a character ---------------------------------------------------------------------------
def put(her: Workspace, name: str, outfit: str | None, caption: str) -> Picture:
    pixels = np.random.default_rng(len(list(her.store.list()))).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    picture = Picture(f"id{name}", outfit, caption, 32, 32, outfit is not None, f"{name}.png")
    her.store.write(f"pictures/{picture.id}.png", intake.png(pixels))
    her.store.write(f"pictures/{picture.id}.json", json.dumps(asdict(picture)).encode())
    return picture


@pytest.fixture
def captioned(her: Workspace) -> Workspace:
    from dataclasses import replace

    her.character = replace(her.character, base_model="elsewhere", outfits=(Outfit("dress", "aoi_dress"),))
    for i in range(3):
        put(her, f"n{i}", None, f"neutral layer, {VIEWS[i]}")
        put(her, f"d{i}", "dress", f"{VIEWS[i]}, park background, green eyes")
    return her


def said(her: Workspace) -> dict[str, str]:
    return {p.source: p.caption for p in her.pictures(every=True)}


def test_a_bulk_edit_changes_what_the_filter_means_and_is_undone_level_by_level(captioned: Workspace) -> None:
    before = said(captioned)
    first = captioning.edit(captioned, Where.parsed("outfit=dress tag=park"), Edit(("outdoors",), ("green eyes",)))
    middle = said(captioned)
    assert len(first) == 3 and middle["d0.png"] == "front view, park background, outdoors"
    assert {k: v for k, v in middle.items() if k[0] == "n"} == {k: v for k, v in before.items() if k[0] == "n"}
    captioning.edit(captioned, Where(), Edit(("ink",)))
    assert captioning.undo(captioned)[0] == "edit" and said(captioned) == middle
    captioning.undo(captioned)
    assert said(captioned) == before
    with pytest.raises(NotReady, match="nothing to undo"):
        captioning.undo(captioned)


def test_a_mask_found_and_a_picture_gone_meanwhile_stay_so(captioned: Workspace) -> None:
    shown = {p.source: p for p in captioned.pictures(every=True)}
    row = json.loads(captioned.store.read("pictures/idn0.json"))
    captioned.store.write("pictures/idn0.json", json.dumps(row | {"has_mask": True}).encode())
    captioned.store.delete_all(["pictures/idn1.png", "pictures/idn1.json"])
    captioning.write(captioned, {shown[s]: "side view" for s in ("n0.png", "n1.png", "n2.png")}, "edit")
    now = {p.source: p for p in captioned.pictures(every=True)}
    assert now["n0.png"].has_mask and now["n0.png"].caption == now["n2.png"].caption == "side view" and "n1.png" not in now


def test_only_so_many_levels_are_kept(captioned: Workspace) -> None:
    for i in range(captioning.LEVELS + 3):
        captioning.edit(captioned, Where(), Edit((f"mark{i} x",)))
    for _ in range(captioning.LEVELS):
        captioning.undo(captioned)
    with pytest.raises(NotReady):
        captioning.undo(captioned)
    assert said(captioned)["n0.png"].endswith("mark2 x")


def test_brackets_in_a_tag_are_taken_out_as_they_stand() -> None:
    assert Edit(remove=("[blonde] hair",))("front view, [blonde] hair, b hair") == "front view, b hair"
    assert Edit(remove=("*hair",))("front view, [blonde] hair") == "front view"


def test_what_two_commands_change_at_once_is_both_kept(captioned: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second edit reads the captions once the first is done: here it begins while the first one writes."""
    waited: list[bool] = []
    real = captioning._remember

    def meanwhile(workspace: Workspace, before: Mapping[str, str], what: str) -> None:
        with pytest.raises(StoreError, match="another process has held captions"), monkeypatch.context() as brief:
            brief.setattr(character_file, "_WAIT_SECONDS", 0)
            with character_file.held(workspace.root, "captions"):
                pass
        waited.append(True)
        real(workspace, before, what)

    monkeypatch.setattr(captioning, "_remember", meanwhile)
    assert captioning.edit(captioned, Where(), Edit(add=("tall",))) and waited == [True]


def test_edits_are_recorded_and_leave_no_words_in_the_ledger(captioned: Workspace) -> None:
    captioning.edit(captioned, Where.parsed("outfit=dress"), Edit(("lanterns",)))
    line = captioned.gate.ledger.entries()[-1]
    assert line.body["action"] == "caption" and line.body["assets"] == ["outfit:dress"] and len(line.body["inputs"]) == 3
    assert "lanterns" not in (captioned.root / "consent.jsonl").read_text()


@pytest.mark.parametrize("words", ["a girl of 9 years old", "loli"])
def test_a_caption_that_is_refused_changes_nothing(captioned: Workspace, words: str) -> None:
    before = said(captioned)
    with pytest.raises(Refused):
        captioning.edit(captioned, Where(), Edit((words,)))
    assert said(captioned) == before and not list(captioned.store.list("captions/"))


def test_captions_need_consent_to_be_changed_undone_or_looked_through(captioned: Workspace) -> None:
    captioning.edit(captioned, Where(), Edit(("ink",)))
    consenting.narrow(captioned, ("caption",), "en")
    before = said(captioned)
    for act in (
        lambda: captioning.edit(captioned, Where(), Edit(("pen",))),
        lambda: captioning.undo(captioned),
        lambda: looking.findings(captioned),
    ):
        with pytest.raises(Refused, match="caption"):
            act()
    assert said(captioned) == before


def test_an_edit_that_means_nothing_is_refused(captioned: Workspace) -> None:
    with pytest.raises(BadInput, match="nothing to do"):
        captioning.edit(captioned, Where(), Edit())
    with pytest.raises(BadInput, match="no picture fits"):
        captioning.edit(captioned, Where.parsed("tag=moon"), Edit(("a",)))
    with pytest.raises(UnknownName, match="dress"):
        captioning.edit(captioned, Where.parsed("outfit=dres"), Edit(("a",)))


def test_fix_does_what_the_lint_calls_safe_as_one_change(captioned: Workspace) -> None:
    before = said(captioned)
    found = looking.findings(captioned)
    assert codes(found)["body-named"] == "serious"
    with pytest.raises(NotReady, match=r"green eyes.*--despite-lint"):
        looking.refuse_serious(found)
    assert len(captioning.fix(captioned, found)) == 3
    after = looking.findings(captioned)
    assert "body-named" not in codes(after)
    looking.refuse_serious(after)
    captioning.undo(captioned)
    assert said(captioned) == before


def test_where_one_outfit_is_trained_alone_what_is_found_of_others_stops_nothing(
    captioned: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    serious = {f.about for f in looking.findings(captioned) if f.severity == "serious"}
    for her_again in (True, False):
        monkeypatch.setattr("dressform.workspace.planning.may_stay", lambda _, stays=not her_again: stays)
        with pytest.raises(NotReady, match="green eyes"):
            preflight.passed(captioned, False, sorted(serious))
    preflight.passed(captioned, False, ["another"])
    monkeypatch.setattr("dressform.workspace.planning.may_stay", lambda _: False)
    with pytest.raises(NotReady, match="green eyes"):  # her identity is learned from all of them
        preflight.passed(captioned, False, ["another"])


def test_near_duplicates_in_the_store_are_found_and_the_sharpest_comes_first(captioned: Workspace) -> None:
    from PIL import Image

    from dressform.layfigure.doll import Doll, Scene
    from dressform.layfigure.render import render
    from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES

    doll = Doll(HELD_OUT_IDENTITIES["aoi"], HELD_OUT_DESIGNS["dress-a"], Scene())
    whole = Image.fromarray(np.ascontiguousarray(render(doll, 128).picture))
    for name, image in {"soft": whole.resize((48, 48)).resize((128, 128)), "sharp": whole}.items():
        put(captioned, name, "dress", "")
        captioned.store.write(f"pictures/id{name}.png", intake.png(np.asarray(image)))
    groups = looking.near_duplicates(captioned, captioned.pictures(every=True))
    assert groups == [("idsharp", "idsoft")]


def test_a_look_reads_the_pictures_alone_that_it_did_not_see_before(captioned: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    captioned.character = replace(captioned.character, base_model="layfigure")
    captioned.__dict__["backbone"] = SimpleNamespace(size_px=32)
    read: list[list[str]] = []
    known = looking.read_pictures

    def reads(workspace: Workspace, reader: object, pictures: list[Picture]) -> list[reading.Reading]:
        read.append([p.id for p in pictures])
        return known(workspace, reader, pictures)  # type: ignore[arg-type]

    monkeypatch.setattr(looking, "read_pictures", reads)
    told: list[tuple[int, int]] = []
    before = looking.findings(captioned, lambda done, of: told.append((done, of)))
    assert told == [(6, 6)] and looking.findings(captioned) == before and len(read) == 1
    put(captioned, "n9", None, "neutral layer, side view")
    looking.findings(captioned)
    assert read[1:] == [["idn9"]]
    captioned.store.delete_all(["pictures/idn9.png", "pictures/idn9.json"])
    assert looking.findings(captioned) == before and len(read) == 2
    kept = json.loads(captioned.store.read("lint/looked-at.json"))
    assert len(kept["shown"]) == 6, "what a picture showed that is gone is not kept"


def test_the_reader_is_for_the_embedded_world_alone(captioned: Workspace) -> None:
    with pytest.raises(NotReady, match="embedded"):
        looking.read(captioned, every=False)


def test_training_without_masks_is_stopped_with_the_command_that_makes_them(captioned: Workspace) -> None:
    row = captioned.pictures("dress")[0]
    captioned.store.write(f"pictures/{row.id}.json", json.dumps({**asdict(row), "has_mask": False}).encode())
    with pytest.raises(NotReady, match="dressform mask NAME --outfit dress"):
        looking.refuse_unmasked(captioned.pictures(every=True))
