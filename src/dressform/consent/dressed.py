"""Finished pictures are dressed: the closed door in front of ``dress`` and ``lookbook``.

It knows the words below and nothing else; what it misses (other languages, typing errors) is said in the documents.
"""

from __future__ import annotations

import re
import unicodedata

from dressform.errors import Refused

_UNDRESSED = (
    "neutral layer", "neutral", "bare mannequin", "bare", "nude", "naked", "undressed", "unclothed", "topless",
    "bottomless", "nsfw", "no clothes", "without clothes", "裸", "全裸", "ヌード",
)  # fmt: skip
_YOUNGER = ("child", "kid", "minor", "teen", "teenager", "toddler", "baby", "loli", "shota", "schoolgirl", "schoolboy",
            "underage", "子供", "幼女", "少女", "ロリ", "ショタ", "小学生", "中学生", "高校生")  # fmt: skip


def _holds(text: str, words: tuple[str, ...]) -> str | None:
    plain = " ".join(re.split(r"[\s_\-.]+", unicodedata.normalize("NFKC", text).casefold()))
    for word in words:
        if (word in plain) if not word.isascii() else re.search(rf"(?<![a-z]){re.escape(word)}s?(?![a-z])", plain):
            return word
    return None


def refuse_young(text: str) -> None:
    """Raises Refused where a text describes someone younger than an adult."""
    if word := _holds(text, _YOUNGER):
        raise Refused(f"{word!r} describes someone under age: dressform draws adults only; take the word out")


def refuse_undressed(prompt: str) -> None:
    """Raises Refused where a prompt for a finished picture asks for the neutral layer or for less."""
    if word := _holds(prompt, _UNDRESSED):
        raise Refused(f"{word!r} asks for less than dressed: finished pictures are dressed; name an outfit instead")
