"""How fast: everything in one run, as ratios with their spread.

    python -m benchmarks.speed [--steps 10] [--repeats 5] [--cpu-seconds] [--curves] [--json FILE]
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
from benchmarks.speed.timing import Turns
from dressform import backbones
from dressform.backbones.embedded import embedded_folder
from dressform.train.config import TrainConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="training steps of each timed run")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--targets", choices=("attention", "all"), default="attention", help="the layers that the adapters reach")
    parser.add_argument("--cpu-seconds", action="store_true", help="count this process's own work, where others use the machine too")
    parser.add_argument("--curves", action="store_true", help="also the cost against rank, rows, outfits and resolution")
    parser.add_argument("--base", type=Path, default=embedded_folder())
    parser.add_argument("--model", choices=random_model.FAMILIES, help="a full-size architecture instead, with random weights")
    parser.add_argument("--device", help="cpu or cuda; the machine's best where none is named")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured(random_model.write(args.model, Path(place) / args.model) if args.model else args.base, args)


def measured(folder: Path, args: argparse.Namespace) -> None:
    """Everything on one base model, printed and written."""
    base, turns = backbones.load(folder, args.device), Turns(args.repeats, time.process_time if args.cpu_seconds else time.perf_counter)
    config = TrainConfig(steps=args.steps, rows=3, rank=8, alpha=8.0, warmup_steps=2, targets=args.targets)
    found = training.against_one_after_another(base, config, args.counts, turns)
    found |= training.over_the_floor(base, config, max(args.counts) // 2 or 1, turns)
    found |= training.against_peft(base, config, max(args.counts) // 2 or 1, turns)
    found |= generation.lookbooks(base, folder, config, min(8, max(args.counts)), 4, 10, turns)
    found |= generation.mixed_rows(base, config, min(8, max(args.counts)), 4, turns)
    found |= memory.peak_memory(folder, args.device, config, max(args.counts) // 2 or 1)
    if args.curves:
        found |= curves.curves(base, config, turns)
    for name, f in found.items():
        print(f"{name:<40} {f.value:6.3f}   {f.low:6.3f} to {f.high:6.3f}   n={f.n}")
    if args.json:
        whole = {"figures": {k: asdict(v) for k, v in found.items()}, "machine": machine.described(base.device)}
        args.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
