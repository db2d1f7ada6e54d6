"""What a vault holds: one sealed row for each name, and a sealed head over all of them.

The head carries a counter and the keyed sum of all rows, so that a row that was removed, planted or put back from
an older copy is seen at the next opening. Every change is one SQLite transaction.
"""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dressform.errors import StoreError, Tampered
from dressform.vault.sealing import derived, meaning, seal, unseal

_SCHEMA = """
create table if not exists row (tag blob primary key, sealed blob not null) without rowid;
create table if not exists head (id integer primary key check (id = 0), sealed blob not null);
"""
_TABLES = {("table", "row"), ("table", "head")}
_ROW_LIMIT_BYTES = 1 << 16
_MODULUS = 1 << 256
BUSY_SECONDS = 15


@dataclass(frozen=True)
class Row:
    """Where the bytes of a name lie: the object's random id, its kind, its size in bytes, and its own key."""

    name: str
    object: str
    kind: str
    size: int
    key: bytes


@dataclass(frozen=True)
class Head:
    """How many changes there have been, and the keyed sum of all rows."""

    changes: int
    total: int


class Index:
    """The rows of one vault. Safe for several processes: a change waits for the one before it."""

    def __init__(self, file: Path, vault_id: str, vault_key: bytes) -> None:
        self._id = vault_id
        self._rows_key, self._names_key, self._sum_key = (derived(vault_key, p) for p in ("rows", "names", "sum"))
        try:
            self._db = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _ROW_LIMIT_BYTES)
            self._refuse_foreign_schema()
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute("pragma secure_delete = on")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise _told(error) from error
        self._rows: dict[str, Row] = {}
        self._sealed: dict[str, bytes] = {}
        self._seen = -1
        self.head = Head(0, 0)
        self.refresh()

    # reading ----------------------------------------------------------------------------------------
    def _refuse_foreign_schema(self) -> None:
        """A view or a trigger in the place of a table could run for ever, or do what nobody asked for."""
        found = set(self._db.execute("select type, name from sqlite_master").fetchall())
        if found and found != _TABLES:
            raise Tampered("the vault's index has tables that are not its own: restore the vault from a backup")

    def refresh(self) -> None:
        """Read and verify every row where another process has changed something. Raises Tampered."""
        version = self._version()
        if version == self._seen:
            return
        found, sealed = self._load()
        head = self._opened_head(sealed[0]) if sealed else Head(0, 0)
        rows = [self._opened(tag, blob) for tag, blob in found]
        if sum(self._mark(tag, blob) for tag, blob in found) % _MODULUS != head.total:
            raise Tampered("the vault's index was changed by something else: a row is missing, planted or from an older copy")
        self._rows = {row.name: row for row in rows}
        self._sealed = {row.name: blob for row, (_, blob) in zip(rows, found, strict=True)}
        self.head, self._seen = head, version

    def refreshed(self) -> Head:
        """The head as it is now, with what other processes changed."""
        self.refresh()
        return self.head

    def get(self, name: str) -> Row | None:
        self.refresh()
        return self._rows.get(name)

    def rows(self) -> list[Row]:
        self.refresh()
        return list(self._rows.values())

    # changing ---------------------------------------------------------------------------------------
    def put(self, row: Row) -> Row | None:
        """Keep a row; returns the one it replaces."""
        return next(iter(self.put_all([row])), None)

    def put_all(self, rows: Sequence[Row], forgetting: Sequence[str] = ()) -> list[Row]:
        """Keep several rows, and forget other names, in one transaction; returns the rows that were there."""
        return self._change(dict.fromkeys(forgetting) | {row.name: row for row in rows})

    def remove(self, name: str) -> Row | None:
        """Forget a name; returns the row that was there."""
        return next(iter(self.remove_all([name])), None)

    def remove_all(self, names: Sequence[str]) -> list[Row]:
        """Forget several names in one transaction; returns the rows that were there."""
        return self._change(dict.fromkeys(names))

    def close(self) -> None:
        self._db.close()

    def _change(self, wanted: Mapping[str, Row | None]) -> list[Row]:
        """Keep or forget (None) each of these names, all together; returns the rows that were there."""
        after: dict[str, bytes] = {}
        with self._alone():
            self.refresh()
            changes = {n: row for n, row in wanted.items() if row is not None or n in self._sealed}
            if not changes:
                return []
            total = self.head.total
            for name, row in changes.items():
                tag, before = self._tag(name), self._sealed.get(name)
                total -= self._mark(tag, before) if before else 0
                if row is None:
                    self._db.execute("delete from row where tag = ?", (tag,))
                    continue
                after[name] = seal(self._rows_key, _packed(row), meaning(self._id, "row", tag.hex()))
                self._db.execute("insert or replace into row values (?, ?)", (tag, after[name]))
                total += self._mark(tag, after[name])
            head = Head(self.head.changes + 1, total % _MODULUS)
            sealed = seal(self._rows_key, json.dumps([head.changes, f"{head.total:x}"]).encode(), meaning(self._id, "head"))
            self._db.execute("insert or replace into head values (0, ?)", (sealed,))
            known, self._seen = self._seen, -1  # an interruption here leaves it to refresh what was kept of this
        gone = [self._rows.pop(name) for name in changes if name in self._rows]
        for name, row in changes.items():
            self._sealed.pop(name, None)
            if row is not None:
                self._rows[name], self._sealed[name] = row, after[name]
        self.head, self._seen = head, known
        if len(after) < len(changes):
            self._db.execute("pragma wal_checkpoint(truncate)")  # a forgotten row's key must not linger in the log
        return gone

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._db.execute("begin immediate")
            yield
            self._db.execute("commit")
        except sqlite3.DatabaseError as error:
            raise _told(error) from error
        finally:
            if self._db.in_transaction:
                self._db.execute("rollback")

    def _load(self) -> tuple[list[tuple[bytes, bytes]], tuple[bytes] | None]:
        """All rows and the head as of one moment."""
        own = not self._db.in_transaction
        try:
            if own:
                self._db.execute("begin")
            found = self._db.execute("select tag, sealed from row").fetchall()
            sealed = self._db.execute("select sealed from head").fetchone()
            if own:
                self._db.execute("commit")
        except sqlite3.DatabaseError as error:
            raise _told(error) from error
        if not all(type(value) is bytes for row in [*found, sealed or ()] for value in row):
            raise Tampered("the vault's index holds rows that are not sealed: restore the vault from a backup")
        return found, sealed

    def _version(self) -> int:
        try:
            return int(self._db.execute("pragma data_version").fetchone()[0])
        except sqlite3.DatabaseError as error:
            raise _told(error) from error

    # sealing ----------------------------------------------------------------------------------------
    def _tag(self, name: str) -> bytes:
        return hmac.digest(self._names_key, name.encode(), "sha256")

    def _mark(self, tag: bytes, sealed: bytes) -> int:
        return int.from_bytes(hmac.digest(self._sum_key, tag + sealed, "sha256"), "big")

    def _opened(self, tag: bytes, sealed: bytes) -> Row:
        found = json.loads(unseal(self._rows_key, sealed, meaning(self._id, "row", tag.hex())))
        return Row(found["name"], found["object"], found["kind"], found["size"], base64.b64decode(found["key"]))

    def _opened_head(self, sealed: bytes) -> Head:
        changes, total = json.loads(unseal(self._rows_key, sealed, meaning(self._id, "head")))
        return Head(changes, int(total, 16))


def _packed(row: Row) -> bytes:
    key = base64.b64encode(row.key).decode()
    return json.dumps({"name": row.name, "object": row.object, "kind": row.kind, "size": row.size, "key": key}).encode()


def _told(error: sqlite3.DatabaseError) -> StoreError:
    text, code = str(error), getattr(error, "sqlite_errorcode", 0) & 0xFF
    if "locked" in text or "busy" in text:
        return StoreError(f"the vault was in use by another process for {BUSY_SECONDS} s: wait for it to finish, then try again")
    if code == sqlite3.SQLITE_FULL or "full" in text:
        return StoreError("the disk is full: make room, then try again; nothing was lost")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreError(f"the vault's index cannot be read or written ({text}): is the disk full, read-only, or another person's?")
    return Tampered(f"the vault's index is damaged ({text}): restore the vault from a backup")
