"""What is refused whatever was agreed: texts that say someone is under age, undressed, or a real person.

A closed door for the families of words in ``lists/`` and no more; ``docs/trust.md`` says what it misses.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from dressform.consent.normal import LENGTH_LIMIT, katakana, letters, plain, variants
from dressform.errors import Refused, Tampered
from dressform.records import ADULT_YEARS

Family = Literal["younger", "undressed", "likeness"]
_DIGESTS: dict[Family, str] = {
    "younger": "60e9c1ed3605ed3ed4dabab24d9ddc3efc0e47b5852527314316b70658d5682d",
    "undressed": "d510176cc1a3e24dae73ee54f44b0141dd7380827d246f4d20434c2809ae3c5b",
    "likeness": "dfbdb056732692d57348349685cbfbdf68408b1b48d8cfd78f9957c50a3e4831",
}
"""SHA-256 of each list as it was tested; another list is not used."""
_WAY_FORWARD: dict[Family, str] = {
    "younger": "describes someone under age: dressform draws adults only; take the word out",
    "undressed": "asks for less than dressed: finished pictures are dressed; name an outfit instead",
    "likeness": "says that a real person is meant: dressform draws invented characters or yourself; take the word out",
}
_OVERLAP = 400
_NUMBER_WORDS = {
    w: i
    for i, w in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen".split()
    )
}
_OF_A_TURN = (
    "degrees?|deg|quarters?|thirds?|hal(?:f|ves)|ways?|times?|steps?|pages?|heads?|sides?|clockwise|left|right|towards?|away|around|percent"
)
"""What is counted when a head or a figure turns, and no age."""
_OF_A_SIZE = (
    r"cm|mm|m|km|kg|lbs?|px|pixels?|feet|foot|ft|inch(?:es)?|metres?|meters?|heads?|times?|percent|degrees?|out of|of|minutes?|hours?"
    r"|\d"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d|\s*(?:cm|mm|m|kg|lbs?|px)(?![a-z])))")
_NUMBER = rf"(\d{{1,3}}|{'|'.join(_NUMBER_WORDS)})"
_AGES = (
    re.compile(rf"(?<![a-z0-9]){_NUMBER}\s*(?:years?|yrs?|yr)\s*(?:old|of age)(?![a-z])"),
    re.compile(rf"(?<![a-z0-9]){_NUMBER}\s*(?:yo|y o|yrs? old|months? old|weeks? old|days? old)(?![a-z])"),
    re.compile(rf"(?<![a-z])(?:age|aged|ages|age is)\s*{_NUMBER}(?![a-z0-9])"),
    re.compile(rf"(?<![a-z])(?:turned|turning)\s*{_NUMBER}(?![a-z0-9])(?!\s*(?:\d|{_OF_A_TURN})(?:[^a-z]|$))"),
    re.compile(r"(?<!\d)(\d{1,3})\s*(?:[歳才]|サイ(?!ズ))(?!月)"),
    re.compile(r"(?<!\d)(\d{1,3})\s*(?:サイ|ヶ月|カ月|か月)(?:ノ|児)"),
    re.compile(r"年齢\s*[ハ:は]?\s*(\d{1,3})"),
    re.compile(rf"(?<!for )(?<![a-z0-9]){_NUMBER}\s*yrs?(?![a-z])(?!\s*(?:of experience|experience|ago|later|from|in business))"),
    re.compile(rf"(?<![a-z0-9]){_NUMBER}\s*and a half (?:years?|yrs?)(?![a-z])"),
    re.compile(
        r"(?<![a-z])(?:(?:she|he|who) (?:is|s)|i (?:am|m)) (?:only |just )?(1[0-7]|(?:thir|four|fif|six|seven)teen)(?![a-z0-9])"
        rf"(?! ?(?:{_OF_A_SIZE})(?![a-z]))"
    ),
    re.compile(r"(?<!\d)(\d{1,2})(?:st|nd|rd|th) birthday"),
)
_STAGES = (
    re.compile(r"(?<![a-z])(?:under|below|younger than|not yet) (?:18|eighteen)(?= *$| (?:years?|yrs?|yo|and|or|old)(?![a-z]))"),
    re.compile(r"(?<![a-z0-9])(?:1[0-2]|[1-9])(?:st|nd|rd|th) ?grade(?:rs?(?![a-z])|(?= *$| (?:student|pupil|girl|boy|class|kid|child)))"),
    re.compile(r"(?<![a-z])(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth) ?graders?(?![a-z])"),
    re.compile(r"(?<![a-z])secondary ?school"),
    re.compile(r"(?:高校|中学校?|小学校?)[1-6一二三四五六]年"),
    re.compile(r"(?<![^\W\d])[高中小](?:[1-6一二三四五六](?=ノ|生|女子|男子)|[1-6](?!\w))"),
)
"""Words for someone under age that have a number in them: grades of a school."""
_PARTS_OF_A_YEAR = re.compile(r"(?<![\d.,])(\d{1,2})\.(?:\d|25|50|75)(?=\s*-?\s*(?:years?|yrs?|yo|y\.?o|[歳才]))")
"""Never at a comma, and no other numbers: "88,15 years old" is a measure and an age."""


@dataclass(frozen=True)
class _List:
    ascii: re.Pattern[str]
    other: re.Pattern[str]
    spared_ascii: re.Pattern[str]
    spared_other: re.Pattern[str]


def refuse(text: str, *families: Family) -> None:
    """Raises Refused where the text says what one of these families of words says.

    A text over the length limit is refused too: no list can answer for it.
    """
    if len(text) > LENGTH_LIMIT:
        raise Refused(f"a text of {len(text)} characters is too long to be checked: keep it under {LENGTH_LIMIT}")
    for family in families:
        if word := found_in(text, family):
            raise Refused(f"{word!r} {_WAY_FORWARD[family]}")


def refuse_young(text: str) -> None:
    """Raises Refused for names, captions and tags that describe someone under age or a real person."""
    refuse(text, "younger", "likeness")


def refuse_young_throughout(text: str) -> None:
    """``refuse_young`` for a text of any length, in pieces that overlap."""
    for piece in _pieces(text):
        refuse_young(piece)


def refuse_undressed(prompt: str) -> None:
    """Raises Refused for prompts of finished pictures that ask for less than dressed."""
    refuse(prompt, "undressed")


def found_in(text: str, family: Family) -> str | None:
    """The first word of that family that the text says, or None."""
    lists = _load(family)
    folded = plain(text)
    if family == "younger":
        for said in (folded, letters(folded), plain(text.replace("|", " "))):
            if age := _young_age(said):
                return age
    for variant in variants(folded):
        if hit := lists.ascii.search(lists.spared_ascii.sub(" ; ", variant)):
            return hit[0].strip()
    hit = lists.other.search(lists.spared_other.sub("；", katakana(folded)))
    return hit[0] if hit else None


def _pieces(text: str) -> Iterator[str]:
    """Parts of at most the length limit that end, and begin again a little earlier, where the text pauses."""
    start = 0
    while len(text) - start > LENGTH_LIMIT:
        end = _pause_before(text, start + LENGTH_LIMIT)
        yield text[start:end]
        start = _pause_before(text, end - _OVERLAP)
    yield text[start:]


def _pause_before(text: str, at: int) -> int:
    """The end of the last line, sentence or word in the stretch before ``at``, in this order; or ``at`` itself."""
    for pauses in ("\n", "。.", "、, "):
        if last := max(text.rfind(p, at - _OVERLAP, at) for p in pauses) + 1:
            return last
    return at


def _young_age(text: str) -> str | None:
    spaced = re.sub(r"[\W_]+", " ", _THOUSANDS.sub("", _PARTS_OF_A_YEAR.sub(r"\1", katakana(text)).replace("°", " degrees ")))
    for pattern in _AGES:
        for hit in pattern.finditer(spaced):
            years = _NUMBER_WORDS.get(hit[1], -1) if not hit[1].isdigit() else int(hit[1])
            if 0 <= years < ADULT_YEARS or re.search(r"(?<![a-z])(?:month|week|day)|月", hit[0]):
                return hit[0].strip()
    return next((hit[0].strip() for pattern in _STAGES if (hit := pattern.search(spaced))), None)


@cache
def _load(family: Family) -> _List:
    try:
        data = (files("dressform.consent") / "lists" / f"{family}.txt").read_bytes()
    except OSError as error:
        raise Tampered(f"the list of refusals {family}.txt is missing: install dressform again") from error
    if hashlib.sha256(data).hexdigest() != _DIGESTS[family]:
        raise Tampered(f"the list of refusals {family}.txt is not the one that was tested: install dressform again")
    lines = [line.strip() for line in data.decode().splitlines() if line.strip() and not line.startswith("#")]
    meant = [plain(line) for line in lines if not line.startswith("!")]
    spared = [plain(line[1:]) for line in lines if line.startswith("!")]
    return _List(_ascii(meant), _other(meant), _ascii(spared), _other(spared))


def _ascii(phrases: list[str]) -> re.Pattern[str]:
    """Whole words; zero-width at both ends, so that no text makes it slow."""
    chosen = sorted((p for p in phrases if p.isascii()), key=len, reverse=True)
    bodies = "|".join(re.escape(p.replace("-", " ")).replace(r"\ ", " ?") for p in chosen)
    return re.compile(rf"(?<= )(?:{bodies})(?:s|es)?(?= )") if bodies else re.compile(r"(?!)")


def _other(phrases: list[str]) -> re.Pattern[str]:
    chosen = sorted({katakana(p) for p in phrases if not p.isascii()}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, chosen))) if chosen else re.compile(r"(?!)")
