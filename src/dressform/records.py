"""The things that dressform speaks of, as frozen data. No behaviour beyond their own checks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, get_args

from dressform.errors import BadInput, Refused

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
ADULT_YEARS = 18
Worn = Literal["outfit", "accessory"]
"""An outfit covers her and makes a picture a dressed one; an accessory (a hat, glasses, a bag) goes with an outfit."""


def checked_name(what: str, name: str) -> str:
    """The name itself, if other programs can carry it (letters, digits, ``_`` and ``-``).

    Raises BadInput: A1111 and CivitAI misread other characters in ``<lora:NAME:SCALE>``.
    """
    if not NAME_PATTERN.fullmatch(name):
        called = what if what.endswith("word") else f"{what} name"
        raise BadInput(f"{called} {name[:60]!r}: use 1 to 40 of a-z, A-Z, 0-9, '_' and '-', starting with a letter or digit")
    return name


@dataclass(frozen=True)
class Outfit:
    """What a character wears, and the word that calls it: one outfit at a time, and with it any number of accessories."""

    name: str
    trigger: str
    kind: Worn = "outfit"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Worn):
            raise BadInput(f"{self.name}: kind {self.kind!r}: use {' or '.join(get_args(Worn))}")
        checked_name(self.kind, self.name)


@dataclass(frozen=True)
class Character:
    """Who a workspace is about. ``kind`` is "original" (an invented adult) or "self"; ``age_years`` is at least 18.

    ``outfits`` are everything that she can wear, accessories too. ``description`` says her body in the base model's words; it is
    asked of the base model, never taught.
    """

    name: str
    trigger: str
    kind: str
    age_years: int
    base_model: str
    outfits: tuple[Outfit, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        checked_name("character", self.name)
        if self.kind not in ("original", "self"):
            raise BadInput(f"character kind {self.kind!r}: use 'original' (an invented adult) or 'self'")
        if type(self.age_years) is not int:
            raise BadInput(f"age {self.age_years!r}: write it as a whole number of years")
        if self.age_years < ADULT_YEARS:
            raise Refused(f"{self.name} is stated to be {self.age_years}: dressform works with adults only (18 or over)")

    def outfit(self, name: str) -> Outfit | None:
        """The outfit of that name, or None."""
        return next((o for o in self.outfits if o.name == name), None)

    def named(self, kind: Worn) -> tuple[str, ...]:
        """The names of her outfits, or of her accessories."""
        return tuple(o.name for o in self.outfits if o.kind == kind)


@dataclass(frozen=True)
class Picture:
    """One training picture in the store. ``outfit`` is None for a neutral picture.

    ``generation`` is 0 for a picture that was given, 1 for one that a model drew which learned from given ones alone (or from
    none), 2 for one of a model that learned from those too, and so on: how far a set may have drifted from what was given.
    ``figure`` is which figure of a sheet it was, 0 for a picture of its own.
    """

    id: str
    outfit: str | None
    caption: str
    width_px: int
    height_px: int
    has_mask: bool
    source: str
    generation: int = 0
    figure: int = 0


@dataclass(frozen=True)
class AdapterInfo:
    """What an adapter file says of itself; loading refuses it where this does not fit. ``architecture`` is a ModelSpec id.

    ``origin_sha256`` is the file of another program that it was imported from (empty: trained here), ``origin_base`` the hash
    of the base model which that file named.
    """

    kind: str
    name: str
    trigger: str
    rank: int
    alpha: float
    targets: str
    base_model_sha256: str
    identity_sha256: str = ""
    steps: int = 0
    architecture: str = "dressform-layfigure-v1"
    origin_sha256: str = ""
    origin_base: str = ""

    @property
    def scaling(self) -> float:
        """alpha / rank (Hu et al. 2021)."""
        return self.alpha / self.rank


@dataclass(frozen=True)
class Composition:
    """What is worn on top of the identity: ordered (adapter name, scale); scale 1.0 is as trained. Empty: the identity alone."""

    adapters: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for i, (name, scale) in enumerate(self.adapters):
            if name in self.names[:i]:
                raise BadInput(f"{name} is named twice: wear each once")
            if not (isfinite(scale) and scale >= 0):
                raise BadInput(f"{name}: scale {scale}: use a number from 0 up; 1 is as trained")

    @classmethod
    def of(cls, names: Iterable[str], scale: float = 1.0) -> Composition:
        """These together, all at one scale."""
        return cls(tuple((name, scale) for name in names))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.adapters)

    def scale(self, name: str) -> float:
        """How strongly it is worn; 0 where it is not."""
        return dict(self.adapters).get(name, 0.0)

    def __add__(self, other: Composition) -> Composition:
        return Composition((*self.adapters, *other.adapters))


IDENTITY_ALONE = Composition()


@dataclass(frozen=True)
class Look:
    """One finished dressed picture."""

    path: str
    prompt: str
    outfit: str
    seed: int
    replaced: bool = False
    """True where it took the place of another file of its name."""


def spoken(figure: str) -> str:
    """A figure's name as people read it."""
    return figure.replace("burn_in", "burn-in").replace("_", " ")


@dataclass(frozen=True)
class Figure:
    """A measured share: its value, how many trials, and the 95 % interval."""

    value: float
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class IntakeNote:
    """What became of one file that was given to ``add``: what it is, why it was left out, and what to look at."""

    source: str
    taken: bool
    reason: str = ""
    what: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class IntakeReport:
    """What ``add`` did, file by file."""

    notes: tuple[IntakeNote, ...] = field(default_factory=tuple)

    @property
    def taken(self) -> int:
        return sum(note.taken for note in self.notes)

    @property
    def left_out(self) -> tuple[IntakeNote, ...]:
        return tuple(note for note in self.notes if not note.taken)
