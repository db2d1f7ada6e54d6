"""What this person last saw of each vault, kept beside her key: so that a whole vault put back from an older copy is seen."""

from __future__ import annotations

import json
from pathlib import Path

from dressform.errors import Tampered
from dressform.store import write_atomically
from dressform.vault.index import Head


def check(seen: Head | None, head: Head) -> None:
    """Raises Tampered where the vault is older than what was seen, or the same age and different.

    What was seen is read before the vault is, or another process at work would look like an older copy.
    """
    if seen is None or head.changes > seen.changes:
        return
    if head != seen:
        raise Tampered(
            f"the vault is at change {head.changes}, but change {seen.changes} was seen here: it was put back from an older copy; "
            "if you did that yourself, run dressform vault check --accept-older"
        )


def hold(folder: Path, vault_id: str, mark: str) -> None:
    """Remember the mark of a vault's key at the first sight of it. Raises Tampered where it is another one's: a vault that somebody
    else made and put in its place, which this person's public half is enough for."""
    file = folder / "heads" / f"{vault_id}.key"
    if not file.exists():
        write_atomically(file, mark.encode(), mode=0o600)
    elif file.read_text() != mark:
        raise Tampered("the vault is not the one that was seen here: another was put in its place; put hers back from your copy")


def keep(folder: Path, vault_id: str, head: Head) -> None:
    """Remember how far the vault is."""
    if read(folder, vault_id) != head:
        write_atomically(_file(folder, vault_id), json.dumps([head.changes, f"{head.total:x}"]).encode(), mode=0o600)


def _file(folder: Path, vault_id: str) -> Path:
    return folder / "heads" / f"{vault_id}.json"


def read(folder: Path, vault_id: str) -> Head | None:
    """How far the vault was when it was last seen; None where it never was."""
    try:
        changes, total = json.loads(_file(folder, vault_id).read_text())
        return Head(int(changes), int(total, 16))
    except (OSError, ValueError, TypeError):
        return None
