"""Captions as people's programs write them: UTF-8, UTF-16 with its mark, Shift-JIS, or Latin-1 where nothing else fits.

A text whose encoding cannot be told is refused: a caption of wrong characters would be learned without a word.
"""

from __future__ import annotations

import codecs
import os
import re
import unicodedata

from dressform.errors import BadInput

LIMIT_BYTES = 20_000
"""Of one caption."""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MARKS_OF_PROSE, _WORDS_OF_A_TAG = re.compile("[.,!?;。、！？，]"), 3
_JAPANESE = re.compile("[\x00-\x7f\u3000-\u303f\u3041-\u30ff\u4e00-\u9fff\uff01-\uff60¥×○●◎★☆♪→←↑↓〜～…‥]*")
_LONE_KANJI = re.compile("(?<![\u3000-\u9fff\uff01-\uff60])[\u4e00-\u9fff](?![\u3000-\u9fff\uff01-\uff60])")
_EUROPEAN = re.compile(r"(?:[\x00-\x7f]|(?<=[A-Za-z])[à-öø-ÿß]{1,2}|[À-ÖØ-öø-ÿß](?=[A-Za-z])|(?<![^\s])[àÀèéòóíá](?=[\s,.]))*")


def caption(data: bytes) -> str:
    """The text in one line; a tag on each line counts as tags with commas.

    Raises BadInput where its encoding cannot be told, or where it holds control characters.
    """
    lines = [" ".join(line.split()) for line in _decoded(data).splitlines() if line.strip()]
    prose = any(_MARKS_OF_PROSE.search(line) or line.count(" ") >= _WORDS_OF_A_TAG for line in lines)
    words = (" " if prose else ", ").join(lines)
    if any(unicodedata.category(c) == "Cc" for c in words):
        raise BadInput("holds control characters, so it is no caption; write it as plain text")
    return words


def name(raw: bytes) -> str:
    """A file's name from an archive that does not say how it was written."""
    try:
        return _decoded(raw)
    except BadInput:
        return raw.decode("cp437")


def shown(path: str) -> str:
    """A path of this disk as it can be shown and kept, also where its name is not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return name(os.fsencode(path))
    return path


def _decoded(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(data, encoding, mark)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        found = [text for text in (_as_japanese(data), _as_european(data)) if text is not None]
    if len(found) != 1:
        raise BadInput("its encoding cannot be told; save the caption as UTF-8")
    return found[0]


def _strict(data: bytes, encoding: str, mark: bytes) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadInput(f"begins with the mark {mark.hex()} of {encoding}, but is not; save the caption as UTF-8") from error


def _as_japanese(data: bytes) -> str | None:
    """Read as Shift-JIS (cp932), where that gives Japanese: no single kanji stuck to a Latin letter, no half-width kana."""
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        return None
    return text if _JAPANESE.fullmatch(text) and not any(_sticks(text, m) for m in _LONE_KANJI.finditer(text)) else None


def _sticks(text: str, found: re.Match[str]) -> bool:
    around = text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
    return any(c.isascii() and c.isalpha() for c in around)


def _as_european(data: bytes) -> str | None:
    """Read as Latin-1, where every accented letter stands beside a plain one."""
    text = data.decode("latin-1")
    return text if _EUROPEAN.fullmatch(text) else None
