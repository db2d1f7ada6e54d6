"""Character cards: what is read from good ones, and one clear line for each kind of bad one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dressform.consent import cards as reading
from dressform.consent.profile import boundary
from dressform.errors import BadInput, DressformError, Refused
from tests.cards import SIGNATURE, as_json, as_png, card, chunk, in_png

GOOD = {
    "V2 JSON": as_json(card(2)),
    "V3 JSON": as_json(card(3)),
    "JSON with a byte order mark": b"\xef\xbb\xbf" + as_json(card(2)),
    "a later V3": as_json({**card(3), "spec_version": "3.9", "new": 1}),
    "V2 PNG": as_png(chara=in_png(card(2))),
    "V3 PNG": as_png(ccv3=in_png(card(3))),
    "base64 in lines": as_png(chara=base64.encodebytes(as_json(card(2)))),
    "keyword in capitals": as_png(Chara=in_png(card(2))),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_card_becomes_a_profile(kind: str) -> None:
    found = reading.from_bytes(GOOD[kind])
    her = "Aoi" if "V3" in kind else "Aoi Tanaka"
    assert found.name == her and found.notes == "Drawn for a seaside story."
    assert found.about == f"{her} is a calm painter of 27.\n\nquiet, kind to the user"
    assert found.boundaries == (boundary("My pictures stay here [publish, export:identity]"),)


def test_the_newer_card_wins_in_a_picture_with_both() -> None:
    both = as_png(chara=in_png(card(2, name="Old")), ccv3=in_png(card(3)))
    assert reading.from_bytes(both).name == "Aoi"
    with pytest.raises(BadInput, match="ccv3 in the PNG is not base64"):
        reading.from_bytes(as_png(chara=in_png(card(2)), ccv3=b"!!"))


def test_a_card_without_anything_of_ours_has_no_boundaries() -> None:
    for extensions in ({}, {"other": {"boundaries": 1}}, None):
        assert reading.from_bytes(as_json(card(2, extensions=extensions))).boundaries == ()


nested = b'{"spec": "chara_card_v2", "data": ' + b'{"extensions":' * 100_000
whole = as_png(chara=in_png(card(2)))
BAD = {
    "nothing": (b"", "not a character card"),
    "no JSON": (b"hello", "not a character card"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(200), "not a character card"),
    "a list": (b"[]", "spec 'None'"),
    "a number": (b"7", "spec 'None'"),
    "nested without end": (nested, "not a character card"),
    "a number without end": (b'{"spec": ' + b"9" * 5000 + b"}", "not a character card"),
    "V1": (as_json({"name": "Aoi", "first_mes": "Hello."}), "version 1"),
    "another spec": (as_json({"spec": "lorebook_v3", "data": {}}), "lorebook_v3"),
    "a spec that is no text": (as_json({"spec": ["chara_card_v2"], "data": {}}), "is known"),
    "no data": (as_json({"spec": "chara_card_v2"}), "no data"),
    "data that is a list": (as_json({"spec": "chara_card_v2", "data": []}), "no data"),
    "no name": (as_json(card(2, name="")), "no name"),
    "an invisible name": (as_json(card(2, name="\u200b")), "no name"),
    "a name that is no text": (as_json(card(2, name=["Aoi"])), "name is not a text"),
    "a description that is no text": (as_json(card(2, description=7)), "description is not a text"),
    "tags that are no texts": (as_json(card(2, tags=[1])), "tags are not a list"),
    "a description too long": (as_json(card(2, description="a" * 20_001)), "about: "),
    "too much text": (as_json(card(2, first_mes="a" * 200_001)), "too many to check"),
    "over the limit": (as_json(card(2, assets="a" * 2**22)), "over 4 MiB"),
    "over the limit in a PNG": (as_png(chara=b"A" * 2**23), "over 4 MiB"),
    "an unknown scope": (as_json(card(2, extensions={"dressform": {"boundaries": ["a [fly]"]}})), "'fly'"),
    "boundaries that are no list": (as_json(card(2, extensions={"dressform": {"boundaries": "a"}})), "boundaries are not a list"),
    "an unknown key of ours": (as_json(card(2, extensions={"dressform": {"limits": []}})), "extensions.dressform"),
    "ours is no object": (as_json(card(2, extensions={"dressform": 1})), "extensions.dressform"),
    "a PNG without a card": (as_png(Software=b"paint"), "without a character card"),
    "a PNG with no base64": (as_png(chara=b"{}{}"), "not base64"),
    "a PNG with no JSON": (as_png(chara=base64.b64encode(b"hello")), "not a character card"),
    "a signature alone": (SIGNATURE, "cut off"),
    "a PNG cut in the middle": (whole[:-40], "cut off"),
    "a PNG without its end": (whole[:-12], "cut off"),
    "a chunk longer than the file": (SIGNATURE + (2**32 - 1).to_bytes(4) + b"tEXt", "cut off"),
    "a PNG with a flipped bit": (whole[:60] + bytes([whole[60] ^ 1]) + whole[61:], "damaged"),
    "a keyword without a text": (SIGNATURE + chunk(b"tEXt", b"chara") + chunk(b"IEND", b""), "without a character card"),
}


@pytest.mark.parametrize("kind", BAD)
def test_each_kind_of_bad_card_has_one_clear_line(kind: str, tmp_path: Path) -> None:
    data, said = BAD[kind]
    (tmp_path / "card.png").write_bytes(data)
    with pytest.raises(BadInput, match=r"^card\.png: ") as refused:
        reading.read(tmp_path / "card.png")
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_is_missing_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="could not be read"):
        reading.read(tmp_path / "none.png")
    with pytest.raises(BadInput, match="could not be read"):
        reading.read(tmp_path)
    monkeypatch.setattr(reading, "FILE_LIMIT", 10)
    (tmp_path / "a.json").write_bytes(bytes(11))
    with pytest.raises(BadInput, match="too large"):
        reading.read(tmp_path / "a.json")


@pytest.mark.parametrize("field", ["name", "description", "personality", "scenario", "first_mes", "mes_example", "creator_notes"])
def test_no_text_of_a_card_says_that_she_is_younger_or_real(field: str) -> None:
    with pytest.raises(Refused):
        reading.from_bytes(as_json(card(2, **{field: "a schoolgirl of 16"})))


@pytest.mark.parametrize("changes", [{"tags": ["loli"]}, {"alternate_greetings": ["I am 15 years old."]}, {"nickname": "teen"}])
def test_what_is_left_out_of_the_profile_is_checked_too(changes: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(as_json(card(3, **changes)))
    with pytest.raises(Refused, match=r"^card\.json: .*adults only"):
        reading.read(tmp_path / "card.json")


@given(st.binary(max_size=400), st.sampled_from([b"", SIGNATURE, b'{"spec": "chara_card_v2", "data": {', whole[:200]]))
def test_any_bytes_are_a_profile_or_one_clear_line(data: bytes, start: bytes) -> None:
    try:
        reading.from_bytes(start + data)
    except DressformError as error:
        assert str(error) and "\n" not in str(error)


values = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8), lambda v: st.lists(v, max_size=3), max_leaves=6)


@given(st.dictionaries(st.sampled_from([*reading._TEXTS, *reading._LISTS, "extensions", "other"]), values | st.text(max_size=30)))
def test_any_fields_are_a_profile_or_one_clear_line(fields: dict[str, object]) -> None:
    try:
        found = reading.from_bytes(as_json(card(3, **fields)))
    except DressformError as error:
        assert "\n" not in str(error)
        return
    assert found.name and "{{char}}" not in found.about
