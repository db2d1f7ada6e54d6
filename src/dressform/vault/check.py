"""Is the vault whole? The index against the objects, and on request every byte against its tag."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dressform.errors import StoreError
from dressform.vault.sealing import OVERHEAD_BYTES
from dressform.vault.vault import Vault

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
    def whole(self) -> bool:
        return not (self.damaged or self.missing)


def check(vault: Vault, read_data: bool = False, on_object: Callable[[int, int], None] = lambda _done, _all: None) -> Checked:
    """Compare index and objects. Nothing is changed: a stray file (left by a kill, or planted) is named and left alone."""
    rows = vault.index.rows()
    damaged, missing = [], []
    for i, row in enumerate(rows):
        file = vault.object_file(row.object)
        if not file.is_file():
            missing.append(row.name)
        elif file.stat().st_size != row.size + OVERHEAD_BYTES:
            damaged.append(row.name)
        elif read_data:
            try:
                vault.read(row.name)
            except StoreError:
                damaged.append(row.name)
        on_object(i + 1, len(rows))
    known = {row.object for row in rows}
    strays = tuple(sorted(p.name for p in (vault.root / "obj").rglob("*") if p.is_file() and p.name not in known))
    return Checked(len(rows), tuple(damaged), tuple(missing), strays)


def remove_strays(vault: Vault, found: Checked) -> int:
    """Delete the stray files of an earlier check, an hour old or more; those that a row knows by now are kept."""
    strays, now, gone = set(found.strays) - {row.object for row in vault.index.rows()}, time.time(), 0
    for file in list((vault.root / "obj").rglob("*")):
        if file.name in strays and file.is_file() and now - file.stat().st_mtime >= _SETTLED_SECONDS:
            file.unlink()
            gone += 1
    return gone
