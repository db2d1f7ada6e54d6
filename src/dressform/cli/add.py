"""Take pictures in. Example: dressform add aoi pictures/dress --outfit dress"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import BadInput

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    pictures: Annotated[
        list[Path], typer.Argument(help="Picture files or folders; captions in NAME.txt, garment masks in masks/NAME.png.")
    ],
    outfit: Annotated[str | None, typer.Option(help="The outfit these pictures show.")] = None,
    neutral: Annotated[bool, typer.Option("--neutral", help="These pictures show her in the neutral layer.")] = False,
) -> None:
    if neutral == (outfit is not None):
        raise BadInput("say what the pictures show: either --neutral or --outfit NAME")
    with opened(character) as workspace, output.bar("reading") as bar:
        report = workspace.add(pictures, outfit, bar)
    for left in report.left_out:
        output.note(f"left out  {left.source}: {left.reason}")
    output.say(f"took {report.taken} of {len(report.notes)} pictures as {outfit or 'neutral'}")
    if not report.taken and all("already here" not in n.reason for n in report.notes):
        raise BadInput("none of the pictures could be used; see the lines above")
    output.hint(f"dressform train {character}")
