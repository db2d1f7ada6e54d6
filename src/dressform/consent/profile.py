"""The profile of a character: who she is, and her boundaries, in her owner's words.

A boundary may name scopes; those are prohibited in the ledger, and nothing grants them while the boundary stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from dressform.consent.normal import visible
from dressform.consent.refusals import refuse_young_throughout
from dressform.consent.scopes import Scope, scope, scopes
from dressform.errors import BadInput, Refused, Tampered

LIMITS = {"name": 100, "about": 20_000, "notes": 20_000, "boundary": 300}
"""Characters in each text of a profile."""
_BOUNDARIES_LIMIT = 40
_WRITTEN = re.compile(r"([^\[\]]+?)\s*(?:\[([^\[\]]*)\])?\s*")


@dataclass(frozen=True)
class Boundary:
    """What must not happen, in one line of her owner's words, and the scopes that it rules out."""

    words: str
    scopes: tuple[Scope, ...] = ()

    def __str__(self) -> str:
        return f"{self.words} [{', '.join(self.scopes)}]" if self.scopes else self.words


@dataclass(frozen=True)
class Profile:
    """Who she is: the name she goes by, a text about her, notes that are for people alone, and her boundaries."""

    name: str = ""
    about: str = ""
    notes: str = ""
    boundaries: tuple[Boundary, ...] = ()

    @property
    def prohibited(self) -> frozenset[Scope]:
        """Every scope that a boundary rules out."""
        return frozenset(s for b in self.boundaries for s in b.scopes)


EMPTY = Profile()
"""Of a character of whom nothing is written."""


def boundary(text: str) -> Boundary:
    """A boundary as it is written and shown: ``WORDS`` or ``WORDS [SCOPE, SCOPE]``. Raises BadInput."""
    found = _WRITTEN.fullmatch(" ".join(visible(text).split()))
    if found is None:
        raise BadInput(f"boundary {text!r}: write WORDS or 'WORDS [SCOPE, SCOPE]', with no other square brackets")
    return Boundary(found[1], scopes(found[2] or ""))


def checked(profile: Profile) -> Profile:
    """The profile with nothing but visible text. Raises BadInput where it is too long, Refused for what it must not say."""
    if len(profile.boundaries) > _BOUNDARIES_LIMIT:
        raise BadInput(f"{len(profile.boundaries)} boundaries are too many: keep to {_BOUNDARIES_LIMIT}")
    name = _checked("name", " ".join(visible(profile.name).split()))
    about, notes = _checked("about", profile.about), _checked("notes", profile.notes)
    named = tuple(boundary(str(b)) for b in profile.boundaries)
    for b in named:
        _checked("boundary", b.words)
    return Profile(name, about, notes, named)


def _checked(what: str, text: str) -> str:
    shown = visible(text).strip()
    if len(shown) > LIMITS[what]:
        raise BadInput(f"{what}: {len(shown)} characters are too many for a profile; keep it to {LIMITS[what]}")
    refuse_young_throughout(shown)
    return shown


def refuse_against(profile: Profile, permit: Sequence[Scope]) -> None:
    """Raises Refused where a boundary rules out one of these scopes."""
    for b in profile.boundaries:
        for s in permit:
            if s in b.scopes:
                raise Refused(f"{s}: her boundary stands against it: {b.words!r}; change that first with dressform profile set")


def to_bytes(profile: Profile) -> bytes:
    """What is sealed in the store."""
    rows = [{"words": b.words, "scopes": list(b.scopes)} for b in profile.boundaries]
    row = {"format": 1, "name": profile.name, "about": profile.about, "notes": profile.notes, "boundaries": rows}
    return json.dumps(row, ensure_ascii=False).encode()


def from_bytes(data: bytes) -> Profile:
    """What ``to_bytes`` wrote. Raises Tampered for anything else."""
    try:
        row = json.loads(data)
        if row["format"] != 1:
            raise ValueError(f"format {row['format']}, this dressform knows 1")
        named = tuple(Boundary(b["words"], tuple(scope(s) for s in b["scopes"])) for b in row["boundaries"])
        return Profile(row["name"], row["about"], row["notes"], named)
    except (ValueError, KeyError, TypeError, BadInput) as error:
        raise Tampered(f"the profile in the vault is not readable ({error}): restore it from a backup") from error
