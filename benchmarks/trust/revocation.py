"""How soon does a training stop when consent is taken back?

    python -m benchmarks.trust.revocation [--runs 20] [--json FILE]

A small character is trained in one process; in another her owner revokes everything at a random moment. Counted: the steps that
ended after ``revoke`` had returned (the one that was under way, which is refused, is one), and whether an adapter, a checkpoint
or a preview came into the vault after it. Stated: at most one step, nothing saved.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from benchmarks.trust.running import STAGES, Running, at_home, copied, make
from benchmarks.trust.written import spread, write
from dressform.measure.statistics import share
from dressform.workspace import consenting, workspace

STEPS = 200


def revoked(place: Path, after_steps: int) -> tuple[int, bool]:
    """(steps that ended after consent was taken back, whether anything was saved after it)."""
    running, at, passed = Running(place, STEPS), 0.0, []
    before: set[str] = set()
    for i, ended in enumerate(running):
        passed.append(ended)
        if i == after_steps:
            with at_home(place), workspace.opened(place / "aoi") as her:
                before = _saved(her)
                consenting.revoke(her, (), grace_days=7)
                at = time.monotonic()
    assert running.refused, "the training was not refused"
    with at_home(place), workspace.opened(place / "aoi") as her:
        saved = _saved(her) - before
    return sum(t > at for t in passed) + 1, bool(saved)


def _saved(her: workspace.Workspace) -> set[str]:
    """All that a training may leave in the vault."""
    return {name for place in ("adapters/", "checkpoints/", "previews/") for name in her.store.list(place)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rng, steps, saved = random.Random(0), [], []
    with tempfile.TemporaryDirectory() as where:
        make(Path(where))
        for i in range(args.runs):
            after, kept = revoked(copied(Path(where), Path(where) / f"run{i}"), rng.randrange(int(0.8 * STAGES * STEPS)))
            steps.append(after)
            saved.append(kept)
            print(f"run {i + 1}: {after} steps ended after the revocation{', AND SOMETHING WAS SAVED' if kept else ''}", flush=True)
    print(f"{args.runs} revocations: at most {max(steps)} steps after it, {sum(saved)} saved something")
    write(args.json, {"steps_after_revocation": spread([float(s) for s in steps]), "saved_after_revocation": share(saved)})


if __name__ == "__main__":
    main()
