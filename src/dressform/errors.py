"""Everything that dressform raises on purpose.

    DressformError
    ├── BadInput            what a person gave cannot be used: a file, a name, an option
    │   ├── UnknownName     no such character, outfit or garment; names near it are offered
    │   └── Mismatch        two things that must belong together do not (an adapter and a base model)
    ├── Refused             what was asked is against the rules of the house (age, consent, dressed output)
    ├── NotReady            a step is missing that must come first (train before dress)
    ├── Failed              a check that was asked for did not pass
    └── StoreError          a file could not be written or read (disk full, damaged)
        ├── Full            what must be written down has no room left
        ├── Locked          no key at hand opens the vault
        └── Tampered        what lies on the disk is not what was written

Each message is one line that says what was given, what was expected, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DressformError(Exception):
    """Base of all errors raised on purpose; the command line prints it as one line and exits with 1."""


class BadInput(DressformError):
    """What a person gave cannot be used."""


class UnknownName(BadInput):
    """A name that does not exist; the nearest existing ones are offered, and ``first``, what to do where there is none at all."""

    def __init__(self, what: str, given: str, known: Iterable[str], first: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(given, names, n=3, cutoff=0.5) or names[:8]
        hint = f"did you mean {', '.join(near)}?" if near else f"there is none yet; {first}" if first else "there is none yet"
        super().__init__(f"no {what} named {given!r}: {hint}")


class Mismatch(BadInput):
    """Two things that must belong together do not; the message names both values."""


class Refused(DressformError):
    """Against the rules of the house; the message gives the reason and the way forward."""


class NotReady(DressformError):
    """A step that must come first is missing."""


class Failed(DressformError):
    """A check that was asked for did not pass; everything it found is written down."""


class StoreError(DressformError):
    """A file could not be written or read; nothing half-written is left."""


class Full(StoreError):
    """What must be written down has no room left; nothing was done."""


class Locked(StoreError):
    """No key at hand opens the vault; nothing was opened."""


class Tampered(StoreError):
    """What lies on the disk is not what was written: changed, exchanged, cut off, or put back from an older copy."""
