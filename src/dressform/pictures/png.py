"""Writing pictures as bare PNG files (PNG, third edition), quickly: every row as its difference from the row above.

Pillow tries five filters for each row, which costs most of an intake; flat drawings gain nothing by it. ISA-L packs the rows
into as few bytes as zlib's fastest level, in a quarter of the time.
"""

from __future__ import annotations

import io

import numpy as np
from isal import isal_zlib
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR = {1: 0, 3: 2}
_UP, _FAST = b"\x02", 1


def png(array: np.ndarray) -> bytes:
    """A bare PNG of uint8 pixels [h, w, 3] or [h, w], or of a bool mask [h, w]."""
    pixels = array.astype(np.uint8) * 255 if array.dtype == bool else array
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, _COLOUR[channels], 0, 0, 0])
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = _UP[0]
    flat = pixels.reshape(height, -1)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    packed = isal_zlib.compress(rows, _FAST)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def from_png(data: bytes) -> np.ndarray:
    """The pixels of a PNG that ``png`` made."""
    return np.asarray(Image.open(io.BytesIO(data)))


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + isal_zlib.crc32(name + body).to_bytes(4, "big")
