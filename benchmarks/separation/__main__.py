"""Separation: ours against the recipes that people use, on the same characters, pictures, rank, steps and rows.

    python -m benchmarks.separation --preset small|full [--out FOLDER]

Every finished run (arm x character x seed) is a line of FOLDER/outcomes.jsonl; run again, only the missing ones are made.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.separation import table
from benchmarks.separation.arms import ABLATIONS, ARMS, Recipe
from benchmarks.separation.cases import Case, material
from benchmarks.separation.peft_arm import one_plain_with_peft
from benchmarks.separation.probing import Outcome, probe
from dressform import backbones
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
    done = {row["key"] for row in read(lines)}
    tasks = list(small() if args.preset == "small" else full())
    left = [t for t in tasks if t.key not in done]
    base, reader = backbones.load("layfigure"), reading.load()
    for i, task in enumerate(left):
        began = time.monotonic()
        config = Recipe.of_the_house(base, task.case.seed)
        learned = EVERY[task.arm](base, material(task.case), config)
        trained = time.monotonic() - began
        outcomes = probe(base, reader, task.case, learned, task.each)
        row = {"key": task.key, "block": task.block, "arm": task.arm, "case": asdict(task.case), "seconds": round(trained, 1),
               "outcomes": [asdict(o) for o in outcomes]}  # fmt: skip
        with lines.open("a") as file:
            file.write(json.dumps(row) + "\n")
        short = table.figures(outcomes)
        print(f"{i + 1}/{len(left)} {task.key}: burn-in {short['burn_in'].value:.1%}, outfit {short['outfit_fidelity'].value:.1%}, "
              f"identity {short['identity_fidelity'].value:.1%}, {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    report(read(lines), out)


def read(lines: Path) -> list[dict]:  # type: ignore[type-arg]
    """The finished runs."""
    return [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []


def report(rows: list[dict], out: Path) -> None:  # type: ignore[type-arg]
    """Write report.md and report.json, and print the tables."""
    named: dict[str, dict] = {}  # type: ignore[type-arg]
    text = ["# Separation", ""]
    for block in dict.fromkeys(row["block"] for row in rows):
        found = {}
        for label in dict.fromkeys(_label(row) for row in rows if row["block"] == block):
            outcomes = [Outcome(**o) for row in rows if row["block"] == block and _label(row) == label for o in row["outcomes"]]
            found[label] = table.figures(outcomes)
            named |= {f"{block}.{label}.{name}": asdict(f) for name, f in found[label].items()}
        text += [f"## {block}", "", table.markdown(found), ""]
    print("\n".join(text))
    (out / "report.md").write_text("\n".join(text))
    (out / "report.json").write_text(json.dumps({"figures": named}, indent=1) + "\n")


def _label(row: dict) -> str:  # type: ignore[type-arg]
    case = row["case"]
    return {"outfits": f"{row['arm']}, {case['outfits']} outfits", "pictures": f"{row['arm']}, {case['pictures']} pictures"}.get(
        row["block"], row["arm"]
    )


if __name__ == "__main__":
    main()
