"""Where a character's private bytes live: a narrow seam with a directory and an in-memory twin.

A name is a path of plain words ("pictures/ab12.png"). A write is all or nothing.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from dressform.errors import StoreError

_PIECE_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


class Store(Protocol):
    """Bytes by name."""

    def read(self, name: str) -> bytes:
        """The bytes of that name. Raises StoreError if there are none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes under that name, replacing what was there. Raises StoreError; then the old bytes remain."""
        ...

    def write_all(self, parts: Mapping[str, bytes], forgetting: Collection[str] = ()) -> None:
        """Keep several names at once, and forget others. In a vault all of it happens or nothing, and costs one change of its index."""
        ...

    def delete(self, name: str) -> None:
        """Forget that name; nothing happens if it is not there."""
        ...

    def delete_all(self, names: Collection[str]) -> None:
        """Forget several names; in a vault all at once."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """All names that begin with ``prefix``, sorted."""
        ...

    def __contains__(self, name: str) -> bool: ...


def checked(name: str) -> str:
    """The name itself. Raises StoreError for one that could leave the store or hide in it."""
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name!r} is not a name that a store can keep")
    return name


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that a kill or a full disk leaves the old bytes or the new ones, never a mixture.

    ``mode`` is the file's permissions from its first moment on. Raises StoreError, with nothing left behind, where the disk refuses.
    """
    made_folder(path.parent)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):  # where nothing can be written, nothing can be taken away
            part.unlink()
        raise StoreError(f"could not write {path.name}: {error.strerror or error}; make room or check the folder") from error


def made_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are not there. Raises StoreError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"could not make the folder {folder}: {error.strerror or error}; name another one") from error


def fresh_folder(folder: Path) -> None:
    """Make an empty folder in the place of whatever is there. Raises StoreError where that cannot be."""
    made_folder(folder.parent)
    try:
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    except OSError as error:
        raise StoreError(f"could not make the folder {folder}: {error.strerror or error}; name another one") from error


def read_at_most(file: Path, limit_bytes: int) -> bytes:
    """The bytes of a file that somebody else may have written. Raises StoreError for one that is longer, or not readable.

    No more memory is asked for than the file says it needs; what comes beyond (of a pipe, all) comes in pieces.
    """
    try:
        with file.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            long = size > limit_bytes
            data = b"" if long else source.read(size + 1)
            if len(data) > size:  # it says nothing of its length, or grew meanwhile
                data += _in_pieces(source, limit_bytes + 1 - len(data))
    except OSError as error:
        raise StoreError(f"could not read {file}: {error.strerror or error}") from error
    if long or len(data) > limit_bytes:
        raise StoreError(f"{file.name}: longer than {limit_bytes} bytes, so it is not what it should be")
    return data


def _in_pieces(source: BinaryIO, most: int) -> bytes:
    parts: list[bytes] = []
    while most and (part := source.read(min(most, _PIECE_BYTES))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


class DirectoryStore:
    """A Store in one folder, as plain files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> bytes:
        try:
            return (self.root / checked(name)).read_bytes()
        except OSError as error:
            raise StoreError(f"could not read {name}: {error.strerror or error}") from error

    def write(self, name: str, data: bytes) -> None:
        write_atomically(self.root / checked(name), data)

    def write_all(self, parts: Mapping[str, bytes], forgetting: Collection[str] = ()) -> None:
        for name, data in parts.items():
            self.write(name, data)
        self.delete_all([name for name in forgetting if name not in parts])

    def delete(self, name: str) -> None:
        (self.root / checked(name)).unlink(missing_ok=True)

    def delete_all(self, names: Collection[str]) -> None:
        for name in names:
            self.delete(name)

    def list(self, prefix: str = "") -> Iterator[str]:
        files = (p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file())
        return iter(sorted(n for n in files if n.startswith(prefix) and not n.endswith(".part")))

    def __contains__(self, name: str) -> bool:
        return (self.root / checked(name)).is_file()


class MemoryStore:
    """A Store that forgets everything when the process ends; for tests."""

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        try:
            return self._bytes[checked(name)]
        except KeyError as error:
            raise StoreError(f"could not read {name}: no such name") from error

    def write(self, name: str, data: bytes) -> None:
        self._bytes[checked(name)] = bytes(data)

    def write_all(self, parts: Mapping[str, bytes], forgetting: Collection[str] = ()) -> None:
        kept = {checked(name): bytes(data) for name, data in parts.items()}
        self._bytes = {name: data for name, data in self._bytes.items() if name not in forgetting} | kept

    def delete(self, name: str) -> None:
        self._bytes.pop(checked(name), None)

    def delete_all(self, names: Collection[str]) -> None:
        for name in names:
            self.delete(name)

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter(sorted(n for n in self._bytes if n.startswith(prefix)))

    def __contains__(self, name: str) -> bool:
        return checked(name) in self._bytes
