"""A picture file, as ``add`` reads it: walked by its parts, counted, decoded."""

import tempfile
from pathlib import Path

from dressform.pictures import intake

_PLACE = Path(tempfile.mkdtemp()) / "a.png"


def read(data: bytes) -> object:
    _PLACE.write_bytes(data)
    return intake.decode(_PLACE, 1, original=True)
