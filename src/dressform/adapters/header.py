"""The header of an adapter file, read and bounded before a single tensor is made.

Format: https://huggingface.co/docs/safetensors: eight bytes of length, that many bytes of JSON, then the tensors' bytes, which
the header's offsets must cover exactly once. Only floating-point tensors belong in an adapter, and alphas, which some
converters write as whole numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dressform.errors import BadInput

HEADER_LIMIT_BYTES = 8 << 20
TENSOR_LIMIT = 20_000
_BYTES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8}
_BYTES_OF_ALPHA = _BYTES | {"I64": 8, "I32": 4}
_DIMENSIONS = 4


@dataclass(frozen=True)
class Header:
    """What the file says of itself: the shape of each tensor, its metadata, and where its tensors begin (in bytes)."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]
    tensors_at: int


def read(data: bytes) -> Header:
    """The header of a whole adapter file. Raises BadInput for one that is damaged, foreign, or made to break a reader."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise _damaged("its header is longer than the file" if len(data) >= 8 else "it is cut off")
    if length > HEADER_LIMIT_BYTES:
        raise _damaged(f"its header has {length} bytes, at most {HEADER_LIMIT_BYTES} are read")
    try:
        rows = json.loads(data[8 : 8 + length], object_pairs_hook=_bounded(TENSOR_LIMIT + 2), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"its header is not plain JSON: {str(error)[:80]}") from error
    if not isinstance(rows, dict):
        raise _damaged("its header is not an object")
    metadata = rows.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged("its metadata are not words")
    if not 0 < len(rows) <= TENSOR_LIMIT:
        raise _damaged(f"it has {len(rows)} tensors, 1 to {TENSOR_LIMIT} are read")
    places = sorted((_place(name, row) for name, row in rows.items()), key=lambda place: place[1])
    reached = 0
    for name, begin, end, _ in places:
        if begin != reached:
            raise _damaged(f"tensor {name[:80]!r} overlaps another or leaves a gap")
        reached = end
    if reached != len(data) - 8 - length:
        raise _damaged(f"its tensors take {reached} bytes, but {len(data) - 8 - length} are there")
    return Header({name: shape for name, _, _, shape in places}, metadata, 8 + length)


def _place(name: str, row: Any) -> tuple[str, int, int, tuple[int, ...]]:
    """(name, first byte, byte after the last, shape) of one tensor."""
    if not isinstance(row, dict) or set(row) != {"dtype", "shape", "data_offsets"}:
        raise _damaged(f"tensor {name[:80]!r} is not described as one")
    kind, shape, offsets = row["dtype"], row["shape"], row["data_offsets"]
    size = (_BYTES_OF_ALPHA if name.endswith(".alpha") else _BYTES).get(kind) if isinstance(kind, str) else None
    if size is None:
        raise _damaged(f"tensor {name[:80]!r} is of kind {str(kind)[:20]!r}, expected {', '.join(_BYTES)}")
    if not _whole(shape) or len(shape) > _DIMENSIONS or not _whole(offsets) or len(offsets) != 2:
        raise _damaged(f"tensor {name[:80]!r} has no proper shape or place")
    begin, end = offsets
    if not 0 < math.prod(shape) * size == end - begin:
        raise _damaged(f"tensor {name[:80]!r} is empty, or its shape does not fit its bytes")
    return name, begin, end, tuple(shape)


def _whole(values: Any) -> bool:
    """True for a list of bearable whole numbers, none below 0."""
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 1 << 48 for v in values)


def _bounded(most: int) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Builds JSON objects, at most so many, none with a name twice; else ValueError."""
    made = 0

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal made
        made += 1
        found = dict(pairs)
        if made > most or len(found) != len(pairs):
            raise ValueError(f"over {TENSOR_LIMIT} tensors" if made > most else "a name stands there twice")
        return found

    return build


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _damaged(what: str) -> BadInput:
    return BadInput(f"not a whole safetensors adapter file ({what}); export or train it again")
