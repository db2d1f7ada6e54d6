"""Measure fidelity and burn-in. Example: dressform measure aoi --json report.json"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import BadInput, Failed
from dressform.records import spoken

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    each: Annotated[int, typer.Option(help="Pictures of each outfit, and of the neutral layer.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the probes.")] = 1,
    steps: Annotated[int, typer.Option(help="Sampling steps.")] = 20,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Also draw every outfit at scales from 0.5 to 1.5: five times the work.")
    ] = False,
    fail_above: Annotated[float | None, typer.Option(help="Exit with 1 where burn-in is above this share.", min=0, max=1)] = None,
) -> None:
    from dressform.dress.sampler import SampleConfig
    from dressform.workspace import measuring

    if json is not None and json.is_dir():
        raise BadInput(f"--json {json}: is a folder; name a file")
    with opened(character) as workspace, output.bar("probing") as bar:
        found = measuring.measure(workspace, each, seed, SampleConfig(steps), bar, curves)
        reports = [workspace.reports / "measure.json", *([json] if json else [])]
    output.figures(f"{character.name}: measured", found.figures)
    output.matrix(found.matrix)
    for name, tried in found.accessories.items():
        output.figures(f"{character.name}: with {name}", tried)
    if found.curves:
        scales = list(next(iter(found.curves.values())))
        cells = [(spoken(name), *(f"{f.value:.1%}" for f in line.values())) for name, line in found.curves.items()]
        output.table("at the outfit's scale", ("", *scales), cells)
    for kind, accuracy in found.reader.items():
        worst = min(accuracy, key=lambda name: accuracy[name])
        output.note(f"reader, {kind}: right in {accuracy[worst]:.1%} or more for each attribute (least: {worst.replace('_', ' ')})")
    for line in found.notes:
        output.note(line)
    written = workspace.reports / "measure.html"
    measuring.write_page(found, f"{workspace.character.name}: measured", written)
    output.say(str(written))
    for report in reports:
        measuring.write_json(found, report)
        output.say(str(report))
    burn_in = found.figures["burn_in"].value
    if fail_above is not None and burn_in > fail_above:
        raise Failed(f"burn-in is {burn_in:.1%}, above {fail_above:.1%}: see what to do in {written}")
