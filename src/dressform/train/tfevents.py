"""TensorBoard's event files, as far as scalars need them: TFRecords (length, CRC, data, CRC) of Event messages.

Formats: tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto. Written here, because the package
that writes them brings a web server along.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import count
from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), reflected
_MASK_DELTA = 0xA282EAD8
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5


def _table() -> list[int]:
    rows = []
    for row in range(256):
        for _ in range(8):
            row = row >> 1 ^ (_POLYNOMIAL if row & 1 else 0)
        rows.append(row)
    return rows


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """RFC 3720's checksum."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """One TFRecord."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def version(wall_seconds: float) -> bytes:
    """The Event that a file begins with."""
    return _double(1, wall_seconds) + _bytes(3, b"brain.Event:2")


def scalars(wall_seconds: float, step: int, values: Mapping[str, float]) -> bytes:
    """One Event with these figures by tag."""
    shown = b"".join(_bytes(1, _bytes(1, tag.encode()) + _key(2, _FLOAT) + struct.pack("<f", value)) for tag, value in values.items())
    return _double(1, wall_seconds) + _key(2, _VARINT) + _varint(step) + _bytes(5, shown)


def new_file(folder: Path, wall_seconds: float) -> Path:
    """Begin an event file, with a name that none has yet."""
    names = (folder / f"events.out.tfevents.{int(wall_seconds)}.{n}.dressform" for n in count())
    file = next(name for name in names if not name.exists())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(record(version(wall_seconds)))
    return file


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _double(field: int, value: float) -> bytes:
    return _key(field, _DOUBLE) + struct.pack("<d", value)


def _bytes(field: int, data: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(data)) + data
