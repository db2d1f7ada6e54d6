"""Does a PNG hold all the rows that it promises? Decoders leave what is missing black, without a word.

The pixels are unpacked piece by piece and only counted (PNG, third edition, 7.2 and 8.1), so a bomb takes no memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from dressform.errors import BadInput
from dressform.pictures.container import png_parts

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PASSES = {0: ((0, 0, 1, 1),), 1: ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))}
"""(first column, first row, column step, row step) of every pass: one, or the seven of Adam7."""
_PIECE_BYTES, _UNPACKED_BYTES = 1 << 16, 1 << 20


def refuse_missing(data: bytes) -> None:
    """Raises BadInput where an examined PNG has fewer or more bytes of pixels than its size and kind need."""
    wanted = 0
    unpacker, found = zlib.decompressobj(), 0
    for name, begin, end in png_parts(data):
        if name == b"IHDR":
            wanted = _needed(data[begin:end])
        if name == b"IDAT":
            for count in _unpacked(unpacker, memoryview(data)[begin:end]):
                found += count
                if found > wanted:
                    raise BadInput(f"damaged or cut off (more than its {wanted} bytes of pixels)")
    if found < wanted or not unpacker.eof:
        raise BadInput(f"damaged or cut off ({found} of {wanted} bytes of pixels are there)")


def _needed(header: bytes) -> int:
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits, colour, interlaced = header[8], header[9], header[12]
    if bits not in _BITS.get(colour, ()) or interlaced not in _PASSES:
        raise BadInput("damaged or cut off (there are no such colours)")
    total = 0
    for x, y, dx, dy in _PASSES[interlaced]:
        columns, rows = max(0, -(-(width - x) // dx)), max(0, -(-(height - y) // dy))
        total += rows * (1 + -(-columns * bits * _CHANNELS[colour] // 8)) if columns else 0
    return total


def _unpacked(unpacker: zlib._Decompress, body: memoryview) -> Iterator[int]:
    """How many bytes come out of each piece."""
    try:
        for at in range(0, len(body), _PIECE_BYTES):
            piece: bytes | memoryview = body[at : at + _PIECE_BYTES]
            while piece and not unpacker.eof:
                yield len(unpacker.decompress(piece, _UNPACKED_BYTES))
                piece = unpacker.unconsumed_tail
    except zlib.error as error:
        raise BadInput("damaged or cut off (its pixels cannot be unpacked)") from error
