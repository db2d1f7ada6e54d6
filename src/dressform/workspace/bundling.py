"""One file that holds a character: a V3 card with her adapters beside it, as a ``.charx`` (a zip).

Facts: character card specification V3: ``card.json`` at the top, assets at ``assets/TYPE/ai/NAME.safetensors``, their addresses
spelled ``embeded://`` (sic), types of one's own beginning with ``x_``. Nothing in it has a time of day.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

from dressform.consent.profile import EMPTY, Profile

_PLACE = "assets/x_lora/ai/{}.safetensors"
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_EMPTY_TEXTS = (
    "personality", "scenario", "first_mes", "mes_example", "creator_notes", "creator", "character_version", "system_prompt",
    "post_history_instructions",
)  # fmt: skip


def charx(name: str, profile: Profile, adapters: Mapping[str, bytes]) -> bytes:
    """The bundle of these adapter files, by name. The same things give the same bytes.

    ``profile`` is what her owner lets out of it (``EMPTY`` for none); her notes are for people alone and never go along.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("card.json", _NO_TIME), _card(name, profile, list(adapters)))
        for called, data in adapters.items():
            archive.writestr(zipfile.ZipInfo(_PLACE.format(called), _NO_TIME), data)
    return out.getvalue()


def _card(name: str, profile: Profile, adapters: list[str]) -> bytes:
    ours = {"boundaries": [str(b) for b in profile.boundaries]}
    data = {
        "name": profile.name or name,
        "description": profile.about,
        **dict.fromkeys(_EMPTY_TEXTS, ""),
        "tags": [],
        "alternate_greetings": [],
        "group_only_greetings": [],
        "extensions": {} if profile == EMPTY else {"dressform": ours},
        "assets": [
            {"type": "x_lora", "uri": f"embeded://{_PLACE.format(called)}", "name": called, "ext": "safetensors"} for called in adapters
        ],
    }
    card = {"spec": "chara_card_v3", "spec_version": "3.0", "data": data}
    return json.dumps(card, indent=1, ensure_ascii=False).encode() + b"\n"
