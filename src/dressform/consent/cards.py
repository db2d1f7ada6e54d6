"""Character cards of SillyTavern, versions 2 and 3, as JSON or inside a PNG: read for a profile, and no more than that.

From a card come her name (``nickname``, or ``name``), what is said about her (``description``, ``personality``), the
notes of its maker, and boundaries from ``extensions.dressform``. Greetings, dialogue, instructions and lore are left
out. The picture is never decoded. docs/profile.md says it for users.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dressform.consent import profile
from dressform.consent.normal import visible
from dressform.consent.profile import Boundary, Profile
from dressform.consent.refusals import refuse_young_throughout
from dressform.errors import BadInput, Refused

FILE_LIMIT = 32 * 2**20
CARD_LIMIT = 4 * 2**20
"""Bytes of a file, and of the JSON in it."""
TEXT_LIMIT = 200_000
"""Characters in all the texts of a card together."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEYWORDS = (b"ccv3", b"chara")  # the newer wins where a picture carries both
_SPECS = ("chara_card_v2", "chara_card_v3")
_TEXTS = ("name", "nickname", "description", "personality", "scenario", "first_mes", "mes_example", "creator_notes",
          "system_prompt", "post_history_instructions")  # fmt: skip
_LISTS = ("tags", "alternate_greetings", "group_only_greetings")
_HER = re.compile(r"\{\{char\}\}|<char>|<bot>", re.IGNORECASE)
_USER = re.compile(r"\{\{user\}\}|<user>", re.IGNORECASE)


def read(file: Path) -> Profile:
    """The profile in a card. Raises BadInput for a file that is no card, Refused for what no text may say of her."""
    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_LIMIT + 1)
    except OSError as error:
        raise BadInput(f"{file}: could not be read ({error.strerror}); give a character card as PNG or JSON") from error
    if len(data) > FILE_LIMIT:
        raise BadInput(f"{file.name}: over {FILE_LIMIT // 2**20} MiB is too large for a character card")
    try:
        return from_bytes(data)
    except BadInput as error:
        raise BadInput(f"{file.name}: {error}") from error
    except Refused as error:
        raise Refused(f"{file.name}: {error}") from error


def from_bytes(data: bytes) -> Profile:
    """The profile in the bytes of a card. Raises as ``read`` does."""
    text = _embedded(data) if data.startswith(_SIGNATURE) else data
    if len(text) > CARD_LIMIT:
        raise BadInput(f"the card is over {CARD_LIMIT // 2**20} MiB of JSON: export it without its assets")
    card = _object(text)
    _refuse_every_text(card)
    return profile.checked(_profile(card))


def _embedded(png: bytes) -> bytes:
    """The JSON inside a PNG."""
    found: dict[bytes, bytes] = {}
    for kind, body in _chunks(png):
        keyword, zero, text = body.partition(b"\0")
        if kind == b"tEXt" and zero:
            found.setdefault(keyword.lower(), text)
    for keyword in _KEYWORDS:
        if (text := found.get(keyword)) is not None:
            return _from_base64(keyword.decode(), text)
    raise BadInput("a PNG without a character card (no tEXt named ccv3 or chara); export the character again as PNG or JSON")


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of each text chunk, up to the end that the file names."""
    at = len(_SIGNATURE)
    while at + 8 <= len(png):
        length, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        end = at + 8 + length
        if end + 4 > len(png):
            raise BadInput("the PNG is cut off; copy it again")
        if kind == b"IEND":
            return
        if kind == b"tEXt":
            if zlib.crc32(png[at + 4 : end]) != int.from_bytes(png[end : end + 4]):
                raise BadInput("the PNG is damaged (a checksum is wrong); copy it again")
            yield kind, png[at + 8 : end]
        at = end + 4
    raise BadInput("the PNG is cut off; copy it again")


def _from_base64(keyword: str, text: bytes) -> bytes:
    if len(text) > CARD_LIMIT * 4 // 3 + 4:
        raise BadInput(f"the card is over {CARD_LIMIT // 2**20} MiB of JSON: export it without its assets")
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise BadInput(f"the text named {keyword} in the PNG is not base64; export the character again") from error


def _object(text: bytes) -> Mapping[str, Any]:
    """The ``data`` of a card. Raises BadInput where this is none that we know."""
    try:
        card = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput("not a character card: give a SillyTavern card (V2 or V3) as PNG or JSON") from error
    spec = card.get("spec") if isinstance(card, dict) else None
    if spec is None and isinstance(card, dict) and "first_mes" in card:
        raise BadInput("a card of version 1: save it in SillyTavern as version 2 or 3, then give it again")
    if spec not in _SPECS:
        raise BadInput(f"not a character card that is known (spec {str(spec)[:40]!r}): use one of {', '.join(_SPECS)}")
    data = card.get("data")
    if not isinstance(data, dict):
        raise BadInput("the card has no data; export the character again")
    return data


def _refuse_every_text(card: Mapping[str, Any]) -> None:
    """Also what is left out of the profile says who the card is about. Raises Refused, or BadInput for too much text."""
    texts = [_text(card, name) for name in _TEXTS]
    for name in _LISTS:
        texts += _strings(card, name)
    if sum(map(len, texts)) > TEXT_LIMIT:
        raise BadInput(f"the card has over {TEXT_LIMIT} characters of text, too many to check: shorten it")
    for text in texts:
        refuse_young_throughout(visible(text))


def _profile(card: Mapping[str, Any]) -> Profile:
    name = _text(card, "nickname") or _text(card, "name")
    if not visible(name).strip():
        raise BadInput("the card has no name; give her one and export it again")
    about = "\n\n".join(t.strip() for t in (_text(card, "description"), _text(card, "personality")) if t.strip())
    notes = _text(card, "creator_notes")
    return Profile(name, _filled(about, name), _filled(notes, name), tuple(_boundaries(card)))


def _boundaries(card: Mapping[str, Any]) -> Iterator[Boundary]:
    extensions = card.get("extensions")
    ours = extensions.get("dressform") if isinstance(extensions, dict) else None
    if ours is None:
        return
    if not isinstance(ours, dict) or set(ours) != {"boundaries"}:
        raise BadInput('extensions.dressform: write {"boundaries": ["WORDS [SCOPE, SCOPE]", ...]} and nothing else')
    for written in _strings(ours, "boundaries"):
        yield profile.boundary(written)


def _filled(text: str, name: str) -> str:
    """The card's place-holders as words: she by her name, whoever talks to her as "the user"."""
    return _USER.sub("the user", _HER.sub(lambda _: name, text))


def _text(card: Mapping[str, Any], name: str) -> str:
    found = card.get(name)
    if not isinstance(found, str | None):
        raise BadInput(f"the card's {name} is not a text; export the character again")
    return found or ""


def _strings(card: Mapping[str, Any], name: str) -> list[str]:
    found = card.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise BadInput(f"the card's {name} are not a list of texts; export the character again")
    return found
