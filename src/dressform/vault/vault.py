"""The vault: a Store in one folder, sealed (docs/format/vault-v1.md)."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dressform.errors import BadInput, Locked, StoreError, Tampered
from dressform.store import checked, read_at_most, write_atomically
from dressform.vault import keys
from dressform.vault.index import Index, Row
from dressform.vault.sealing import OVERHEAD_BYTES, derived, meaning, new_key, seal, unseal

FORMAT, VERSION = "dressform-vault", 1
_CARD_LIMIT_BYTES = 4096
_WRITERS = 8
_ID = re.compile(r"[0-9a-f]{32}")
_PERSON = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Vault:
    """Bytes by name, each sealed with a key of its own. Made by ``create`` or ``open_``."""

    def __init__(self, root: Path, vault_id: str, key: bytes) -> None:
        self.root, self.id, self._key = root, vault_id, key
        self.index = Index(root / "index.db", vault_id, key)

    # Store ------------------------------------------------------------------------------------------
    def read(self, name: str) -> bytes:
        row = self._row(name)
        while True:
            try:
                sealed = read_at_most(self.object_file(row.object), row.size + OVERHEAD_BYTES)
            except StoreError as error:
                if (now := self._row(name)) != row:  # another process replaced it meanwhile
                    row = now
                    continue
                raise Tampered(f"an object of the vault is missing or exchanged ({error}): restore it from a backup") from error
            return unseal(row.key, sealed, self._meaning(row))

    def _row(self, name: str) -> Row:
        row = self.index.get(checked(name))
        if row is None:
            raise StoreError(f"could not read {name}: no such name")
        return row

    def write(self, name: str, data: bytes) -> None:
        self.write_all({name: data})

    def write_all(self, parts: Mapping[str, bytes], forgetting: Collection[str] = ()) -> None:
        rows = [Row(checked(n), secrets.token_hex(16), n.split("/")[0], len(data), new_key()) for n, data in parts.items()]
        forgotten = [checked(name) for name in forgetting if name not in parts]
        try:
            if len(rows) == 1:
                self._write_object(rows[0], parts[rows[0].name])
            else:  # each waits for the disk, so they wait together
                with ThreadPoolExecutor(_WRITERS) as pool:
                    list(pool.map(lambda row: self._write_object(row, parts[row.name]), rows))
            gone = self.index.put_all(rows, forgotten)
        except StoreError:
            for row in rows:
                self.object_file(row.object).unlink(missing_ok=True)
            raise
        for old in gone:
            self.object_file(old.object).unlink(missing_ok=True)

    def _write_object(self, row: Row, data: bytes) -> None:
        write_atomically(self.object_file(row.object), seal(row.key, data, self._meaning(row)))

    def delete(self, name: str) -> None:
        """Forget the name and its key; without the key, what is left on the disk opens no more."""
        self.delete_all([name])

    def delete_all(self, names: Collection[str]) -> None:
        for old in self.index.remove_all([checked(name) for name in names]):
            self.object_file(old.object).unlink(missing_ok=True)

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter(sorted(row.name for row in self.index.rows() if row.name.startswith(prefix)))

    def __contains__(self, name: str) -> bool:
        return self.index.get(checked(name)) is not None

    # people -----------------------------------------------------------------------------------------
    def add_person(self, who: str, recipient: str) -> None:
        """Let another person's age key open this vault. Raises BadInput for a bad name or recipient, or one that opens it already."""
        if who in self.people():
            raise BadInput(f"person {who!r}: there is one of that name, whose key would open it no more; choose another name")
        self.set_person(who, recipient)

    def set_person(self, who: str, recipient: str) -> None:
        """The same, in the place of the key that had this name before."""
        if not _PERSON.fullmatch(who):
            raise BadInput(f"person {who!r}: use 1 to 40 small letters, digits or '-'")
        write_atomically(self.root / "keys" / f"{who}.age", keys.wrap(self._key, recipient))

    def people(self) -> tuple[str, ...]:
        return tuple(sorted(p.stem for p in (self.root / "keys").glob("*.age")))

    # inside -----------------------------------------------------------------------------------------
    def object_file(self, object_id: str) -> Path:
        return self.root / "obj" / object_id[:2] / object_id

    def _meaning(self, row: Row) -> bytes:
        return meaning(self.id, row.object, row.kind)

    @property
    def mark(self) -> str:
        """What tells this vault's key from any other, and nothing else of it."""
        return derived(self._key, "mark").hex()

    def close(self) -> None:
        self.index.close()


def create(root: Path, people: Mapping[str, str]) -> Vault:
    """A new vault that each of these people (name -> age recipient) can open. Raises BadInput where one is already."""
    if (root / "VAULT.json").exists():
        raise BadInput(f"{root}: there is a vault here already")
    vault_id, key = secrets.token_hex(16), new_key()
    (root / "obj").mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    vault = Vault(root, vault_id, key)
    for who, recipient in people.items():
        vault.add_person(who, recipient)
    write_atomically(root / "VAULT.json", json.dumps({"format": FORMAT, "version": VERSION, "id": vault_id}).encode() + b"\n")
    return vault


def open_(root: Path, identity: str) -> Vault:
    """Open a vault with one person's age identity.

    Raises Locked where the identity opens none of its keys, BadInput where there is no vault or a newer one,
    and Tampered where what lies there is not what was written.
    """
    vault_id = read_id(root)
    for wrapped in sorted((root / "keys").glob("*.age")):
        try:
            key = keys.unwrap(read_at_most(wrapped, keys.FILE_LIMIT_BYTES), identity)
        except Locked:
            continue
        return Vault(root, vault_id, key)
    raise Locked(f"{root}: this key does not open the vault; use the key it was made with, or the recovery key")


def read_id(root: Path) -> str:
    """The vault's public id. Raises BadInput."""
    file = root / "VAULT.json"
    if not file.exists():
        raise BadInput(f"{root}: no vault here")
    try:
        card = json.loads(read_at_most(file, _CARD_LIMIT_BYTES))
        format_, version, vault_id = card["format"], card["version"], card["id"]
    except (StoreError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Tampered(f"{file}: not readable ({error}): restore it from a backup") from error
    if format_ != FORMAT or not isinstance(version, int) or version < 1:
        raise Tampered(f"{file}: not a dressform vault: restore it from a backup")
    if version > VERSION:
        raise BadInput(f"{root}: a vault of version {version}, this dressform knows up to {VERSION}: update dressform")
    if not isinstance(vault_id, str) or not _ID.fullmatch(vault_id):
        raise Tampered(f"{file}: its id is not 32 hex digits: restore it from a backup")
    return vault_id
