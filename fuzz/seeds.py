"""Writes the first inputs of every harness into ``fuzz/corpus``: whole files, and the small hostile ones.

python -m fuzz.seeds
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from benchmarks.trust.vectors import Vectors, adapters, house, pictures
from dressform.consent.ledger import Ledger
from dressform.dress import provenance
from dressform.vault import keys

_LARGEST_BYTES = 20_000
CORPUS = Path(__file__).parent / "corpus"


def keep(harness: str, data: bytes) -> None:
    """One input, named by its content."""
    if len(data) <= _LARGEST_BYTES:
        (CORPUS / harness).mkdir(parents=True, exist_ok=True)
        (CORPUS / harness / sha256(data).hexdigest()[:16]).write_bytes(data)


def hostile(harness: str, vectors: Vectors) -> None:
    for write in vectors.values():
        with tempfile.TemporaryDirectory() as place:
            made = write(Path(place))
            if made.stat().st_size <= _LARGEST_BYTES:
                keep(harness, made.read_bytes())


def main() -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        keep("picture", pictures.noise(kind, (12, 9)))
    keep("adapter", adapters.good())
    keep("key", keys.wrap(b"k" * 32, keys.recipient_of(house.IDENTITY)))
    keep("signed", provenance.signed(pictures.png(width=8, height=8, pixels=None), house.CREDENTIALS))
    with tempfile.TemporaryDirectory() as place:
        ledger = Ledger(Path(place) / "consent.jsonl", house.OWNER.public_key().public_bytes_raw())
        ledger.append(house.OWNER, "narrow", datetime(2026, 1, 1, tzinfo=UTC), prohibit=["publish"])
        ledger.append(house.OWNER, "revoke", datetime(2026, 1, 2, tzinfo=UTC), assets=["*"], grace_days=7)
        keep("ledger", ledger.file.read_bytes())
    hostile("picture", {n: w for n, w in pictures.VECTORS.items() if n.startswith(("png", "jpeg", "webp")) and "million" not in n})
    hostile("adapter", {n: w for n, w in adapters.VECTORS.items() if "million" not in n})
    hostile("key", house.KEYS)
    hostile("ledger", {n: w for n, w in house.LEDGERS.items() if "million" not in n and "mega" not in n})
    hostile("signed", house.SIGNED)


if __name__ == "__main__":
    main()
