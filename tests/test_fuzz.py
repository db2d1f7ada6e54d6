"""What fuzzing started from and what it found, read again: a DressformError in one line, or nothing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from fuzz import READERS, held_to_the_house

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"


@pytest.mark.parametrize("name", READERS)
def test_every_kept_input_is_read_or_refused(name: str) -> None:
    read = import_module(f"fuzz.{name}").read
    kept = sorted((CORPUS / name).iterdir())
    assert len(kept) >= 10
    for file in kept:
        held_to_the_house(read, file.read_bytes())
