"""Captions as tags: parts between commas, and what each of them speaks of, by the word lists in ``words/``."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from dressform.errors import BadInput

Kind = Literal["body", "garment", "view", "pose", "background"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SPEAKS_LAST: tuple[Kind, ...] = ("background", "view", "pose", "garment", "body")
_FILTERS = ("outfit", "tag", "tag!", "caption", "source", "id")


def tags(caption: str) -> tuple[str, ...]:
    """The tags of a caption, trimmed, in its order; a sentence without commas is one tag."""
    return tuple(t for part in caption.split(",") if (t := " ".join(part.split())))


def joined(parts: Sequence[str]) -> str:
    """The caption of some tags, none of them twice."""
    return ", ".join(dict.fromkeys(parts))


def folded(tag: str) -> str:
    """The tag as it is compared: without case, with blanks for underscores, as booru tags write them."""
    return " ".join(tag.casefold().replace("_", " ").split())


def kind(tag: str) -> Kind | None:
    """What a tag speaks of, by its last words: "long green hair" speaks of the body, "red dress" of a garment."""
    words = folded(tag).split()
    for start in range(len(words)):
        ending = " ".join(words[start:])
        for one in _SPEAKS_LAST:
            if ending in _words(one):
                return one
    return None


def colour_spans(tag: str) -> list[tuple[int, int]]:
    """Where the words for colours stand in a tag: (first character, after the last) of each."""
    return [word.span() for word in re.finditer(r"[^\s_]+", tag) if word[0].casefold() in _words("colour")]


@cache
def _words(which: str) -> frozenset[str]:
    text = (files("dressform.pictures") / "words" / f"{which}.txt").read_text(encoding="utf-8")
    return frozenset(folded(line) for line in text.splitlines() if line.strip() and not line.startswith("#"))


@dataclass(frozen=True)
class Edit:
    """What to do to a caption: tags to take out, to put another in place of, and to add at the end, in this order."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    replace: tuple[tuple[str, str], ...] = ()

    def __call__(self, caption: str) -> str:
        """The edited caption. ``remove`` may hold ``*`` and ``?`` (brackets are meant as they stand); tags are compared without case."""
        kept = [t for t in tags(caption) if not any(_as_said(folded(t), folded(r)) for r in self.remove)]
        instead = {folded(old): new for old, new in self.replace}
        kept = [instead.get(folded(t), t) for t in kept]
        present = {folded(t) for t in kept}
        return joined([*kept, *(t for t in self.add if folded(t) not in present)])


def _as_said(tag: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(tag, pattern.replace("[", "[[]"))


def replacement(text: str) -> tuple[str, str]:
    """``OLD=NEW`` as a pair. Raises BadInput."""
    old, sign, new = (part.strip() for part in text.partition("="))
    if not sign or not old or not new or "," in text:
        raise BadInput(f"replacement {text!r}: write OLD=NEW, one tag each; use --remove to take a tag out")
    return old, new


def one_tag(text: str) -> str:
    """The text as one tag. Raises BadInput where it is empty, holds a comma, or characters that no caption holds."""
    trimmed = " ".join(text.split())
    if not trimmed or "," in trimmed or not trimmed.isprintable():
        raise BadInput(f"tag {text!r}: give one tag without commas; repeat the option for more")
    return trimmed


@dataclass(frozen=True)
class Where:
    """Which pictures are meant: every condition must hold. An empty one means all."""

    conditions: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def parsed(text: str) -> Where:
        """From ``outfit=dress tag=park tag!=waving``; quotes keep blanks: ``tag="park background"``. Raises BadInput."""
        try:
            parts = shlex.split(text)
        except ValueError:
            raise BadInput(f"filter {text!r}: a quotation mark is not closed") from None
        found = []
        for part in parts:
            key, sign, value = part.partition("=")
            if key not in _FILTERS or not sign:
                raise BadInput(f"filter {part!r}: use outfit=NAME, tag=TAG, tag!=TAG, caption=none, source=FILE or id=ID")
            if key == "caption" and value not in ("none", "any"):
                raise BadInput(f"filter {part!r}: use caption=none or caption=any")
            found.append((key, value))
        return Where(tuple(found))

    def holds(self, outfit: str, caption: str, source: str, id: str) -> bool:
        """``outfit`` is "neutral" for a neutral picture. A tag may hold ``*``; without one, whole tags or their first or last words fit.

        A source may hold ``*`` and ``?`` (brackets are meant as they stand); an id is given by its beginning.
        """
        return all(self._one(key, value, outfit, caption, source, id) for key, value in self.conditions)

    @staticmethod
    def _one(key: str, value: str, outfit: str, caption: str, source: str, id: str) -> bool:
        if key == "outfit":
            return outfit == value
        if key == "source":
            return _as_said(source, value)
        if key == "id":
            return bool(value) and id.startswith(value)
        if key == "caption":
            return bool(tags(caption)) == (value == "any")
        named = any(_fits(t, value) for t in tags(caption))
        return named == (key == "tag")


def _fits(tag: str, wanted: str) -> bool:
    one, other = folded(tag), folded(wanted)
    return fnmatch.fnmatchcase(one, other) or one.startswith(f"{other} ") or one.endswith(f" {other}")
