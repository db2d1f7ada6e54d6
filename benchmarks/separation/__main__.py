"""Separation: ours against the recipes that people use, on the same characters, pictures, rank, steps and rows.

    python -m benchmarks.separation --preset small|full [--out FOLDER]

Every finished run (arm x character x seed) is a line of FOLDER/PRESET/outcomes.jsonl; run again, only the missing ones are made.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.separation import report, table
from benchmarks.separation.arms import ABLATIONS, ARMS, Recipe
from benchmarks.separation.cases import Case, material
from benchmarks.separation.peft_arm import one_plain_with_peft
from benchmarks.separation.probing import probe
from dressform import backbones
from dressform.backbones.folder import digest_of
from dressform.measure import reader as reading

EVERY = ARMS | ABLATIONS | {"one plain LoRA, PEFT": one_plain_with_peft}


@dataclass(frozen=True)
class Task:
    """One training and its probes. ``block`` is the part of the report it belongs to."""

    block: str
    arm: str
    case: Case
    each: int

    @property
    def key(self) -> str:
        return f"{self.block}/{self.arm}/{self.case.who}/{self.case.outfits}/{self.case.pictures}/{self.case.seed}"


def small() -> Iterator[Task]:
    """One character, two outfits, one seed: the order of the arms in minutes."""
    yield from (Task("arms", arm, Case("beryl", 2, 8, 11), 30) for arm in ARMS)


def full() -> Iterator[Task]:
    """Four characters, eight outfits, three seeds; then ablations, single outfits, and the curves."""
    people, seeds = ("beryl", "carmen", "dalia", "edda"), (11, 12, 13)
    for seed in seeds:
        for who in people:
            yield from (Task("arms", arm, Case(who, seed=seed), 20) for arm in ARMS)
            yield Task("arms", "one plain LoRA, PEFT", Case(who, seed=seed), 20)
            yield Task("one outfit", "ours, dressed only", Case(who, 1, seed=seed), 40)
    for who in people:
        yield from (Task("ablations", arm, Case(who, seed=11), 20) for arm in ABLATIONS)
    ours = ("ours, neutral", "ours, dressed only", "one plain LoRA")
    for arm in ours:
        yield from (Task("outfits", arm, Case("beryl", n, seed=11), 40) for n in (1, 2, 4))
        yield from (Task("pictures", arm, Case("beryl", 4, n, 11), 40) for n in (4, 8, 16))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("small", "full"), default="small")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/separation"))
    args = parser.parse_args()
    out = args.out / args.preset
    out.mkdir(parents=True, exist_ok=True)
    lines = out / "outcomes.jsonl"
    base, reader = backbones.load("layfigure"), reading.load()
    made_with = f"{base.sha256[:16]}+{digest_of([reading.shipped_folder() / 'reader.safetensors'])[:16]}"
    done = {run.key for run in report.read(lines, made_with)}
    left = [t for t in (small() if args.preset == "small" else full()) if t.key not in done]
    for i, task in enumerate(left):
        began = time.monotonic()
        config = Recipe.of_the_house(base, task.case.seed)
        learned = EVERY[task.arm](base, material(task.case), config)
        trained = time.monotonic() - began
        outcomes = probe(base, reader, task.case, learned, task.each)
        with lines.open("a") as file:
            file.write(report.Run(task.key, task.block, task.arm, task.case, made_with, round(trained, 1), tuple(outcomes)).line())
        short = table.figures(outcomes)
        print(f"{i + 1}/{len(left)} {task.key}: burn-in {short['burn_in'].value:.1%}, outfit {short['outfit_fidelity'].value:.1%}, "
              f"identity {short['identity_fidelity'].value:.1%}, {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    print(report.write(report.read(lines, made_with), out))


if __name__ == "__main__":
    main()
