"""The lines of a consent ledger, before and after their signature is looked at."""

import tempfile
from pathlib import Path

from benchmarks.trust.vectors.house import OWNER
from dressform.consent.ledger import Ledger

_PLACE, _PUBLIC = Path(tempfile.mkdtemp()) / "consent.jsonl", OWNER.public_key().public_bytes_raw()


def read(data: bytes) -> object:
    _PLACE.write_bytes(data)
    return Ledger(_PLACE, _PUBLIC).entries()
