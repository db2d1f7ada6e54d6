"""The actions of ``profile``: who she is, in her owner's words, and the boundaries that become prohibitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dressform.consent import cards
from dressform.consent.profile import EMPTY, Boundary, Profile, boundary, checked
from dressform.consent.scopes import Scope
from dressform.errors import BadInput
from dressform.workspace.consenting import narrow
from dressform.workspace.workspace import Workspace, keep_profile


def given(card: Path | None, written: Sequence[str]) -> Profile:
    """The profile in a character card, if there is one, with boundaries written as ``WORDS [SCOPES]``.

    Raises BadInput or Refused.
    """
    found = cards.read(card) if card else EMPTY
    return checked(replace(found, boundaries=_together(found.boundaries, boundaries(written))))


def boundaries(written: Sequence[str]) -> tuple[Boundary, ...]:
    """Each as ``WORDS [SCOPES]``; a single empty text means none. Raises BadInput."""
    return () if list(written) == [""] else tuple(boundary(w) for w in written)


def keep(workspace: Workspace, profile: Profile, lang: str) -> tuple[Scope, ...]:
    """Seal the profile, and prohibit what its boundaries name; returns what is prohibited by it from now on.

    Raises BadInput or Refused, and then nothing is changed. What a boundary prohibited stays so after the boundary is
    gone, until it is agreed to anew.
    """
    written = checked(profile)
    before = workspace.gate.state().prohibited
    new = tuple(sorted(written.prohibited - before))
    if new:
        narrow(workspace, new, lang)
    keep_profile(workspace.store, written)
    return new


def import_card(workspace: Workspace, card: Path, more: Sequence[str], lang: str) -> tuple[Scope, ...]:
    """Take who she is from a card. What the card leaves open stays, and so do her boundaries; those of the card, and more, come to them."""
    found, old = given(card, more), workspace.profile
    said = replace(found, name=found.name or old.name, about=found.about or old.about, notes=found.notes or old.notes)
    return keep(workspace, replace(said, boundaries=_together(old.boundaries, found.boundaries)), lang)


def change(workspace: Workspace, name: str | None, about: str | None, notes: str | None, written: Sequence[str] | None) -> Profile:
    """The profile with each part that is given put in place of the old one. Raises BadInput where none is given."""
    if all(part is None for part in (name, about, notes, written)):
        raise BadInput("nothing to set: give --name, --about, --notes or --boundary")
    old = workspace.profile
    return Profile(
        old.name if name is None else name,
        old.about if about is None else about,
        old.notes if notes is None else notes,
        old.boundaries if written is None else boundaries(written),
    )


def _together(first: Sequence[Boundary], more: Sequence[Boundary]) -> tuple[Boundary, ...]:
    return tuple(dict.fromkeys((*first, *more)))
