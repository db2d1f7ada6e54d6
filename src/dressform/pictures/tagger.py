"""Taggers of drawings, as ONNX files on this disk: a picture in, booru tags out.

The format is that of the WD taggers: ``model.onnx`` takes BGR pixels, float32 [n, side, side, 3] in 0..255 on white, and gives one
probability for each line of ``selected_tags.csv`` beside it (columns ``name`` and ``category``; category 0 is general, all others are
characters and ratings). Nothing is fetched; onnxruntime is used where it is installed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageOps

from dressform.errors import BadInput, NotReady
from dressform.store import read_at_most

TAGS = "selected_tags.csv"
LIKELY = 0.35
"""From this probability on a tag counts, as the makers of the WD taggers propose."""
_GENERAL, _TAGS_LIMIT_BYTES = "0", 16 << 20


class _Input(Protocol):
    name: str
    shape: Sequence[int | str | None]


class Session(Protocol):
    """What is used of ``onnxruntime.InferenceSession``."""

    def get_inputs(self) -> Sequence[_Input]: ...
    def run(self, output_names: None, input_feed: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]: ...


class Tagger:
    """A tagger that is open. ``names`` has one entry for each probability: a general tag, or "" for what is none."""

    def __init__(self, session: Session, names: Sequence[str], called: str) -> None:
        self._session, self._names, self._called = session, names, called
        (self._input,) = session.get_inputs()
        shape = self._input.shape
        if len(shape) != 4 or not isinstance(shape[1], int) or shape[1] != shape[2] or shape[3] != 3:
            raise BadInput(f"{called}: takes {list(shape)}, a tagger takes pictures [n, side, side, 3]")
        self._side = shape[1]

    def __call__(self, pixels: np.ndarray) -> tuple[str, ...]:
        """The likely general tags of uint8 pixels [h, w, 3], the likeliest first, with blanks for underscores. Raises BadInput."""
        found = np.asarray(self._session.run(None, {self._input.name: self._prepared(pixels)})[0]).reshape(-1)
        if len(found) != len(self._names):
            raise BadInput(f"{self._called}: gives {len(found)} probabilities, but {TAGS} names {len(self._names)} tags")
        order = np.argsort(-found, kind="stable")
        likely = [self._names[int(i)] for i in order if found[i] >= LIKELY]
        return tuple(name.replace("_", " ") for name in likely if name)

    def _prepared(self, pixels: np.ndarray) -> np.ndarray:
        square = ImageOps.pad(Image.fromarray(pixels), (self._side, self._side), Image.Resampling.BICUBIC, (255, 255, 255))
        return np.asarray(square, dtype=np.float32)[None, ..., ::-1].copy()


def load(file: Path) -> Tagger:
    """The tagger of an ONNX file and the list of its tags beside it. Raises NotReady without onnxruntime, BadInput or StoreError."""
    if not file.is_file():
        raise BadInput(f"{file}: no such file; give the tagger's model.onnx")
    if not file.with_name(TAGS).is_file():
        raise BadInput(f"{file.with_name(TAGS)}: no such file; a tagger's list of tags comes with it: put it beside {file.name}")
    names = _names(file.with_name(TAGS))
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise NotReady("taggers need onnxruntime, which is not installed: pip install onnxruntime") from error
    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own for a file that is none
        raise BadInput(f"{file}: no ONNX model that can be used ({' '.join(str(error).split())[:80]})") from error
    return Tagger(session, names, file.name)


def _names(file: Path) -> list[str]:
    try:
        text = read_at_most(file, _TAGS_LIMIT_BYTES).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        return [row["name"] if row["category"] == _GENERAL else "" for row in rows]
    except (UnicodeDecodeError, KeyError, csv.Error) as error:
        raise BadInput(f"{file}: the columns 'name' and 'category' of a tagger's list were expected") from error
