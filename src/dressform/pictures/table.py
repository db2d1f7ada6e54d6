"""Captions in a table beside the pictures: the imagefolder of Hugging Face, as ``metadata.jsonl`` or ``metadata.csv``.

Each row names a file in ``file_name`` and its caption in ``text``; trainers write ``caption`` or ``prompt`` for that, too.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dressform.errors import BadInput, DressformError
from dressform.pictures import texts
from dressform.pictures.archive import Tree

NAMES = ("metadata.jsonl", "metadata.csv")
"""What such a table is called; the first that is there is read."""
WORDS = ("text", "caption", "prompt")
_LIMIT_BYTES = 64 << 20


@dataclass(frozen=True)
class Row:
    """One picture's file and its caption."""

    file: str
    text: str


def is_one(tree: Tree, called: str) -> bool:
    """True where a file of such a name is a table of pictures; a CSV may be any other."""
    return not called.endswith(".csv") or b"file_name" in tree.read(called, _LIMIT_BYTES).split(b"\n", 1)[0]


def rows(tree: Tree, table: str) -> Iterator[Row]:
    """Every line of the table. Raises BadInput with the number of the first that cannot be read."""
    data = tree.read(table, _LIMIT_BYTES)
    read = _from_csv if table.endswith(".csv") else _from_jsonl
    for number, row in read(data, table):
        try:
            text = next((row[k] for k in WORDS if row.get(k)), "")
            if not isinstance(row["file_name"], str) or not isinstance(text, str):
                raise ValueError("file_name and text are words")
            words = texts.caption(text.encode())
        except (ValueError, KeyError, TypeError, AttributeError, DressformError) as error:
            raise _unlike(table, number, error) from error
        yield Row(row["file_name"], words[: texts.LIMIT_BYTES])


def _from_jsonl(data: bytes, table: str) -> Iterator[tuple[int, Any]]:
    """(line number, what stands there) of every line that is not empty. Raises BadInput."""
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise _unlike(table, number, error) from error


def _from_csv(data: bytes, table: str) -> Iterator[tuple[int, Any]]:
    """The same of a table whose first line names the columns."""
    number = 1
    try:
        found = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        for row in found:
            number = found.line_num
            yield number, row
    except (ValueError, csv.Error) as error:
        raise _unlike(table, number + 1, error) from error


def _unlike(table: str, number: int, error: Exception) -> BadInput:
    columns = "columns file_name and text" if table.endswith(".csv") else '{"file_name": "01.png", "text": "front view"}'
    return BadInput(f"{table}: line {number} is not like {columns}; {' '.join(str(error).split())[:60]}")
