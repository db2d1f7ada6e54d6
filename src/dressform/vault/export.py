"""A backup that opens without dressform: everything in one tar, encrypted with age."""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import pyrage

from dressform.errors import BadInput, Refused, StoreError
from dressform.vault.vault import Vault


def export(
    vault: Vault, file: Path, recipients: Sequence[str], without: Collection[str] = (),
    beside: Mapping[str, Path] = MappingProxyType({}), still: Callable[[], bool] = lambda: True,
) -> int:  # fmt: skip
    """Write every name of the vault, but those ``without``, and the files ``beside`` it, into ``file``; how many names there were.

    ``age -d -i KEY file | tar x`` opens it. Streamed: no more than one object is in memory. What lies beside is read last, for a ledger
    that another process writes meanwhile may be longer than the vault has seen it, and never shorter. Raises BadInput where the file is
    there already, StoreError where the disk refuses, and Refused where it may not be kept at the end, for ``still()`` says that more was
    taken back since: that may be shredded by then, so that no name would tell.
    """
    if file.exists():
        raise BadInput(f"{file}: there already; choose another name")
    people = [pyrage.x25519.Recipient.from_str(r) for r in recipients]
    names = [name for name in vault.list() if name not in without]
    out_of, into = os.pipe()
    failures: list[Exception] = []

    def pack() -> None:
        try:
            with os.fdopen(into, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
                for name in [*names, *beside]:
                    try:
                        data = beside[name].read_bytes() if name in beside else vault.read(name)
                    except StoreError:
                        if name in vault:
                            raise
                        continue  # another process has done with it meanwhile
                    entry = tarfile.TarInfo(name)
                    entry.size, entry.mode = len(data), 0o600
                    tar.addfile(entry, BytesIO(data))
        except Exception as error:  # noqa: BLE001 - told in the main thread
            failures.append(error)

    part = file.with_name(f".{file.name}.part")
    packer = threading.Thread(target=pack)
    packer.start()
    try:
        with os.fdopen(out_of, "rb") as source, part.open("wb") as sealed:
            pyrage.encrypt_io(source, sealed, people)
            sealed.flush()
            os.fsync(sealed.fileno())
        packer.join()
        if failures:
            raise failures[0]
        if not still():
            raise Refused(f"{file}: consent was taken back while it was written, so it was not kept; make it again")
        part.rename(file)
    except (OSError, pyrage.EncryptError) as error:
        raise StoreError(f"could not write {file}: {getattr(error, 'strerror', None) or error}; make room or check the folder") from error
    finally:
        packer.join()
        with suppress(OSError):
            part.unlink()
    return len(names)
