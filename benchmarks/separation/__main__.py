"""Separation: ours against the recipes that people use, on the same characters, pictures, rank, steps and rows.

    python -m benchmarks.separation --preset small|full [--arms "ours, neutral" ...] [--seeds 12 13] [--out FOLDER]
                                    [--device cuda --jobs 8 --together 4]

Every finished run (arm x character x seed) is a line of FOLDER/PRESET/outcomes.jsonl; run again, only the missing ones are made.
The report beside it is of those that are finished.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from benchmarks.separation import report, table, worker
from benchmarks.separation.tasks import EVERY, PRESETS, side_by_side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--arms", nargs="+", choices=EVERY, default=list(EVERY), metavar="ARM", help="these alone; others stay to be made")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="these training seeds alone")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/separation"))
    parser.add_argument("--device", help="cpu or cuda; the machine's best where none is named")
    parser.add_argument("--jobs", type=int, default=1, help="so many trainings side by side: one leaves most of a GPU idle")
    parser.add_argument("--together", type=int, default=1, help="so many characters of an arm and a seed in one pass, for the same reason")
    args = parser.parse_args()
    out = args.out / args.preset
    out.mkdir(parents=True, exist_ok=True)
    lines, made_with, began = out / "outcomes.jsonl", worker.made_with(), time.monotonic()
    done = {run.key for run in report.read(lines, made_with)}
    wanted = (t for t in PRESETS[args.preset]() if t.arm in args.arms and (not args.seeds or t.case.seed in args.seeds))
    left = side_by_side((task for task in wanted if task.key not in done), args.together)
    with ProcessPoolExecutor(args.jobs, get_context("spawn"), worker.begin, (args.device, args.jobs)) as pool:
        for i, finished in enumerate(as_completed([pool.submit(worker.run, tasks) for tasks in left])):
            for run in finished.result():
                report.add(run, lines)
                short = table.figures(run.outcomes)
                told = ", ".join(f"{name} {short[name].value:.1%}" for name in ("burn_in", "outfit_fidelity", "identity_fidelity"))
                print(f"{i + 1}/{len(left)} {run.key}: {told}, {run.seconds:.0f} s, {time.monotonic() - began:.0f} s so far", flush=True)
            report.write(report.read(lines, made_with), out)
    print(report.write(report.read(lines, made_with), out))


if __name__ == "__main__":
    main()
