"""The consent ledger: one signed line for each thing agreed, taken back or done (``consent.jsonl``).

Each line is canonical JSON (RFC 8785), names the SHA-256 of the line before it, and is signed with the owner's Ed25519
key. Nothing is ever changed or removed; what holds now is what the lines say together (``consent/gate.py``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from filelock import FileLock, Timeout

from dressform.consent.scopes import SCOPES
from dressform.errors import BadInput, Full, StoreError, Tampered
from dressform.store import read_at_most, write_atomically

NAME = "consent.jsonl"
VERSION = 1
FILE_LIMIT_BYTES, LINE_LIMIT_BYTES = 64 << 20, 4 << 20
_KEPT_FREE_BYTES = {"revoke": 0, "narrow": 0, "forgetting": 1 << 18, "use": 1 << 20}
"""Of the file's limit, which a line of this kind (or any other: as a use) leaves to the others."""
_WAIT_SECONDS = 15
_COMMON = frozenset({"v", "seq", "prev", "at", "kind", "key", "sig"})
_FIELDS: dict[str, frozenset[str]] = {
    "grant": frozenset({"subject", "assets", "permit", "prohibit", "limits", "on_revoke", "notice"}),
    "narrow": frozenset({"prohibit"}),
    "revoke": frozenset({"assets", "grace_days"}),
    "use": frozenset({"action", "grant", "assets", "inputs", "outputs"}),
    "attest": frozenset({"statement", "evidence"}),
}
"""What each kind of entry must carry: exactly this, or the line is not read at all."""


@dataclass(frozen=True)
class Head:
    """The newest line: how many lines there are, and the SHA-256 of the last."""

    length: int
    sha256: str


EMPTY = Head(0, "")


@dataclass(frozen=True)
class Entry:
    """One verified line."""

    sequence: int
    sha256: str
    kind: str
    at: datetime
    body: Mapping[str, Any]


class Ledger:
    """The lines of one character, verified as they are read. ``public_key`` is the owner's, known from elsewhere."""

    def __init__(self, file: Path, public_key: bytes) -> None:
        self.file, self._public = file, public_key
        self._entries: list[Entry] = []
        self._bytes = b""

    def entries(self) -> list[Entry]:
        """Every line. Raises Tampered where one is changed, missing, or signed by someone else."""
        data = read_at_most(self.file, FILE_LIMIT_BYTES) if self.file.exists() else b""
        if data == self._bytes:
            return self._entries
        known, rest = (self._entries, data[len(self._bytes) :]) if data.startswith(self._bytes) else ([], data)
        if rest and not rest.endswith(b"\n"):
            raise Tampered(f"{self.file.name}: the last line is cut off; restore it from a backup")
        found = list(known)
        for line in rest.split(b"\n")[:-1]:
            found.append(_verified(line, found[-1] if found else None, self._public))
        self._entries, self._bytes = found, data
        return found

    def head(self) -> Head:
        """The newest line."""
        return head_of(self.entries())

    def append(self, key: Ed25519PrivateKey, kind: str, at: datetime, **body: object) -> Entry:
        """Sign and keep one more line, as of ``at`` or, where the clock is behind, of the line before it. Two processes take turns.

        Raises BadInput for a body that the kind does not have, and Full.
        """
        return self._append(key, kind, at, body, _KEPT_FREE_BYTES.get(kind, _KEPT_FREE_BYTES["use"]))

    def append_forgetting(self, key: Ed25519PrivateKey, at: datetime, *, statement: str, evidence: Sequence[str]) -> Entry:
        """``append`` what was forgotten, for which there is room where a ledger is full for all else but taking back."""
        return self._append(key, "attest", at, {"statement": statement, "evidence": list(evidence)}, _KEPT_FREE_BYTES["forgetting"])

    def _append(self, key: Ed25519PrivateKey, kind: str, at: datetime, body: Mapping[str, object], free: int) -> Entry:
        if set(body) != _FIELDS.get(kind):
            raise BadInput(f"a {kind!r} entry has {sorted(_FIELDS.get(kind, ()))}, not {sorted(body)}")
        self.refuse_other_key(key)
        lock = FileLock(self.file.with_name(f".{self.file.name}.lock"))
        try:
            with lock.acquire(timeout=_WAIT_SECONDS):
                last = self.entries()[-1] if self.entries() else None
                line = _signed(key, kind, max(at, last.at) if last else at, last, body)
                self._refuse_overfull(line, free)
                entry = _verified(line, last, self._public)
                write_atomically(self.file, self._bytes + line + b"\n")
        except Timeout as error:
            raise StoreError(f"another process has held {self.file.name} for {_WAIT_SECONDS} s: wait for it, then try again") from error
        self.entries()
        return entry

    def is_signed_by(self, key: Ed25519PrivateKey) -> bool:
        """True for her owner's key."""
        return key.public_key().public_bytes_raw() == self._public

    def refuse_other_key(self, key: Ed25519PrivateKey) -> None:
        """Raises BadInput for a key that cannot sign her lines: better before the work than after it."""
        if not self.is_signed_by(key):
            raise BadInput("this key is not the owner's: only she can write her ledger")

    def _refuse_overfull(self, line: bytes, free: int) -> None:
        """Raises Full for a line that nobody could read back. What takes consent back, and then what forgets, has room kept free."""
        if len(line) > LINE_LIMIT_BYTES:
            raise Full(f"too much for one line of the consent ledger ({len(line)} bytes, {LINE_LIMIT_BYTES} at most): do less at once")
        if len(self._bytes) + len(line) + 1 > FILE_LIMIT_BYTES - free:
            raise Full(f"{self.file.name} is full ({FILE_LIMIT_BYTES >> 20} MiB): consent can be taken back and pictures removed, no more")


def head_of(entries: Sequence[Entry]) -> Head:
    """The newest of these entries."""
    return Head(len(entries), entries[-1].sha256) if entries else EMPTY


def refuse_older(entries: Sequence[Entry], seen: Head) -> None:
    """Raises Tampered where the ledger does not contain the head that was seen before: lines were taken away."""
    if seen.length > len(entries) or (seen.length and entries[seen.length - 1].sha256 != seen.sha256):
        raise Tampered(
            f"the consent ledger has {len(entries)} lines, but {seen.length} were seen here: it was put back from an older copy; "
            "restore the newest one. Until then nothing opens but doctor and consent revoke"
        )


def _signed(key: Ed25519PrivateKey, kind: str, at: datetime, last: Entry | None, body: Mapping[str, Any]) -> bytes:
    row = {
        "v": VERSION,
        "seq": last.sequence + 1 if last else 1,
        "prev": last.sha256 if last else "",
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "kind": kind,
        "key": key.public_key().public_bytes_raw().hex(),
        **body,
    }
    row["sig"] = base64.b64encode(key.sign(rfc8785.dumps(row))).decode()
    return rfc8785.dumps(row)


def _verified(line: bytes, last: Entry | None, public_key: bytes) -> Entry:
    number = last.sequence + 1 if last else 1
    try:
        if len(line) > LINE_LIMIT_BYTES:
            raise ValueError(f"it has over {LINE_LIMIT_BYTES} bytes")
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("not an object")
        _well_formed(row, number, last)
        if rfc8785.dumps(row) != line:
            raise ValueError("not canonical")
        if row["key"] != public_key.hex():
            raise ValueError("signed by another key")
        unsigned = {k: v for k, v in row.items() if k != "sig"}
        signature = base64.b64decode(row["sig"], validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, rfc8785.dumps(unsigned))
        at = datetime.fromisoformat(row["at"])
        if at.tzinfo is None or (last and at < last.at):
            raise ValueError("its time is before the line before it")
    except InvalidSignature:
        raise Tampered(f"line {number} of the consent ledger was changed: its signature is wrong") from None
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error, rfc8785.CanonicalizationError) as error:
        raise Tampered(f"line {number} of the consent ledger cannot be trusted: {error}") from error
    return Entry(number, hashlib.sha256(line).hexdigest(), row["kind"], at, {k: row[k] for k in _FIELDS[row["kind"]]})


def _well_formed(row: Mapping[str, Any], number: int, last: Entry | None) -> None:
    """Raises ValueError for a line that says more, less or other than its kind may."""
    if row.get("v") != VERSION:
        raise ValueError(f"version {row.get('v')}, this dressform knows {VERSION}")
    if row.get("kind") not in _FIELDS:
        raise ValueError(f"kind {row.get('kind')!r} is not known")
    if set(row) != _FIELDS[row["kind"]] | _COMMON:
        raise ValueError(f"a {row['kind']} entry with other fields")
    if row["seq"] != number or row["prev"] != (last.sha256 if last else ""):
        raise ValueError("a line before it is missing")
    for field in ("permit", "prohibit"):
        unknown = set(row.get(field, ())) - set(SCOPES)
        if unknown:
            raise ValueError(f"scope {sorted(unknown)[0]!r} is not known")
