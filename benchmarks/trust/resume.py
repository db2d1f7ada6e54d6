"""Does a training that is killed go on exactly where it was?

    python -m benchmarks.trust.resume [--runs 50] [--steps 220] [--json FILE]

Each run trains a small character (identity, then two outfits together) and is killed with SIGKILL at one to three random moments, then
resumed until it is done. Its adapter files are held against those of a run that nobody killed. Stated: the same SHA-256, every
time. On one CPU thread: what is exact there is the order of every sum.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from benchmarks.trust.running import STAGES, Running, adapters, copied, make
from benchmarks.trust.written import write
from dressform.measure.statistics import share

MOST_RESUMES = 3
OUTFITS = ("dress", "coat")


def killed(place: Path, steps: int, rng: random.Random) -> tuple[int, int]:
    """Train with kills in between until it is done: (how many kills, how many steps were taken in all)."""
    kills = taken = 0
    wanted = rng.randint(1, MOST_RESUMES)
    while True:
        running = Running(place, steps)
        last = rng.randrange(STAGES * steps) if kills < wanted else -1
        for i, _ in enumerate(running):
            taken += 1
            if i == last:
                time.sleep(rng.random() * 0.03)  # in the middle of the next step, or of a checkpoint
                running.kill()
                kills += 1
                break
        else:
            assert running.process.exitcode == 0, "the training failed by itself"
            return kills, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--steps", type=int, default=220, help="steps of each stage; a checkpoint is kept every 100")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rng, same, kills = random.Random(args.seed), [], 0
    with tempfile.TemporaryDirectory() as where:
        make(Path(where), outfits=OUTFITS)
        whole = copied(Path(where), Path(where) / "whole")
        for _ in Running(whole, args.steps):
            pass
        wanted = adapters(whole)
        assert len(wanted) == 1 + len(OUTFITS), wanted
        for i in range(args.runs):
            place = copied(Path(where), Path(where) / f"run{i}")
            count, taken = killed(place, args.steps, rng)
            kills += count
            same.append(adapters(place) == wanted)
            print(f"run {i + 1}: {count} kills, {taken} steps taken, {'the same' if same[-1] else 'DIFFERENT'}", flush=True)
    figure = share(same)
    print(f"{sum(same)} of {figure.n} the same after {kills} kills ({figure.low:.1%} to {figure.high:.1%})")
    write(args.json, {"exact_resume": figure}, kills=kills, steps=args.steps)


if __name__ == "__main__":
    main()
