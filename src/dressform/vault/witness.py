"""What this person last saw of each vault, kept beside her key: so that a whole vault put back from an older copy is seen."""

from __future__ import annotations

import json
from pathlib import Path

from dressform.errors import Tampered
from dressform.store import write_atomically
from dressform.vault.index import Head


def check(folder: Path, vault_id: str, head: Head) -> None:
    """Raises Tampered where the vault is older than what was seen, or the same age and different."""
    seen = _read(folder, vault_id)
    if seen is None or head.changes > seen.changes:
        return
    if head != seen:
        raise Tampered(
            f"the vault is at change {head.changes}, but change {seen.changes} was seen here: it was put back from an older copy; "
            "if you did that yourself, run dressform vault check --accept-older"
        )


def keep(folder: Path, vault_id: str, head: Head) -> None:
    """Remember how far the vault is."""
    if _read(folder, vault_id) != head:
        write_atomically(_file(folder, vault_id), json.dumps([head.changes, f"{head.total:x}"]).encode(), mode=0o600)


def _file(folder: Path, vault_id: str) -> Path:
    return folder / "heads" / f"{vault_id}.json"


def _read(folder: Path, vault_id: str) -> Head | None:
    try:
        changes, total = json.loads(_file(folder, vault_id).read_text())
        return Head(int(changes), int(total, 16))
    except (OSError, ValueError, TypeError):
        return None
