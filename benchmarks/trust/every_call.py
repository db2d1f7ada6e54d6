"""Is anything lost or torn by a kill at any system call of a write?

    python -m benchmarks.trust.every_call [--every 1] [--json FILE]

One write to a vault, and one line added to a ledger, are traced once to learn their system calls. Then the same write is made again
for each of them, in a new process that strace kills with SIGKILL as it enters that call, and everything is opened and read again.
Stated: 0 lost (the old or the new is there; the new where it was acknowledged), 0 torn. Needs strace and leave to attach (root).
"""

from __future__ import annotations

import argparse
import collections
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.trust.written import write
from dressform.consent.ledger import Ledger
from dressform.errors import DressformError
from dressform.measure.statistics import share
from dressform.vault import keys, vault
from dressform.vault.check import check
from dressform.vault.owner import Owner

_fresh = get_context("forkserver")
_fresh.set_forkserver_preload([__name__])
_CALL = re.compile(r"^(?:\d+ +)?([a-z0-9_]+)\(", re.MULTILINE)
_OLD, _NEW = b"old" * 700, b"new" * 900


def write_vault(root: Path, identity: str) -> Callable[[], object]:
    opened = vault.open_(root / "vault", identity)
    return lambda: opened.write("pictures/0.png", _NEW)


def write_ledger(root: Path, identity: str) -> Callable[[], object]:
    ledger, key = _ledger(root, identity), Owner(identity).signing_key
    ledger.entries()
    return lambda: ledger.append(key, "narrow", datetime(2026, 1, 2, tzinfo=UTC), prohibit=["dress"])


WRITES = {"vault": write_vault, "ledger": write_ledger}


def written_under(what: str, root: Path, identity: str, *options: str) -> bool:
    """Make the write in a process of its own under strace with these options; True where it was acknowledged."""
    ours, theirs = _fresh.Pipe()
    child = _fresh.Process(target=_make, args=(what, root, identity, theirs))
    child.start()
    theirs.close()
    ours.recv()
    command = ["strace", "-f", "-p", str(child.pid), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as strace:
        assert strace.stderr
        if "attached" not in strace.stderr.readline():
            child.kill()
            sys.exit("strace may not attach to a process here: run as root, or set kernel.yama.ptrace_scope to 0")
        try:
            ours.send("go")
            acknowledged = ours.recv() == "done"
        except (EOFError, ConnectionError):
            acknowledged = False
        child.join()
    return acknowledged


def _make(what: str, root: Path, identity: str, pipe: Connection) -> None:
    action = WRITES[what](root, identity)
    pipe.send("ready")
    pipe.recv()
    action()
    pipe.send("done")


def wrong_with(root: Path, identity: str, what: str, acknowledged: bool) -> str:
    """What is lost or torn, or "" where all is well."""
    try:
        opened = vault.open_(root / "vault", identity)
        value, whole = opened.read("pictures/0.png"), check(opened, read_data=True).whole
        opened.close()
        lines = len(_ledger(root, identity).entries())
    except DressformError as error:
        return str(error)
    arrived = value == _NEW if what == "vault" else lines == 2
    if not whole or value not in (_OLD, _NEW) or lines not in (1, 2):
        return "torn"
    return "lost" if acknowledged and not arrived else ""


def fresh(root: Path) -> str:
    """A vault with one old value and a ledger of one line; the identity that opens them."""
    identity = keys.new_identity()
    made = vault.create(root / "vault", {"owner": keys.recipient_of(identity)})
    made.write("pictures/0.png", _OLD)
    made.close()
    _ledger(root, identity).append(Owner(identity).signing_key, "narrow", datetime(2026, 1, 1, tzinfo=UTC), prohibit=["publish"])
    return identity


def _ledger(root: Path, identity: str) -> Ledger:
    return Ledger(root / "consent.jsonl", Owner(identity).signing_key.public_key().public_bytes_raw())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every Nth call, for a short look")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    bad, acknowledged = [], 0
    for what in WRITES:
        with tempfile.TemporaryDirectory() as where:
            trace = Path(where) / "trace"
            written_under(what, Path(where), fresh(Path(where)), "-o", str(trace))
            calls = _CALL.findall(trace.read_text(errors="replace"))
        seen: collections.Counter[str] = collections.Counter()
        for i, call in enumerate(calls):
            seen[call] += 1
            if i % args.every:
                continue
            with tempfile.TemporaryDirectory() as where:
                identity = fresh(Path(where))
                done = written_under(
                    what, Path(where), identity, "-o", "/dev/null", "-e", f"inject={call}:signal=SIGKILL:when={seen[call]}"
                )
                acknowledged += done
                wrong = wrong_with(Path(where), identity, what, done)
                bad.append(bool(wrong))
                if wrong:
                    print(f"{what}, call {i + 1} ({call}): {wrong}", flush=True)
        print(f"{what}: a write makes {len(calls)} calls; {sum(bad)} wrong so far", flush=True)
    figure = share(bad)
    print(f"{figure.n} kills ({acknowledged} after the acknowledgement): {sum(bad)} lost or torn")
    write(args.json, {"lost_or_torn_at_a_call": figure})


if __name__ == "__main__":
    main()
