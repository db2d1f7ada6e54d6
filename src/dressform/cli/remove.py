"""Forget pictures that do not belong. Example: dressform remove aoi --where 'outfit=dress source=07.png'"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import BadInput

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    where: Annotated[str, typer.Option(help="Which pictures: 'outfit=dress source=07.png' or 'id=3f2a91bc'.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Forget them without being asked; needed where no terminal is.")] = False,
) -> None:
    from dressform.pictures.tags import Where
    from dressform.workspace import adding, captioning, forgetting

    wanted = Where.parsed(where)
    if not wanted.conditions:
        raise BadInput("say which pictures: --where 'outfit=dress source=07.png'; dressform caption show FOLDER --each lists them")
    with opened(character) as workspace:
        adding.go_on(workspace)
        found = sorted(captioning.matching(workspace, wanted, workspace.rows()), key=lambda p: (p.outfit or "", p.source))
        if not found:
            raise BadInput(f"--where {where!r}: no picture fits; dressform caption show {output.path(character)} --each lists them")
        shown = {p.id for p in captioning.shown(workspace, wanted)}
        for picture in found:
            called = f"{picture.source}, figure {picture.figure}" if picture.figure else picture.source
            said = picture.caption or "(no caption)" if picture.id in shown else "(taken back)"
            output.note(f"{picture.outfit or 'neutral'}  id={picture.id[:8]}  {called}  {said}")
        if not (yes or _agreed(len(found))):
            raise BadInput("nothing was removed, for nobody said yes; where no terminal is, give --yes")
        forgetting.remove(workspace, found)
        emptied = [
            o
            for o in dict.fromkeys(p.outfit for p in found)
            if o and workspace.character.outfit(o) and not forgetting.has_pictures(workspace, o)
        ]
    output.say(f"removed {len(found)} pictures; no undo brings them back")
    output.hint(f"what was learned from them stays until it is learned anew: dressform train {output.path(character)}")
    for outfit in emptied:
        away = f"dressform consent revoke {output.path(character)} --asset {outfit}"
        output.note(f"{outfit} has no picture left; its adapter stays, until {away} takes it away")


def _agreed(count: int) -> bool:
    return sys.stdin.isatty() and output.confirm(f"Forget these {count} pictures for good?", False)
