"""Take in an adapter made elsewhere. Example: dressform import aoi coat.safetensors --as outfit --outfit coat"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    file: Annotated[Path, typer.Argument(help="The .safetensors file: kohya, LoCon, PEFT or diffusers.")],
    kind: Annotated[str, typer.Option("--as", help="'identity', 'outfit' or 'accessory'.")],
    outfit: Annotated[str, typer.Option(help="The outfit's name, with --as outfit.")] = "",
    accessory: Annotated[str, typer.Option(help="The accessory's name, with --as accessory.")] = "",
    trigger: Annotated[str | None, typer.Option(help="The word that calls a new outfit (default: the one in the file).")] = None,
    project: Annotated[
        float, typer.Option(help="Soft projection of an outfit that was not trained on her: how strongly (0 none, 1 half, 9 nine tenths).")
    ] = 0.0,
) -> None:
    from dressform.workspace import importing

    name, worn = importing.wanted(kind, outfit, accessory)
    asked = importing.Asked(file, name, trigger, project, worn)
    with opened(character) as workspace:
        taken = importing.take(workspace, asked)
    ranks = ", ".join(map(str, taken.ranks))
    output.say(f"took {file.name} as {taken.name}: {taken.layers} layers, rank {ranks}; called by {taken.trigger}")
    if taken.replaced:
        output.note(f"it took the place of the adapter that {taken.name} had; train --restart learns one from her pictures again")
    if taken.lost:
        output.note(
            f"DoRA, cut off after rank {max(taken.ranks)}: {taken.lost:.1%} of its change in weights is lost; the rest is as it was"
        )
    for part, count in taken.left_out.items():
        output.note(f"left out: {count} layers of {part}; adapters here act on the denoiser alone, so it may answer less to its words")
    if taken.its_word and taken.its_word != taken.trigger:
        output.note(f"the file names its own words: {taken.its_word[:200]}; write them into the prompt where it needs them")
    if taken.overlap is not None:
        before, after = taken.overlap
        now = f", {after:.1%} after projection" if project else ""
        output.note(f"{before:.1%} of its change acts on what her identity reads{now}")
        output.hint("how it wears is counted by dressform measure, with pictures of the outfit added; compare --project 0 and 1")
