"""A small reader of A1111's infotext by the rules of ``modules/infotext_utils.py``, for tests."""

from __future__ import annotations

import json
import re

_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"^(\d+)x(\d+)$")


def read(infotext: str) -> dict[str, str]:
    """What the web UI takes from a picture's ``parameters``."""
    *lines, last = infotext.strip().split("\n")
    if len(_PAIR.findall(last)) < 3:
        lines, last = [*lines, last], ""
    prompt, negative, in_negative = "", "", False
    for line in map(str.strip, lines):
        if line.startswith("Negative prompt:"):
            in_negative, line = True, line.removeprefix("Negative prompt:").strip()
        if in_negative:
            negative += ("\n" if negative else "") + line
        else:
            prompt += ("\n" if prompt else "") + line
    found = {"Prompt": prompt, "Negative prompt": negative}
    for key, value in _PAIR.findall(last):
        plain = json.loads(value) if value.startswith('"') else value
        if size := _SIZE.match(plain):
            found |= {f"{key}-1": size[1], f"{key}-2": size[2]}
        else:
            found[key] = plain
    return found


def loras(prompt: str) -> list[tuple[str, str]]:
    """(name, scale) of each ``<lora:NAME:SCALE>``."""
    return [tuple(m[1].split(":", 1)) for m in re.finditer(r"<lora:([^>]+)>", prompt)]  # type: ignore[misc]
