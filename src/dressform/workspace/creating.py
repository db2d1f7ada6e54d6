"""The action ``new``: a character's folder, with her vault, her ledger and what was agreed first; whole, or not at all."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dressform.consent import ledger as consent_ledger
from dressform.consent import profile as profiles
from dressform.consent.gate import refuse_past
from dressform.consent.profile import Profile
from dressform.consent.refusals import refuse_undressed, refuse_young
from dressform.consent.scopes import CAREFUL, Scope
from dressform.errors import BadInput
from dressform.records import Character, checked_name
from dressform.store import Store, fresh_folder
from dressform.vault import keys, vault, witness
from dressform.vault import owner as owners
from dressform.vault.owner import Ask, Owner
from dressform.workspace import character_file
from dressform.workspace.consenting import grant
from dressform.workspace.finishing import make_credentials
from dressform.workspace.profiling import keep
from dressform.workspace.workspace import OWNER, RECOVERY, Workspace


@dataclass(frozen=True)
class Asked:
    """What ``new`` asks: who she is, and what is agreed to."""

    name: str
    age_years: int
    kind: str = "original"
    trigger: str | None = None
    base_model: str = "layfigure"
    permit: tuple[Scope, ...] = CAREFUL
    expires: datetime | None = None
    lang: str = "en"
    description: str = ""
    profile: Profile = profiles.EMPTY


def create(root: Path, asked: Asked, store: Store | None = None, ask: Ask | None = None) -> str:
    """Make a new character's folder with her vault and ledger; returns the recovery key, which is kept nowhere.

    ``store`` stands in for the vault (for tests and benchmarks); ``ask`` asks for the passphrase of the owner's key. Raises
    BadInput, Refused or Locked before anything is written; the folder appears whole or not at all.
    """
    root = root.absolute()
    character = checked(root, asked)
    owner = owners.load(ask) if owners.exists() else owners.make()
    recovery = keys.new_identity()
    part = root.with_name(f".{root.name}.part")
    fresh_folder(part)
    try:
        _furnish(part, asked, character, owner, recovery, store)
        if root.exists():  # her file last: without it there is no character there
            for entry in sorted(part.iterdir(), key=lambda entry: entry.name == character_file.NAME):
                entry.rename(root / entry.name)
        else:
            part.rename(root)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return recovery


def _furnish(part: Path, asked: Asked, character: Character, owner: Owner, recovery: str, store: Store | None) -> None:
    """Everything that a new character's folder holds."""
    sealed = vault.create(part / "vault", {"owner": owner.recipient, "recovery": keys.recipient_of(recovery)}) if store is None else None
    inside = sealed or store
    assert inside is not None
    public = owner.signing_key.public_key().public_bytes_raw()
    inside.write(OWNER, public)
    inside.write(RECOVERY, keys.recipient_of(recovery).encode())
    make_credentials(inside, f"{asked.name}-{secrets.token_hex(4)}")
    character_file.write(part, character)
    made = Workspace(part, inside, owner)
    grant(made, asked.permit, (), asked.expires, asked.lang)
    if asked.profile != profiles.EMPTY:
        keep(made, asked.profile, asked.lang)
    if sealed is not None:
        witness.keep(owners.home(), sealed.id, sealed.index.head)
        witness.hold(owners.home(), sealed.id, sealed.mark)
        sealed.close()


def checked(root: Path, asked: Asked) -> Character:
    """The character as she was asked for. Raises BadInput or Refused; the base model, which is slow to read, is asked last."""
    checked_name("character", asked.name)
    refuse_young(asked.name)
    word = asked.trigger or asked.name
    refuse_young(word)
    refuse_undressed(word)
    refuse_young(asked.description)
    character = Character(asked.name, word, asked.kind, asked.age_years, asked.base_model, description=asked.description)
    checked_name("trigger word", word)
    if asked.kind == "self" and asked.expires is None:
        raise BadInput("consent for yourself needs an end: give --expires YYYY-MM-DD")
    refuse_past(asked.expires)
    if root.exists() and not root.is_dir():
        raise BadInput(f"{root}: is a file; choose another name or folder")
    if any((root / name).exists() for name in (character_file.NAME, "vault", consent_ledger.NAME, "receipts")):
        raise BadInput(f"{root}: there is a character here already; choose another name or folder")
    if not asked.permit:
        raise BadInput("her boundaries rule out everything that could be agreed to: leave a scope free")
    profiles.refuse_against(asked.profile, asked.permit)
    profiles.checked(asked.profile)
    _refuse_known_word(character)
    return character


def _refuse_known_word(character: Character) -> None:
    from dressform import backbones

    word, base = character.trigger, backbones.load(character.base_model)
    if base.knows_word(word):
        free = next((w for w in (f"{word}chan", f"{word[:3]}ro", f"{word}{word}") if not base.knows_word(w)), f"{word}xz")
        raise BadInput(
            f"trigger word {word!r} already means something to the base model: choose one that means nothing, for example --trigger {free}"
        )
