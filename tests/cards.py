"""Character cards as SillyTavern writes them, made here."""

from __future__ import annotations

import base64
import json
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def card(version: int = 2, **changes: object) -> dict[str, object]:
    """A card of version 2 or 3 with these fields changed."""
    data: dict[str, object] = {
        "name": "Aoi Tanaka", "description": "{{char}} is a calm painter of 27.", "personality": "quiet, kind to {{user}}",
        "scenario": "", "first_mes": "Hello.", "mes_example": "", "creator_notes": "Drawn for a seaside story.", "system_prompt": "",
        "post_history_instructions": "", "alternate_greetings": [], "tags": ["original", "painter"], "creator": "mika",
        "character_version": "1", "extensions": {"dressform": {"boundaries": ["My pictures stay here [publish, export:identity]"]}},
    }  # fmt: skip
    more: dict[str, object] = {"nickname": "Aoi", "group_only_greetings": []} if version == 3 else {}
    return {"spec": f"chara_card_v{version}", "spec_version": f"{version}.0", "data": {**data, **more, **changes}}


def as_json(card: object) -> bytes:
    return json.dumps(card).encode()


def as_png(**texts: bytes) -> bytes:
    """A PNG with a tEXt chunk for each of these (no picture in it that could be decoded)."""
    chunks = [(b"IHDR", bytes(13)), *((b"tEXt", k.encode() + b"\0" + t) for k, t in texts.items()), (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(kind, body) for kind, body in chunks)


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def in_png(card: object) -> bytes:
    """The text of a chunk."""
    return base64.b64encode(as_json(card))
