"""Does the gate agree with a small reference on random ledgers, at every scope and asset?

    python -m benchmarks.trust.consent [--ledgers 10000] [--json FILE]

Every ledger is written, signed, read back and asked at every scope for three assets. Stated: 0 disagreements.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dressform.consent.gate import Gate
from dressform.consent.ledger import EMPTY, Ledger
from dressform.consent.scopes import SCOPES
from dressform.errors import Refused
from dressform.measure.statistics import share
from tests.reference_gate import allowed, histories, written

START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledgers", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    agreed: list[bool] = []
    ledgers = 0

    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        file = Path(place) / "consent.jsonl"

        @settings(max_examples=args.ledgers, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)  # type: ignore[arg-type] - its metaclass
        @given(history=histories(), minutes=st.integers(0, 200))
        def compare(history: list, minutes: int) -> None:
            nonlocal ledgers
            ledgers += 1
            file.unlink(missing_ok=True)
            ledger = Ledger(file, public)
            written(ledger, key, history, START)
            now = max(minutes, len(history))
            gate = Gate(Ledger(file, public), lambda: EMPTY, lambda: "base", lambda: START + timedelta(minutes=now))
            for scope in SCOPES:
                for asset in ("neutral", "outfit:dress", "outfit:coat"):
                    try:
                        gate.need(scope, asset)
                        given_ = True
                    except Refused:
                        given_ = False
                    agreed.append(given_ == allowed(history, scope, asset, now))

        compare()
    figure = share(not same for same in agreed)
    print(f"{ledgers} ledgers, {len(agreed)} questions: {len(agreed) - sum(agreed)} disagreements")
    if args.json:
        found = {"consent_disagreement": {"value": figure.value, "n": figure.n, "low": figure.low, "high": figure.high}}
        args.json.write_text(json.dumps({"figures": found, "ledgers": ledgers}, indent=1) + "\n")


if __name__ == "__main__":
    main()
