"""What a picture file is, before anything of it is decoded: its kind, its size, and whether it is whole.

A file of 500 kB can ask for gigabytes. So the parts of a file are walked first, by their lengths alone (PNG, third edition;
JPEG, ITU T.81; WebP, RFC 9649), and only what is one whole still picture of a bearable size reaches a decoder.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from dressform.errors import BadInput

PIXEL_LIMIT = 40_000_000
"""An A4 page at 600 dpi has 35 million; a decoder takes four bytes for each."""
_PART_LIMIT, _SCAN_LIMIT = 50_000, 100
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_SCAN, _FRAMES = 0xDA, {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_ALONE = {0x01, *range(0xD0, 0xD8)}
_FILL, _AFTER_SCAN = re.compile(rb"\xff+"), re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True)
class Container:
    """One whole still picture: its kind as Pillow names it ("PNG", "JPEG", "WEBP") and its size in pixels."""

    kind: str
    width_px: int
    height_px: int


def examined(data: bytes) -> Container:
    """The picture that these bytes hold. Raises BadInput for anything but one whole, still, bearable PNG, JPEG or WebP."""
    if data.startswith(_PNG):
        kind, (width, height) = "PNG", _png(data)
    elif data.startswith(_JPEG):
        kind, (width, height) = "JPEG", _jpeg(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind, (width, height) = "WEBP", _webp(data)
    else:
        raise BadInput("not a PNG, JPEG or WebP picture")
    if not width or not height:
        raise _damaged("it is 0 pixels wide or high")
    if width * height > PIXEL_LIMIT:
        raise BadInput(f"{width}x{height} is over {PIXEL_LIMIT // 1_000_000} million pixels; make it smaller")
    return Container(kind, width, height)


def _png(data: bytes) -> tuple[int, int]:
    size, names = (0, 0), set[bytes]()
    for name, at, end in png_parts(data):
        if (name == b"IHDR") != (not names) or (name == b"IHDR" and end - at != 13):
            raise _damaged("it does not begin with one header")
        if name in (b"acTL", b"fcTL", b"fdAT"):
            raise _animated()
        if name == b"IHDR":
            size = int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")
        names.add(name)
    if b"IDAT" not in names:
        raise _damaged("it has no pixels")
    return size


def png_parts(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, begin, end) of every chunk's body, up to the end of the picture, which must be the end of the file.

    Raises BadInput for a chunk that is longer than the file or whose checksum is wrong.
    """
    at = len(_PNG)
    for _ in range(_PART_LIMIT):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise _damaged("its parts are longer than the file")
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise _damaged(f"a checksum of {name!r} is wrong")
        yield name, at + 8, end - 4
        at = end
        if name == b"IEND":
            return _refuse_rest(data, at)
    raise _damaged(f"it has over {_PART_LIMIT} parts")


def _jpeg(data: bytes) -> tuple[int, int]:
    size, scans = (0, 0), 0
    for marker, at, end in _jpeg_parts(data):
        if marker in _FRAMES:
            if size[0] or end - at < 5:
                raise _damaged("it has more than one header")
            size = int.from_bytes(data[at + 3 : at + 5], "big"), int.from_bytes(data[at + 1 : at + 3], "big")
        scans += marker == _SCAN
        if scans > _SCAN_LIMIT:
            raise _damaged(f"it has over {_SCAN_LIMIT} layers")
    if not (scans and size[0]):
        raise _damaged("it has no pixels")
    return size


def _jpeg_parts(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, begin, end) of every part with a body, up to the end of the picture, which must be the end of the file."""
    at = 2
    for _ in range(_PART_LIMIT):
        fill = _FILL.match(data, at)
        if not fill or fill.end() == len(data):
            raise _damaged("it ends in the middle")
        marker, at = data[fill.end()], fill.end() + 1
        if marker == 0xD9:
            return _refuse_rest(data, at)
        if marker in _ALONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if marker in (0x00, 0xD8) or length < 2 or at + length > len(data):
            raise _damaged("its parts do not fit together")
        yield marker, at + 2, at + length
        at += length
        if marker == _SCAN:
            after = _AFTER_SCAN.search(data, at)
            if not after:
                raise _damaged("it ends in the middle")
            at = after.start()
    raise _damaged(f"it has over {_PART_LIMIT} parts")


def _webp(data: bytes) -> tuple[int, int]:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise _damaged("it is shorter than it says")
    _refuse_rest(data, end)
    canvas: tuple[int, int] | None = None
    sizes: list[tuple[int, int]] = []
    for name, body in _riff_parts(data, end):
        if name in (b"ANIM", b"ANMF") or (name == b"VP8X" and body[:1] and body[0] & 2):
            raise _animated()
        if name == b"VP8X" and len(body) >= 10:
            canvas = 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        elif name == b"VP8 " and bytes(body[3:6]) == b"\x9d\x01\x2a" and len(body) >= 10:
            sizes.append((int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF))
        elif name == b"VP8L" and body[:1] == b"\x2f" and len(body) >= 5:
            bits = int.from_bytes(body[1:5], "little")
            sizes.append((1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)))
    if len(sizes) != 1 or canvas not in (None, sizes[0]):
        raise _damaged("it does not hold one picture of the size it says")
    return sizes[0]


def _riff_parts(data: bytes, end: int) -> Iterator[tuple[bytes, memoryview]]:
    at = 12
    for _ in range(_PART_LIMIT):
        if at == end:
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise _damaged("its parts are longer than the file")
        yield data[at : at + 4], memoryview(data)[at + 8 : at + 8 + length]
        at = min(end, at + 8 + length + length % 2)
    raise _damaged(f"it has over {_PART_LIMIT} parts")


def _refuse_rest(data: bytes, end: int) -> None:
    """Raises BadInput where something stands after the picture: another file, or pixels that were cropped away."""
    if len(data) > end and data[end:].strip(b"\0\r\n\t "):
        raise BadInput(f"{len(data) - end} bytes stand after the picture's end; save it again as a picture alone")


def _damaged(what: str) -> BadInput:
    return BadInput(f"damaged or cut off ({what})")


def _animated() -> BadInput:
    return BadInput("an animation; give still pictures")
