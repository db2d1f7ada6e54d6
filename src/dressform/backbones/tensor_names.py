"""Which tensors a .safetensors file holds, from its header alone: no tensor is made, and the file may be of any size.

Format: https://huggingface.co/docs/safetensors: eight bytes of length, that many bytes of JSON, then the tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dressform.errors import BadInput

_HEADER_LIMIT_BYTES = 32 << 20  # the largest base models have some 3000 tensors: under a megabyte
_TENSOR_LIMIT = 50_000


@dataclass(frozen=True)
class Tensors:
    """The shape of each tensor by its name, and what the file says of itself."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def has(self, *names: str) -> bool:
        """True where every one of these names is there."""
        return all(name in self.shapes for name in names)

    def any_with(self, part: str) -> bool:
        """True where a name holds this part."""
        return any(part in name for name in self.shapes)

    def such_as(self) -> str:
        """A few of the names, for an error's text; nothing of them commands a terminal."""
        return ", ".join(ascii(name[:60]).strip("'") for name in sorted(self.shapes)[:3])


def read(file: Path) -> Tensors:
    """The names and shapes of one file. Raises BadInput for one that is no .safetensors, cut off, or made to break a reader."""
    try:
        with file.open("rb") as source:
            length = int.from_bytes(source.read(8), "little")
            size = file.stat().st_size
            if not 2 <= length <= min(size - 8, _HEADER_LIMIT_BYTES):
                raise _damaged(file, "its header is longer than the file" if length > size - 8 else "its header is no header")
            rows = json.loads(source.read(length))
    except OSError as error:
        raise BadInput(f"base model {file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(file, "its header is not plain JSON") from error
    if not isinstance(rows, dict) or len(rows) > _TENSOR_LIMIT:
        raise _damaged(file, f"its header names no tensors, or over {_TENSOR_LIMIT}")
    metadata = rows.pop("__metadata__", {})
    try:
        ends = [int(row["data_offsets"][1]) for row in rows.values()]
        shapes = {name: tuple(int(n) for n in row["shape"]) for name, row in rows.items()}
        said = {str(k): str(v) for k, v in metadata.items()}
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
        raise _damaged(file, "its header does not describe tensors") from error
    if not ends:
        raise _damaged(file, "it holds no tensors")
    if max(ends) != size - 8 - length:
        raise _damaged(file, f"its tensors take {max(ends)} bytes, but {size - 8 - length} are there")
    return Tensors(shapes, said)


def read_all(files: Iterable[Path]) -> Tensors:
    """The tensors of several files (one network in shards) together. Raises BadInput."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        shapes |= read(file).shapes
    return Tensors(shapes)


def _damaged(file: Path, what: str) -> BadInput:
    return BadInput(f"base model {file}: not a whole .safetensors file ({what}); fetch it again")
