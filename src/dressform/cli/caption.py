"""Captions: shown, read, edited in bulk, checked and mended. Example: dressform caption lint aoi"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import Failed

if TYPE_CHECKING:
    from dressform.workspace.captioning import Change

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Character = Annotated[Path, typer.Argument(help="Her folder.")]
Where = Annotated[str, typer.Option(help="Which pictures: 'outfit=dress tag=park tag!=waving caption=none source=0*.png'; all by default.")]
Tags = Annotated[list[str] | None, typer.Option(help="A tag; may be repeated.")]


@app.command()
def show(
    character: Character,
    where: Where = "",
    each: Annotated[bool, typer.Option("--each", help="Every picture's caption instead of the counts.")] = False,
) -> None:
    """How often each tag is said, for each set of pictures. Example: dressform caption show aoi --where outfit=dress"""
    from dressform.pictures.tags import Where as Filter
    from dressform.workspace import captioning

    with opened(character) as workspace:
        found = captioning.shown(workspace, Filter.parsed(where))
        if gone := workspace.taken_back():
            output.note(f"left out, for consent was taken back: {', '.join(gone)}")
    if each:
        for picture in found:
            output.say(f"{picture.outfit or 'neutral'}  id={picture.id[:8]}  {picture.source}  {picture.caption or '(none)'}")
        return
    for tag, sets in captioning.counts(found).items():
        output.say(f"{sum(sets.values()):4}  {tag}  ({', '.join(f'{name} {n}' for name, n in sets.items())})")
    bare = sum(not p.caption for p in found)
    output.note(f"{len(found)} pictures, {bare} without a caption")


@app.command()
def lint(character: Character) -> None:
    """What will bind where it should not, and what to do; exits with 1 for a serious finding. Example: dressform caption lint aoi"""
    from dressform.workspace import looking

    with opened(character) as workspace, output.bar("looking") as bar:
        found = looking.findings(workspace, bar)
    for line in output.findings(found):
        output.say(line)
    if not found:
        output.say("nothing found")
    if any(f.safe for f in found):
        output.hint(f"dressform caption fix {output.path(character)}")
    if serious := sum(f.severity == "serious" for f in found):
        raise Failed(f"{serious} serious findings: train stops on them")


@app.command()
def fix(character: Character) -> None:
    """Do what lint calls safe; undo takes it back. Example: dressform caption fix aoi"""
    from dressform.workspace import captioning, looking

    with opened(character) as workspace:
        with output.bar("looking") as bar:
            found = looking.findings(workspace, bar)
        _told(captioning.fix(workspace, found), character)


@app.command()
def read(
    character: Character,
    every: Annotated[bool, typer.Option("--all", help="Those that have a caption too.")] = False,
    tagger: Annotated[Path | None, typer.Option(help="A booru tagger on this disk: its model.onnx, selected_tags.csv beside it.")] = None,
) -> None:
    """Write captions as the reader (embedded world) or a tagger sees the pictures. Example: dressform caption read aoi"""
    from dressform.workspace import looking

    with opened(character) as workspace:
        changes = looking.read(workspace, every, tagger)
    if not changes and not every:
        return output.say("nothing to do: every picture has a caption; --all reads them anew")
    _told(changes, character)


@app.command()
def edit(character: Character, where: Where = "", add: Tags = None, remove: Tags = None, replace: Tags = None) -> None:
    """Edit many captions at once; --replace takes OLD=NEW, --remove may hold '*'.

    Example: dressform caption edit aoi --where "outfit=dress tag=park" --add outdoors --replace "park background=garden background"
    """
    from dressform.pictures.tags import Edit, one_tag, replacement
    from dressform.pictures.tags import Where as Filter
    from dressform.workspace import captioning

    pairs = tuple(replacement(text) for text in replace or ())
    change = Edit(tuple(map(one_tag, add or ())), tuple(map(one_tag, remove or ())), pairs)
    with opened(character) as workspace:
        _told(captioning.edit(workspace, Filter.parsed(where), change), character)


@app.command()
def undo(character: Character) -> None:
    """Take the newest change of captions back, again and again. Example: dressform caption undo aoi"""
    from dressform.workspace import captioning

    with opened(character) as workspace:
        what, changes = captioning.undo(workspace)
    output.say(f"took back {what}: {len(changes)} captions are as before")


def _told(changes: list[Change], character: Path) -> None:
    for change in changes:
        output.note(f"{change.source}: {change.before or '(none)'} -> {change.after or '(none)'}")
    output.say(f"changed {len(changes)} captions")
    if changes:
        output.hint(f"dressform caption undo {output.path(character)}")
