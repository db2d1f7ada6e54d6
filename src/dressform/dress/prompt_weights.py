"""Prompt weights as A1111 writes them: ``(word:1.2)``, ``(word)``, ``[word]``, ``\\(`` for a bracket that is meant, and ``BREAK``.

Facts: the web UI's wiki, "Attention/emphasis". A pair of round brackets multiplies by 1.1, a pair of square ones divides by
1.1, a number after a colon at the end of round brackets replaces that; brackets nest. A bracket that is never closed reaches to
the end; one that was never opened, and a colon elsewhere, are text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dressform.backbones.text import words_of
from dressform.errors import BadInput

_STEP, _MOST = 1.1, 100.0
_PIECE = re.compile(r"\\[\\()\[\]]|\\|[(\[\])]|[^\\()\[\]]+|.", re.DOTALL)
_NUMBER = re.compile(r"(?s)(.*):\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


class Span(NamedTuple):
    """A piece of a prompt and its weight; 1 is plain text."""

    text: str
    weight: float = 1.0


Parts = tuple[tuple[Span, ...], ...]
"""A prompt between its BREAKs, each part as spans in order."""


def parse(prompt: str) -> Parts:
    """The prompt as spans, one tuple of them for each part between BREAKs. Neighbours of the same weight are one span.

    Raises BadInput for a weight beyond reason.
    """
    pieces: list[tuple[str, float]] = []
    open_: list[tuple[str, int]] = []
    closed = 0
    for piece in _PIECE.findall(prompt):
        if piece in ("(", "["):
            open_.append((piece, len(pieces)))
        elif piece in (")", "]") and open_ and open_[-1][0] == ("(" if piece == ")" else "["):
            bracket, since = open_.pop()
            _close(pieces, bracket, since, closed)
            closed = len(pieces)
        else:
            pieces.append((piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece, 1.0))
    for bracket, since in reversed(open_):
        _scale(pieces, since, _STEP if bracket == "(" else 1 / _STEP)
    if most := next((weight for _, weight in pieces if not abs(weight) <= _MOST), None):
        raise BadInput(f"a word in the prompt weighs {most:g}: {_MOST:g} at most; pictures fall apart long before")
    return _in_parts(pieces)


def plain(prompt: str) -> str:
    """What the prompt says, without weights and BREAKs: for whoever must read it, and for a text encoder that knows no weights."""
    return words_of(parse(prompt))


def weighted(prompt: str) -> bool:
    """True where the prompt is more than plain text."""
    found = parse(prompt)
    return len(found) > 1 or any(span.weight != 1 for part in found for span in part)


def _close(pieces: list[tuple[str, float]], bracket: str, since: int, closed: int) -> None:
    """A number counts right before its own bracket: not one that stands within another, ``closed`` pieces before."""
    if bracket == "(" and len(pieces) > max(since, closed) and (stated := _NUMBER.fullmatch(pieces[-1][0])):
        pieces[-1] = (stated[1], pieces[-1][1])
        _scale(pieces, since, float(stated[2]))
    else:
        _scale(pieces, since, _STEP if bracket == "(" else 1 / _STEP)


def _scale(pieces: list[tuple[str, float]], since: int, by: float) -> None:
    pieces[since:] = [(text, weight * by) for text, weight in pieces[since:]]


def _in_parts(pieces: list[tuple[str, float]]) -> Parts:
    parts: list[list[Span]] = [[]]
    for text, weight in pieces:
        first, *more = _BREAK.split(text)
        _append(parts[-1], first, weight)
        for text in more:
            parts.append([])
            _append(parts[-1], text, weight)
    return tuple(map(tuple, parts))


def _append(part: list[Span], text: str, weight: float) -> None:
    if part and part[-1].weight == weight:
        part[-1] = Span(part[-1].text + text, weight)
    elif text:
        part.append(Span(text, weight))
