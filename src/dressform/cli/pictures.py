"""Show what pictures there are of her, and what is missing. Example: dressform pictures aoi"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import BadInput, Refused

if TYPE_CHECKING:
    from dressform.pictures.contact import Cell
    from dressform.workspace.room import Shelf

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    show: Annotated[bool, typer.Option("--show", help="Draw small pictures in this terminal; nothing is written.")] = False,
    outfit: Annotated[str | None, typer.Option(help="Show or write this outfit's pictures alone.")] = None,
    neutral: Annotated[bool, typer.Option("--neutral", help="Show the neutral pictures alone.")] = False,
    to: Annotated[Path | None, typer.Option(help="Write contact sheets of dressed pictures into this folder, unsealed.")] = None,
) -> None:
    if neutral and outfit is not None:
        raise BadInput("give --neutral or --outfit, not both")
    if to is not None and neutral:
        raise Refused("neutral pictures never leave the vault but in an encrypted backup; look at them with --show")
    if (neutral or outfit is not None) and not show and to is None:
        raise BadInput("--neutral and --outfit choose what to look at: give --show or --to FOLDER with them")
    if show and not sys.stdout.isatty():
        raise BadInput("--show draws in a terminal, and there is none here")
    with opened(character) as workspace:
        from dressform.workspace import room

        shelves = room.shelves(workspace)
        _counts(workspace.character.name, shelves)
        if gone := workspace.taken_back():
            output.note(f"left out, for consent was taken back: {', '.join(gone)}")
        if show:
            wanted = [s.outfit for s in shelves] if not neutral and outfit is None else [outfit]
            for name in wanted:
                _draw(name, room.cells(workspace, name))
        if to is not None:
            here = {s.outfit for s in shelves}
            names = [name for name in workspace.character.named("outfit") if name in here] if outfit is None else [outfit]
            written = room.write_contact(workspace, names, to)
            output.note(
                "what follows is not sealed any more: whoever can read these files sees the pictures. Delete them when you are done"
            )
            for file in written:
                output.say(str(file))


def _counts(her: str, shelves: list[Shelf]) -> None:
    from dressform.workspace import room

    columns = ("", "all", *room.VIEWS, room.UNNAMED)
    rows = []
    for shelf in shelves:
        views = shelf.views()
        counts = [str(views[v]) if views[v] else "." for v in (*room.VIEWS, room.UNNAMED)]
        rows.append((shelf.outfit or "neutral", str(shelf.total), *counts))
    output.table(f"{her}: pictures by view", columns, rows)
    for shelf in shelves:
        said = ", ".join(f"{pose} {n}" for pose, n in shelf.poses().most_common())
        output.say(f"{shelf.outfit or 'neutral'}: {said}")
        if shelf.drawn:
            output.say(f"{shelf.outfit or 'neutral'}: {shelf.drawn} of {shelf.total} were drawn by the model")
        for lack in room.missing(shelf):
            output.say(f"{shelf.outfit or 'neutral'}: {lack}")


def _draw(outfit: str | None, cells: list[Cell]) -> None:
    output.say(outfit or "neutral")
    output.contact(cells)
