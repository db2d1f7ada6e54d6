"""A character put back from a backup, in a folder of her own with a vault of its own."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from dressform.errors import BadInput, Locked
from dressform.store import made_folder, write_atomically
from dressform.vault import keys, vault
from dressform.vault import owner as owners
from dressform.vault import restore as backups
from dressform.vault.owner import Ask, Owner
from dressform.vault.vault import Vault
from dressform.workspace import consenting, recovering
from dressform.workspace.workspace import HEAD, OWNER, RECOVERY, Workspace, in_the_clear

_AT_ONCE_BYTES, _AT_ONCE = 64 << 20, 64


def restore(file: Path, root: Path, ask: Ask) -> str | None:
    """Make her folder from a backup, which opens with the person's key or, after a loss, with the recovery key.

    With the person's key the new vault has a new recovery key, which is returned and kept nowhere: what a backup says of the old one
    nobody has signed. With the recovery key, that one stays (None is returned), the person's key is made where there is none, and the
    ledger begins anew as after ``recovering.recover``. The folder appears whole or not at all. Raises BadInput, Locked, Tampered or
    StoreError.
    """
    if root.exists():
        raise BadInput(f"{root}: there already; name a folder that is not there, and compare the two before you delete one")
    if not file.is_file():
        raise BadInput(f"{file}: no such file; name the backup that dressform vault export wrote")
    owner = owners.load(ask) if owners.exists() else None
    identity, recovery = _opened_with(file, owner, ask)
    new = None if recovery else keys.new_identity()
    root = root.absolute()
    part = root.with_name(f".{root.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    made_folder(part)
    try:
        _furnish(part, file, owner or owners.make(), identity, new or identity)
        part.rename(root)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return new


def _opened_with(file: Path, owner: Owner | None, ask: Ask) -> tuple[str, bool]:
    """The identity that opens a backup, and whether it is the recovery key."""
    if owner:
        try:
            backups.refuse_locked(file, owner.identity)
            return owner.identity, False
        except Locked:
            pass  # sealed to a key that was lost since
    recovery = ask("recovery key").strip()
    backups.refuse_locked(file, recovery)
    return recovery, True


def _furnish(part: Path, file: Path, owner: Owner, identity: str, recovery: str) -> None:
    sealed = vault.create(part / "vault", {"owner": owner.recipient, "recovery": keys.recipient_of(recovery)})
    try:
        _fill(sealed, part, file, identity)
        missing = [name for name in (OWNER, HEAD) if name not in sealed]
        if missing := missing + [name for name, path in in_the_clear(part).items() if not path.exists()]:
            raise BadInput(f"{file}: no backup of a character, for {missing[0]} is not in it; was it made by dressform vault export?")
        sealed.write(RECOVERY, keys.recipient_of(recovery).encode())
        recovering.renew_ledger(sealed, part, owner)
        consenting.verify(Workspace(part, sealed, owner))
        recovering.known(sealed)
    finally:
        sealed.close()


def _fill(sealed: Vault, part: Path, file: Path, identity: str) -> None:
    """Write everything in the backup to its place: beside the vault, or into it, some at once."""
    beside, waiting = in_the_clear(part), dict[str, bytes]()
    with closing(backups.entries(file, identity)) as found:
        for name, data in found:
            if name in beside:
                write_atomically(beside[name], data)
                continue
            waiting[name] = data
            if len(waiting) == _AT_ONCE or sum(map(len, waiting.values())) > _AT_ONCE_BYTES:
                sealed.write_all(waiting)
                waiting = {}
    sealed.write_all(waiting)
