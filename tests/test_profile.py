"""Who she is and her boundaries: what is written comes back, what must not be said is refused, boundaries prohibit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dressform.consent import profile
from dressform.consent.profile import LIMITS, Boundary, Profile, boundary, checked, refuse_against
from dressform.consent.scopes import CAREFUL, SCOPES
from dressform.errors import BadInput, DressformError, Refused, Tampered
from dressform.workspace import consenting, profiling
from dressform.workspace.workspace import Workspace
from tests import cards

STAYS = "My pictures stay here [publish, export:identity]"


@pytest.mark.parametrize(
    ("written", "words", "scopes"),
    [
        (STAYS, "My pictures stay here", ("publish", "export:identity")),
        ("  never in   a bathhouse ", "never in a bathhouse", ()),
        ("外に出さない[publish]", "外に出さない", ("publish",)),
        ("no scopes []", "no scopes", ()),
    ],
)
def test_a_boundary_is_words_and_scopes(written: str, words: str, scopes: tuple[str, ...]) -> None:
    assert boundary(written) == Boundary(words, scopes)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["", "  ", "[publish]", "a [publish] b", "a [[publish]]", "a [dress] [publish]"])
def test_a_boundary_that_cannot_be_read_says_how_to_write_it(written: str) -> None:
    with pytest.raises(BadInput, match="write WORDS or"):
        boundary(written)


def test_a_boundary_of_an_unknown_scope_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'publsh'.*publish"):
        boundary("here [publsh]")


@given(st.text(), st.lists(st.sampled_from(SCOPES)))
def test_a_boundary_reads_back_as_it_is_shown(words: str, scopes: list[str]) -> None:
    try:
        found = boundary(f"{words} [{', '.join(scopes)}]")
    except BadInput:
        return
    assert boundary(str(found)) == found and str(found).isprintable()


texts = st.text(max_size=60)
profiles = st.builds(Profile, texts, texts, texts, st.lists(st.builds(Boundary, texts, st.just(("dress",))), max_size=4).map(tuple))


@given(profiles)
@example(Profile("0\r\U00018cd6 0", "", "", ()))  # a hidden character between two spaces
def test_a_checked_profile_is_stored_and_read_back_as_it_is(written: Profile) -> None:
    try:
        kept = checked(written)
    except (BadInput, Refused):
        return
    assert profile.from_bytes(profile.to_bytes(kept)) == kept == checked(kept)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"format": 2}', b'{"format": 1, "boundaries": [{"words": 1}]}'])
def test_other_bytes_are_no_profile(data: bytes) -> None:
    with pytest.raises(Tampered, match="profile in the vault"):
        profile.from_bytes(data)


@pytest.mark.parametrize("part", ["name", "about", "notes"])
@pytest.mark.parametrize("text", ["a teen", "she is 15 years old", "a real celebrity", "女子高生"])
def test_no_part_of_a_profile_says_that_she_is_younger_or_real(part: str, text: str) -> None:
    with pytest.raises(Refused):
        checked(Profile(**{part: text}))
    with pytest.raises(Refused):
        checked(Profile(boundaries=(Boundary(text),)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 11_900), st.sampled_from(["word ", "A sentence. ", "line\n", "文。", "x"]))
def test_no_place_in_a_long_text_hides_a_word(at: int, filler: str) -> None:
    text = (filler * 12_000)[:at] + " schoolgirl " + (filler * 12_000)[: 11_900 - at]
    with pytest.raises(Refused, match="schoolgirl"):
        checked(Profile(about=text))


@pytest.mark.parametrize("at", range(3580, 4010, 10))
def test_nothing_hides_between_two_pieces_of_a_long_text(at: int) -> None:
    with pytest.raises(Refused, match="15 years old"):
        checked(Profile(about="x" * at + " 15\nyears old " + "x" * 4000))


def test_a_long_text_without_such_words_passes_and_too_long_a_text_says_its_length() -> None:
    assert checked(Profile(about="She paints the sea from her childhood home. " * 400)).about
    with pytest.raises(BadInput, match=f"about: {LIMITS['about'] + 1} characters"):
        checked(Profile(about="a" * (LIMITS["about"] + 1)))
    with pytest.raises(BadInput, match="boundary: 301"):
        checked(Profile(boundaries=(Boundary("a" * 301),)))
    with pytest.raises(BadInput, match="41 boundaries"):
        checked(Profile(boundaries=tuple(Boundary(f"b{i}") for i in range(41))))


def test_what_cannot_be_seen_is_taken_out() -> None:
    assert checked(Profile(about="a\x1b[31m\u202eb\r\nc\ud800")).about == "a[31mb\nc"


def test_a_boundary_prohibits_and_nothing_grants_it_while_it_stands(her: Workspace) -> None:
    assert her.permitted()["dress"]
    assert profiling.keep(her, profiling.change(her, None, "A painter.", None, [STAYS, "no masks [dress]"]), "en") == (
        "dress", "export:identity", "publish",
    )  # fmt: skip
    assert not her.permitted()["dress"] and her.permitted()["add"]
    with pytest.raises(Refused, match="publish: her boundary stands against it: 'My pictures stay here'"):
        consenting.grant(her, ["add", "publish"], (), None, "en")
    assert profiling.keep(her, profiling.change(her, None, None, None, [""]), "en") == ()
    assert her.profile == Profile(about="A painter.") and not her.permitted()["publish"]
    consenting.grant(her, ["publish"], (), None, "en")
    assert her.permitted()["publish"]


def test_a_refused_profile_changes_nothing(her: Workspace) -> None:
    lines = consenting.verify(her).length
    for part in (Profile(about="a teen", boundaries=(boundary(STAYS),)), Profile(about="x" * 20_001)):
        with pytest.raises(DressformError):
            profiling.keep(her, part, "en")
    with pytest.raises(BadInput, match="nothing to set"):
        profiling.change(her, None, None, None, None)
    assert her.profile == profile.EMPTY and consenting.verify(her).length == lines


def test_the_words_of_a_profile_lie_in_the_store_alone(her: Workspace) -> None:
    profiling.keep(her, Profile("Aoi", "A quetzal painter.", "quetzal", (boundary("quetzal stays [publish]"),)), "en")
    written = [p.read_bytes() for p in her.root.rglob("*") if p.is_file()]
    assert len(written) >= 3 and not any(b"quetzal" in data for data in written)


def test_a_card_comes_to_the_boundaries_that_she_has(her: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "aoi.json"
    file.write_bytes(cards.as_json(cards.card()))
    profiling.keep(her, Profile("A", "before", "", (boundary("no hats [dress]"),)), "en")
    profiling.import_card(her, file, ["no glasses", STAYS], "en")
    assert her.profile.name == "Aoi Tanaka" and "before" not in her.profile.about
    assert [str(b) for b in her.profile.boundaries] == ["no hats [dress]", STAYS, "no glasses"]
    profiling.import_card(her, file, [], "en")
    assert len(her.profile.boundaries) == 3


@given(st.lists(st.sampled_from(SCOPES), unique=True), st.lists(st.sampled_from(SCOPES), unique=True))
def test_a_grant_passes_only_where_no_boundary_names_a_scope_of_it(bound: list, permit: list) -> None:
    standing = Profile(boundaries=(Boundary("here", tuple(bound)),))
    try:
        refuse_against(standing, permit)
        passed = True
    except Refused:
        passed = False
    assert passed == standing.prohibited.isdisjoint(permit)
    assert set(CAREFUL) - standing.prohibited == {s for s in CAREFUL if s not in bound}
