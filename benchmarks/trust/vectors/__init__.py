"""Files made to break a reader, drawn in code: name -> a function that writes one into a folder and returns its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

Vectors = Mapping[str, Callable[[Path], Path]]


def file_of(name: str, data: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    """A vector that is one file with these bytes."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data if isinstance(data, bytes) else data())
        return folder / name

    return write
