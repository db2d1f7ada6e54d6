"""Make a new character. Example: dressform new aoi --age 24"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output

NEEDS_ARGUMENTS = True


def command(
    name: Annotated[str, typer.Argument(help="Her name; also the folder that is made.")],
    age: Annotated[int, typer.Option("--age", help="Her age in years; 18 or over.")],
    kind: Annotated[str, typer.Option(help="'original' (an invented adult) or 'self'.")] = "original",
    trigger: Annotated[str | None, typer.Option(help="The word that calls her in a prompt (default: her name).")] = None,
    base_model: Annotated[str, typer.Option(help="'layfigure' (built in), or a diffusers folder.")] = "layfigure",
    folder: Annotated[Path | None, typer.Option(help="Where to make her folder (default: ./NAME).")] = None,
) -> None:
    from dressform.workspace import workspace

    made = workspace.create(folder or Path(name), name, age, kind, trigger, base_model)
    output.say(f"made {made.root}: {name}, an adult of {age}, called by {made.character.trigger!r}")
    output.hint(f"dressform add {made.root} PICTURES --neutral, then dressform add {made.root} PICTURES --outfit dress")
