"""A character put back from a backup, in a folder of her own with a vault of its own."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dressform.consent import ledger as consent_ledger
from dressform.errors import BadInput, Locked, Refused, StoreError
from dressform.store import fresh_folder, write_atomically
from dressform.vault import keys, vault
from dressform.vault import owner as owners
from dressform.vault import restore as backups
from dressform.vault.owner import Ask, Owner
from dressform.vault.vault import Vault
from dressform.workspace import character_file, consenting, recovering
from dressform.workspace.ledger_head import HEAD, is_ledger
from dressform.workspace.workspace import OWNER, RECOVERY, Workspace

_AT_ONCE_BYTES, _AT_ONCE = 64 << 20, 64
_NOT_HERS = "is no backup of a character"


@dataclass(frozen=True)
class Restored:
    """``recovery`` is the new vault's recovery key where it is a new one; ``anew`` is True where nothing is permitted until agreed anew."""

    recovery: str | None
    anew: bool


def restore(file: Path, root: Path, ask: Ask) -> Restored:
    """Make her folder from a backup, which opens with the person's key or, after a loss, with the recovery key.

    With the person's key the new vault has a new recovery key, which is kept nowhere: what a backup says of the old one nobody has
    signed. With the recovery key, that one stays, the person's key is made where there is none, and the ledger begins anew as after
    ``recovering.recover``. The folder appears whole or not at all. Raises BadInput, Locked, Tampered or StoreError, and Refused where
    another person is her owner.
    """
    root = root.absolute()
    if os.path.lexists(root) or root.name in ("", ".."):
        raise BadInput(f"{root}: there already; name a folder that is not there, and compare the two before you delete one")
    if not os.path.isfile(file):
        raise BadInput(f"{file}: no such file; name the backup that dressform vault export wrote")
    own = owners.load(ask) if owners.exists() else None
    identity = _opened_with(file, own, ask)
    owner = own or Owner(keys.new_identity())
    part = root.with_name(f".{root.name}.part")
    fresh_folder(part)
    try:
        found = _furnish(part, file, owner, identity)
        if own is None:
            owners.restore(owner.identity)
        part.rename(root)
    except OSError as error:
        raise StoreError(f"could not make {root}: {error.strerror or error}; name another folder") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return found


def _opened_with(file: Path, own: Owner | None, ask: Ask) -> str:
    """The identity that opens a backup."""
    if own:
        try:
            backups.refuse_locked(file, own.identity)
            return own.identity
        except Locked:
            pass  # sealed to a key that was lost since
    recovery = ask("recovery key").strip()
    backups.refuse_locked(file, recovery)
    return recovery


def _furnish(part: Path, file: Path, owner: Owner, identity: str) -> Restored:
    sealed = vault.create(part / "vault", {"owner": owner.recipient})
    try:
        _fill(sealed, part, file, identity)
        anew = _signed_by_another(sealed, part, file, owner)
        if anew and identity == owner.identity:
            raise Refused(f"{file}: another person is her owner, who alone can put her back, with her key or the recovery key")
        recipient = keys.recipient_of(identity)
        kept = identity != owner.identity and RECOVERY in sealed and sealed.read(RECOVERY) == recipient.encode()
        recovery = None if kept else keys.new_identity()
        if recovery:
            recipient = keys.recipient_of(recovery)
        sealed.set_person("recovery", recipient)
        sealed.write(RECOVERY, recipient.encode())
        recovering.renew_ledger(sealed, part, owner)
        consenting.verify(Workspace(part, sealed, owner))
        recovering.known(sealed)
    finally:
        sealed.close()
    return Restored(recovery, anew)


def _signed_by_another(sealed: Vault, part: Path, file: Path, owner: Owner) -> bool:
    """Whether her ledger is signed with another key than this owner's. Raises BadInput where she is not whole."""
    there = {name: name in sealed for name in (OWNER, HEAD)}
    there |= {name: (part / name).exists() for name in (character_file.NAME, consent_ledger.NAME)}
    if missing := [name for name, found in there.items() if not found]:
        raise BadInput(f"{file}: {_NOT_HERS}, for {missing[0]} is not in it; was it made by dressform vault export?")
    try:
        character_file.read(part)
    except BadInput:
        raise BadInput(f"{file}: {_NOT_HERS}, for its {character_file.NAME} cannot be read; take another backup") from None
    return sealed.read(OWNER) != owner.signing_key.public_key().public_bytes_raw()


def _fill(sealed: Vault, part: Path, file: Path, identity: str) -> None:
    """Write everything in the backup to its place: beside the vault, or into it, some at once."""
    waiting = dict[str, bytes]()
    with closing(backups.entries(file, identity)) as found:
        for name, data in found:
            if name == character_file.NAME or is_ledger(name):
                write_atomically(part / name, data)
                continue
            waiting[name] = data
            if len(waiting) == _AT_ONCE or sum(map(len, waiting.values())) > _AT_ONCE_BYTES:
                sealed.write_all(waiting)
                waiting = {}
    sealed.write_all(waiting)
