"""Measure fidelity and burn-in. Example: dressform measure aoi --json report.json"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    each: Annotated[int, typer.Option(help="Pictures of each outfit, and of the neutral layer.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the probes.")] = 1,
    steps: Annotated[int, typer.Option(help="Sampling steps.")] = 20,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
) -> None:
    from dressform.dress.sampler import SampleConfig
    from dressform.workspace import measuring

    with opened(character) as workspace, output.bar("probing") as bar:
        found = measuring.measure(workspace, each, seed, SampleConfig(steps), bar)
        report = json or workspace.reports / "measure.json"
    output.figures(f"{character.name}: measured", found.figures)
    output.matrix(found.matrix)
    for kind, accuracy in found.reader.items():
        worst = min(accuracy, key=lambda name: accuracy[name])
        output.note(f"reader, {kind}: right in {accuracy[worst]:.1%} or more for each attribute (least: {worst.replace('_', ' ')})")
    measuring.write_json(found, report)
    output.say(str(report))
