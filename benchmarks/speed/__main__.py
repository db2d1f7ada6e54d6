"""How fast: everything in one run, as ratios with their spread.

    python -m benchmarks.speed [--steps 10] [--repeats 5] [--outfits 8] [--parts together floor ...] [--json FILE]
    python -m benchmarks.speed --device cuda --model sdxl      # the full-size architecture, with random weights

A ratio under 1 means that ours takes less time. Low and high are the smallest and the largest of the paired repeats.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine
from benchmarks.speed import curves, generation, memory, random_model, training
from benchmarks.speed.timing import Ratio, Turns
from dressform import backbones
from dressform.backbones.embedded import embedded_folder
from dressform.train.config import TrainConfig

PARTS = ("together", "floor", "peft", "compiled", "lookbook", "mixed", "memory", "curves")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="training steps of each timed run")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--outfits", type=int, default=8, help="outfits of every part but the first")
    parser.add_argument("--rows", type=int, default=3, help="pictures of each outfit in a step")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[p for p in PARTS if p not in ("compiled", "curves")])
    parser.add_argument("--targets", choices=("attention", "all"), default="attention", help="the layers that the adapters reach")
    parser.add_argument("--cpu-seconds", action="store_true", help="count this process's own work, where others use the machine too")
    parser.add_argument("--base", type=Path, default=embedded_folder())
    parser.add_argument("--model", choices=random_model.FAMILIES, help="a full-size architecture instead, with random weights")
    parser.add_argument("--device", help="cpu or cuda; the machine's best where none is named")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured(random_model.write(args.model, Path(place) / args.model) if args.model else args.base, args)


def measured(folder: Path, args: argparse.Namespace) -> None:
    """The parts that were asked for on one base model, printed and written."""
    base, turns = backbones.load(folder, args.device), Turns(args.repeats, time.process_time if args.cpu_seconds else time.perf_counter)
    base.release_encoders = lambda: None  # type: ignore[method-assign]  # reading them again for each run is not what is timed
    config = TrainConfig(steps=args.steps, rows=args.rows, rank=8, alpha=8.0, warmup_steps=2, targets=args.targets)
    n, work = args.outfits, {
        "together": lambda: training.against_one_after_another(base, config, args.counts, turns),
        "floor": lambda: training.over_the_floor(base, config, n, turns),
        "peft": lambda: training.against_peft(base, config, n, turns),
        "compiled": lambda: training.against_compiled(base, config, n, turns),
        "lookbook": lambda: generation.lookbooks(base, folder, config, n, 4, 10, turns),
        "mixed": lambda: generation.mixed_rows(base, config, n, 4, turns),
        "memory": lambda: memory.peak_memory(folder, args.device, config, n),
        "curves": lambda: curves.curves(base, config, turns),
    }  # fmt: skip
    found: dict[str, Ratio] = {}
    for part in args.parts:
        new = work[part]()
        found |= new
        for name, f in new.items():
            print(f"{name:<40} {f.value:6.3f}   {f.low:6.3f} to {f.high:6.3f}   n={f.n}", flush=True)
        if args.json:
            whole = {"figures": {k: asdict(v) for k, v in found.items()}, "machine": machine.described(base.device)}
            args.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
