"""The finished runs as report.md, report.json and drawings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from benchmarks.separation import plots, table
from benchmarks.separation.cases import Case
from benchmarks.separation.probing import Outcome
from benchmarks.separation.tasks import IN_WORDS
from dressform.records import Figure

COMPARED = ("arms", "ablations")
"""Blocks of whole wardrobes, each asked for as much."""
REFERENCES = (IN_WORDS, "one plain LoRA", "ours, neutral", "dressed, no garment named")
"""Arms that every other one is held against, question by question; the last is what ablations without neutral pictures leave one out of."""
CURVES = {"outfits": "outfits in the wardrobe", "pictures": "pictures of each outfit"}
"""Blocks that are curves: one arm at several numbers."""


@dataclass(frozen=True)
class Run:
    """One training and its judged pictures. ``made_with``: hashes of base model and reader; ``made_on``: the device and how many runs
    shared it; ``seconds`` of training."""

    key: str
    block: str
    arm: str
    case: Case
    made_with: str
    made_on: str
    seconds: float
    outcomes: tuple[Outcome, ...]

    def line(self) -> str:
        """As a line of outcomes.jsonl; an outcome is its fields' values in a row."""
        return json.dumps(asdict(self) | {"outcomes": [[*astuple(o)] for o in self.outcomes]}, separators=(",", ":")) + "\n"


def add(run: Run, lines: Path) -> None:
    """One more finished run, after what is whole of those that are there."""
    lines.touch()
    with lines.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
        file.seek(0, 2)
        file.write(run.line().encode())


def read(lines: Path, made_with: str) -> list[Run]:
    """The finished runs of this base model and this reader; those of others stay in the file and do not count.

    Nor does a last line without its end: whoever wrote it was stopped.
    """
    whole = lines.read_text().rpartition("\n")[0] if lines.exists() else ""
    rows = [json.loads(line) for line in whole.splitlines()]
    return [
        Run(**row | {"case": Case(**row["case"]), "outcomes": tuple(Outcome(*o) for o in row["outcomes"])})
        for row in rows
        if row.get("made_with") == made_with
    ]


def write(runs: Sequence[Run], out: Path) -> str:
    """Write everything into ``out`` and return the Markdown."""
    named: dict[str, Figure] = {}
    text = ["# Separation", "", _about(runs), ""]
    for block in dict.fromkeys(run.block for run in runs):
        own = [run for run in runs if run.block == block]
        found = {label: table.figures(outcomes) for label, outcomes in _by(own).items()}
        named |= {f"{block}.{label}.{name}": f for label, figures in found.items() for name, f in figures.items()}
        text += [f"## {block}", "", table.markdown(found), ""]
        if block in CURVES:
            plots.curves(curves_of(runs, block), CURVES[block], out / f"{block}.svg")
    for reference in REFERENCES:
        if found := _beside(runs, reference):
            named |= {f"beside {reference}.{arm}.{name}": f for arm, figures in found.items() for name, f in figures.items()}
            text += [f"## more or less than {reference!r}, asked the same", "", table.markdown(found, table.BESIDE), ""]
    arms = {label: table.matrix(outcomes) for label, outcomes in _by([run for run in runs if run.block == "arms"]).items()}
    if arms:
        plots.matrices(arms, out / "burn_in.svg")
    for label, found in arms.items():
        named |= {f"matrix.{label}.{asked}.{name}": f for asked, row in found.items() for name, f in row.items()}
        text += [f"## asked and appeared: {label}", "", table.matrix_markdown(found), ""]
    (out / "report.md").write_text("\n".join(text))
    whole = {"figures": {k: asdict(v) for k, v in named.items()}, "made_on": _devices(runs)}
    (out / "report.json").write_text(json.dumps(whole, indent=1) + "\n")
    return "\n".join(text)


def _about(runs: Sequence[Run]) -> str:
    people, seeds = sorted({run.case.who for run in runs}), sorted({run.case.seed for run in runs})
    hours = sum(run.seconds for run in runs) / 3600
    where = ", ".join(f"{count} on {device}" for device, count in _devices(runs).items())
    return (
        f"{len(runs)} trainings, {hours:.1f} hours of training; characters {', '.join(people)}; training seeds "
        f"{', '.join(map(str, seeds))}; {where}. Every arm may choose among the same pictures and has "
        "the same base model, layers, rank, steps and learning rate; these were chosen for dressform, on development characters that "
        "are not among these. 95 % intervals: Wilson's of a share; of a difference between two arms the wider of Newcombe's for pairs, "
        "over pictures, and Student's t over trainings."
    )


def _devices(runs: Sequence[Run]) -> dict[str, int]:
    """What they were made on, and how many on each."""
    return dict(Counter(run.made_on for run in runs))


def _by(runs: Sequence[Run]) -> dict[str, list[Outcome]]:
    """Label of a table's line -> outcomes of all its runs."""
    found: dict[str, list[Outcome]] = {}
    for run in runs:
        label = f"{run.arm}, {getattr(run.case, run.block)} {run.block}" if run.block in CURVES else run.arm
        found.setdefault(label, []).extend(run.outcomes)
    return found


def _beside(runs: Sequence[Run], reference: str) -> dict[str, dict[str, Figure]]:
    """Arm -> how far it lies above the ``reference`` arm, over the cases that both have: those were asked the same."""
    whole = [run for run in runs if run.block in COMPARED]
    asked = {run.case: run.outcomes for run in whole if run.arm == reference}
    pairs: dict[str, list[tuple[Sequence[Outcome], Sequence[Outcome]]]] = {}
    for run in whole:
        if run.arm != reference and run.case in asked and len(run.outcomes) == len(asked[run.case]):
            pairs.setdefault(run.arm, []).append((run.outcomes, asked[run.case]))
    return {arm: table.beside(trainings) for arm, trainings in pairs.items()}


def curves_of(runs: Sequence[Run], block: str) -> dict[str, dict[int, dict[str, Figure]]]:
    """Arm -> number -> figures. A wardrobe of eight is among the "arms" already: those of the curve's own character and seed count too."""
    own = [run for run in runs if run.block == block]
    alike = {(run.arm, run.case.who, run.case.seed) for run in own}
    if block == "outfits":
        own += [run for run in runs if run.block == "arms" and (run.arm, run.case.who, run.case.seed) in alike]
    found: dict[str, dict[int, list[Outcome]]] = {}
    for run in own:
        found.setdefault(run.arm, {}).setdefault(getattr(run.case, block), []).extend(run.outcomes)
    return {arm: {number: table.figures(outcomes) for number, outcomes in at.items()} for arm, at in found.items()}
