"""A backup (export.py) read back, piece by piece: no more than one object is in memory, and nothing in the clear on the disk.

What is read is held against age's authentication as it comes, and against its end only at the end: who writes it somewhere must do so
in a place that is thrown away where this raises.
"""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pyrage

from dressform.errors import BadInput, Locked, StoreError
from dressform.store import checked
from dressform.vault.keys import identity_of

_HEAD_LIMIT_BYTES, _PIECE_BYTES = 16 << 10, 1 << 20
_NO_BACKUP = "is no backup of dressform's, or damaged; take another copy of it"


def entries(file: Path, identity: str) -> Generator[tuple[str, bytes]]:
    """(name, bytes) of everything in a backup, in its order. Raises Locked where the identity does not open it, BadInput for what is no
    backup, is cut off or changed, or holds what no store can keep, and StoreError where the disk cannot be read. To be closed by who
    stops before its end.
    """
    key = identity_of(identity)
    try:
        size = file.stat().st_size
        source = file.open("rb")
        head = source.read(_HEAD_LIMIT_BYTES)
        source.seek(0)
    except OSError as error:
        raise StoreError(f"could not read {file}: {error.strerror or error}") from error
    if not head.startswith(b"age-encryption.org/v1\n") or b"\n---" not in head:  # a long head takes the square of its length in time
        source.close()
        raise BadInput(f"{file}: {_NO_BACKUP}")
    out_of, into = os.pipe()
    failures: list[Exception] = []

    def unpack() -> None:
        try:
            with source, os.fdopen(into, "wb") as pipe:
                pyrage.decrypt_io(source, pipe, [key])
        except Exception as error:  # noqa: BLE001 - told in the main thread
            failures.append(error)

    unpacker, whole = threading.Thread(target=unpack, daemon=True), False
    unpacker.start()
    try:
        with os.fdopen(out_of, "rb") as pipe, tarfile.open(fileobj=pipe, mode="r|") as tar:
            for member in tar:
                yield _named(file, member, size), _read(tar, member)
            while pipe.read(_PIECE_BYTES):
                pass  # to the end: what is behind the tar's own is authenticated too
            whole = True
    except (tarfile.TarError, ValueError, RecursionError):
        pass  # because it is none, was made to break its reader, or nothing came
    finally:
        unpacker.join()  # only now is it known why nothing came
    if failures and not isinstance(failures[0], BrokenPipeError):
        raise _told(file, failures[0])
    if not whole:
        raise BadInput(f"{file}: {_NO_BACKUP}")


def refuse_locked(file: Path, identity: str) -> None:
    """Raises what ``entries`` raises before its first one."""
    with closing(entries(file, identity)) as found:
        next(found, None)


def _named(file: Path, member: tarfile.TarInfo, limit_bytes: int) -> str:
    try:
        if member.type == tarfile.REGTYPE and not member.sparse and member.pax_headers.keys() <= {"path"} and member.size <= limit_bytes:
            return checked(member.name)
    except StoreError:
        pass
    raise BadInput(f"{file}: {_NO_BACKUP} (it holds {member.name[:80]!r}, which no vault holds)")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    found = tar.extractfile(member)
    assert found is not None, "a regular file"
    return found.read()


def _told(file: Path, error: Exception) -> Exception:
    if isinstance(error, pyrage.DecryptError) and "No matching keys" in str(error):
        return Locked(f"{file}: this key does not open it; use the key it was sealed to, or the recovery key")
    return BadInput(f"{file}: {_NO_BACKUP} ({error})")
