"""Is anything lost that was acknowledged? A writer is killed at random moments, and its vault and ledger opened again.

    python -m benchmarks.trust.kills [--kills 1000] [--json FILE]

The writer says each name on its pipe after the vault has it, and each ledger line after it is signed. Stated: 0 lost, 0 torn.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dressform.consent.ledger import Ledger
from dressform.errors import DressformError
from dressform.vault import keys, vault
from dressform.vault.check import check
from dressform.vault.owner import Owner


def write_forever(root: Path, identity: str) -> None:
    """The writer: acknowledges every write on stdout, line by line, after it is done."""
    opened = vault.open_(root / "vault", identity)
    key: Ed25519PrivateKey = Owner(identity).signing_key
    ledger = Ledger(root / "consent.jsonl", key.public_key().public_bytes_raw())
    rng = random.Random(time.time_ns())
    number = len(ledger.entries())
    while True:
        name = f"pictures/{rng.randrange(8)}"
        value = f"{rng.random()}".encode() * 50
        opened.write(name, value)
        print("vault", name, value[:24].decode(), flush=True)
        number += 1
        ledger.append(key, "attest", datetime.now(UTC), statement=f"{number}", evidence=[])
        print("ledger", number, flush=True)


def after_a_kill(root: Path, identity: str, acknowledged: list[str], before: dict[str, bytes]) -> tuple[str, dict[str, bytes], int]:
    """(what is wrong or "", what is there now, ledger lines) once the vault is opened again."""
    opened = vault.open_(root / "vault", identity)
    now = {name: opened.read(name) for name in opened.list()}
    whole = check(opened, read_data=True).whole
    opened.close()
    lines = len(Ledger(root / "consent.jsonl", Owner(identity).signing_key.public_key().public_bytes_raw()).entries())
    expected = {name: value[:24] for name, value in before.items()}
    least = 0
    for line in acknowledged:
        words = line.split()
        if words[0] == "vault":
            expected[words[1]] = words[2].encode()
        else:
            least = int(words[1])
    differing = [n for n, v in expected.items() if now.get(n, b"")[:24] != v]  # at most the one write that was under way
    wrong = "torn" if not whole else "lost" if len(differing) > 1 or lines < least else ""
    return wrong, now, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        write_forever(args.write, sys.stdin.readline().strip())
    rng, wrong = random.Random(0), []
    with tempfile.TemporaryDirectory() as place:
        root, identity = Path(place), keys.new_identity()
        vault.create(root / "vault", {"owner": keys.recipient_of(identity)}).close()
        state: dict[str, bytes] = {}
        for i in range(args.kills):
            command = [sys.executable, "-m", "benchmarks.trust.kills", "--write", place]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdin and child.stdout
                child.stdin.write(identity + "\n")
                child.stdin.flush()
                said = [child.stdout.readline()]
                time.sleep(rng.random() * 0.06)
                child.send_signal(signal.SIGKILL)
                said += child.stdout.readlines()
            acknowledged = [line for line in said if line.endswith("\n")]
            try:
                found, state, lines = after_a_kill(root, identity, acknowledged, state)
            except DressformError as error:
                found, lines = str(error), -1
            wrong += [found] if found else []
            if (i + 1) % 50 == 0:
                print(f"{i + 1} kills, {lines} ledger lines, {len(wrong)} wrong", flush=True)
    print(f"{args.kills} kills: {len(wrong)} lost or torn {wrong[:3]}")
    if args.json:
        high = 3 / args.kills if not wrong else 1.0
        figure = {"value": len(wrong) / args.kills, "n": args.kills, "low": 0.0, "high": high}
        args.json.write_text(json.dumps({"figures": {"lost_or_torn": figure}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
