"""Two places that pictures are taken from, read alike: a folder, and a zip archive that is never unpacked to the disk.

An archive is judged before anything of it is read: how many files it says it holds, how large they say they are, how far
they are packed, and whether they lie over one another. Its names are only looked up and shown; nothing is written under them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from dressform.errors import BadInput
from dressform.pictures import texts
from dressform.store import read_at_most

FILE_LIMIT_BYTES = 100_000_000
COUNT_LIMIT, TOTAL_LIMIT_BYTES, RATIO_LIMIT = 20_000, 16 << 30, 100
_DIRECTORY_LIMIT_BYTES, _TAIL_BYTES = 16 << 20, 22 + 0xFFFF
_RATIO_FROM_BYTES = 1 << 20
_LONGEST, _DEEPEST = 1024, 32
_END, _END64 = b"PK\x05\x06", b"PK\x06\x07"
_UTF8_NAME, _ENCRYPTED = 0x800, 0x1


class Tree(Protocol):
    """Files in folders; a path is POSIX, relative, and "" is the top."""

    called: str

    def entries(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        """(paths of the files, paths of the folders) right in ``folder``, sorted."""
        ...

    def read(self, path: str, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        """The bytes of a file. Raises BadInput or StoreError."""
        ...

    def holds(self, path: str) -> bool: ...


class FolderTree:
    """A folder on the disk."""

    def __init__(self, root: Path) -> None:
        self.root, self.called = root, root.resolve().name

    def entries(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        files, folders = [], []
        try:
            for entry in sorted((self.root / folder).iterdir()):
                if entry.is_dir() or entry.is_file():  # a pipe or a device would be waited for
                    (folders if entry.is_dir() else files).append(entry.relative_to(self.root).as_posix())
        except OSError as error:
            raise BadInput(f"{self.root / folder}: cannot be read ({error.strerror}); let yourself read it, or leave it out") from error
        return files, folders

    def read(self, path: str, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        return read_at_most(self.root / path, limit_bytes)

    def holds(self, path: str) -> bool:
        try:
            return (self.root / path).is_file()
        except OSError:  # a name longer than the system has names
            return False


class ZipTree:
    """A zip archive. Raises BadInput where it is none, is damaged, or asks for too much."""

    def __init__(self, file: Path) -> None:
        self.called = file.stem
        _refuse_directory(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            raise BadInput(f"{file.name}: not a whole zip archive ({error})") from error
        found = [info for info in self._zip.infolist() if not info.is_dir()]
        _refuse_greedy(file, found)
        self._infos = {_name(info): info for info in found}
        if len(self._infos) != len(found):
            raise BadInput(f"{file.name}: two of its files have the same name; pack it again")
        if deep := next((p for p in self._infos if len(p) > _LONGEST or p.count("/") > _DEEPEST), None):
            raise BadInput(f"{file.name}: {deep[:40]}… lies in more than {_DEEPEST} folders, or has a name of over {_LONGEST} characters")
        self._folders: dict[str, tuple[list[str], set[str]]] = {}
        for path in self._infos:
            self._place(path)

    def _place(self, path: str) -> None:
        folder = _folder_of(path)
        self._folders.setdefault(folder, ([], set()))[0].append(path)
        while folder:
            above = _folder_of(folder)
            self._folders.setdefault(above, ([], set()))[1].add(folder)
            folder = above

    def entries(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        files, folders = self._folders.get(folder, ([], set()))
        return sorted(files), sorted(folders)

    def read(self, path: str, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        info = self._infos[path]
        if info.file_size > limit_bytes:
            raise BadInput(f"longer than {limit_bytes} bytes, so it is not what it should be")
        try:
            with self._zip.open(info) as source:
                data = source.read(limit_bytes + 1)
        except Exception as error:  # an unpacker may raise anything on an archive made to break it
            raise BadInput(f"cannot be unpacked ({' '.join(str(error).split())[:80]})") from error
        if len(data) != info.file_size:
            raise BadInput(f"is {info.file_size} bytes long by the archive, but more or fewer came out")
        return data

    def holds(self, path: str) -> bool:
        return path in self._infos


def is_zip(file: Path) -> bool:
    """True where the file begins like a zip archive, or is called one. Raises BadInput where it cannot be read."""
    try:
        with file.open("rb") as source:
            return source.read(4) in (b"PK\x03\x04", _END) or file.suffix.lower() in (".zip", ".cbz")
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}); let yourself read it, or leave it out") from error


def _refuse_directory(file: Path) -> None:
    """Raises BadInput where the archive's table of contents is itself too long to be read, or is of the large kind."""
    with file.open("rb") as source:
        size = source.seek(0, 2)
        source.seek(max(0, size - _TAIL_BYTES))
        tail = source.read(_TAIL_BYTES)
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise BadInput(f"{file.name}: not a whole zip archive (its table of contents is missing)")
    count, length = int.from_bytes(tail[at + 10 : at + 12], "little"), int.from_bytes(tail[at + 12 : at + 16], "little")
    if count > COUNT_LIMIT or length > _DIRECTORY_LIMIT_BYTES or _END64 in tail[max(0, at - 20) : at]:
        raise BadInput(f"{file.name}: over {COUNT_LIMIT} files or 4 GiB; give smaller archives, or unpack it yourself and give the folder")


def _refuse_greedy(file: Path, found: Sequence[zipfile.ZipInfo]) -> None:
    packed, whole = sum(i.compress_size for i in found), sum(i.file_size for i in found)
    if len(found) > COUNT_LIMIT:
        raise BadInput(f"{file.name}: over {COUNT_LIMIT} files; give smaller archives")
    if whole > TOTAL_LIMIT_BYTES:
        raise BadInput(f"{file.name}: {whole >> 30} GiB unpacked, the limit is {TOTAL_LIMIT_BYTES >> 30}; give smaller archives")
    if packed > file.stat().st_size:
        raise BadInput(f"{file.name}: its files lie over one another; pack it again")
    if whole > _RATIO_FROM_BYTES and whole > RATIO_LIMIT * max(1, packed):
        raise BadInput(f"{file.name}: {whole} bytes packed into {packed}: no pictures shrink so far")
    if any(i.flag_bits & _ENCRYPTED for i in found):
        raise BadInput(f"{file.name}: needs a password; pack it again without one")


def _name(info: zipfile.ZipInfo) -> str:
    """The path, its characters put right where the archive does not say that it is UTF-8 (as Japanese programs write it)."""
    raw = info.orig_filename
    if not info.flag_bits & _UTF8_NAME:
        raw = texts.name(raw.encode("cp437"))
    return str(PurePosixPath(raw.replace("\\", "/").lstrip("/")))


def _folder_of(path: str) -> str:
    folder = str(PurePosixPath(path).parent)
    return "" if folder in (".", path) else folder
