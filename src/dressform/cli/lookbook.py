"""Draw every outfit from every view. Example: dressform lookbook aoi"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    seed: Annotated[int, typer.Option(help="Seed of the pictures.")] = 0,
    steps: Annotated[int, typer.Option(help="Sampling steps.")] = 20,
    with_: Annotated[str, typer.Option("--with", help="Accessories to wear with every outfit, such as hat,glasses:0.8.")] = "",
    background: Annotated[str, typer.Option(help="The background's word.")] = "white",
) -> None:
    from dressform.dress import composition
    from dressform.dress.sampler import SampleConfig
    from dressform.workspace import dressing, keeping

    with opened(character) as workspace, output.bar("drawing") as bar:
        picture, page = dressing.lookbook(workspace, seed, SampleConfig(steps), background, bar, composition.said(with_))
        output.not_taught(dressing.unknown_words(workspace, f"{background} background"))
        for line in keeping.on_an_earlier_identity(workspace, workspace.trained()):
            output.note(line)
    output.say(picture)
    output.say(page)
