"""Give adapters away, in files that other programs read. Example: dressform export aoi --outfit dress --format kohya"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    outfit: Annotated[str, typer.Option(help="One outfit, or several with commas.")] = "",
    with_: Annotated[str, typer.Option("--with", help="Accessories, one or several with commas.")] = "",
    identity: Annotated[bool, typer.Option("--identity", help="The adapter that knows who she is, too.")] = False,
    format: Annotated[
        str,
        typer.Option(
            help="'kohya' (A1111, ComfyUI, diffusers), 'peft', 'joined' (her and the outfit in one file), 'comfyui' (with a workflow), "
            "or 'charx' (everything in one file)."
        ),
    ] = "kohya",
    license: Annotated[str, typer.Option(help="The licence to write into each adapter, such as CC-BY-NC-4.0.")] = "",
    profile: Annotated[bool, typer.Option("--profile", help="Her name, about and boundaries too, in a charx.")] = False,
    to: Annotated[Path | None, typer.Option(help="The folder to write into (default: FOLDER/exports).")] = None,
) -> None:
    from dressform.backbones.embedded import EMBEDDED
    from dressform.workspace import exporting

    form = exporting.form_of(format)
    with opened(character) as workspace:
        wanted = exporting.Wanted(output.names(outfit), form, identity, profile, license, output.names(with_))
        made = exporting.export(workspace, wanted, to or workspace.exports)
    for file in made:
        output.say(str(file))
    if form == "comfyui" and workspace.character.base_model == EMBEDDED:
        output.hint("ComfyUI cannot read the embedded base model: this shows the workflow's form, and draws with a base model of its own")
    elif form == "comfyui" and not Path(workspace.character.base_model).is_file():
        output.hint(f"the workflow asks for one checkpoint file, {workspace.checkpoint}: choose the file of her base model at its node 1")
