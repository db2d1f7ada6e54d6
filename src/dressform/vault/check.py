"""Is the vault whole? The index against the objects, and on request every byte against its tag."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dressform.errors import StoreError
from dressform.vault.index import Row
from dressform.vault.sealing import OVERHEAD_BYTES
from dressform.vault.vault import Vault

ENCODINGS = "cache/"
_SETTLED_SECONDS = 3600
"""A stray file this young may be one that another process has not made known yet."""


@dataclass(frozen=True)
class Checked:
    """What was found. ``damaged`` and ``missing`` name rows; ``strays`` are files that no row knows."""

    objects: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    strays: tuple[str, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        return (*self.missing, *self.damaged)

    @property
    def whole(self) -> bool:
        return not self.broken


def check(vault: Vault, read_data: bool = False, on_object: Callable[[int, int], None] = lambda _done, _all: None) -> Checked:
    """Compare index and objects. Nothing is changed: a stray file (left by a kill, or planted) is named and left alone."""
    rows = vault.index.rows()
    found: dict[str, list[str]] = {"missing": [], "damaged": []}
    for i, row in enumerate(rows):
        ill = _ill(vault, row, read_data)
        if ill and vault.index.get(row.name) == row:  # else another process wrote it anew, or forgot it, meanwhile
            found[ill].append(row.name)
        on_object(i + 1, len(rows))
    known = {row.object for row in rows}
    strays = tuple(sorted(p.name for p in (vault.root / "obj").rglob("*") if p.is_file() and p.name not in known))
    return Checked(len(rows), tuple(found["damaged"]), tuple(found["missing"]), strays)


def _ill(vault: Vault, row: Row, read_data: bool) -> str:
    """ "missing", "damaged", or nothing."""
    try:
        size = vault.object_file(row.object).stat().st_size
    except FileNotFoundError:
        return "missing"
    if size != row.size + OVERHEAD_BYTES:
        return "damaged"
    try:
        if read_data:
            vault.read(row.name)
    except StoreError:
        return "damaged"
    return ""


def forget_encodings(vault: Vault, found: Checked) -> int:
    """Forget those among what is broken that ``train`` encodes anew from the pictures; how many."""
    names = [name for name in found.broken if name.startswith(ENCODINGS)]
    vault.delete_all(names)
    return len(names)


def remove_strays(vault: Vault, found: Checked) -> int:
    """Delete the stray files of an earlier check, an hour old or more; those that a row knows by now are kept."""
    strays, now, gone = set(found.strays) - {row.object for row in vault.index.rows()}, time.time(), 0
    for file in list((vault.root / "obj").rglob("*")):
        if file.name in strays and file.is_file() and now - file.stat().st_mtime >= _SETTLED_SECONDS:
            file.unlink()
            gone += 1
    return gone
