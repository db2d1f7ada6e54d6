"""Who she is and her boundaries, in your words. Example: dressform profile show aoi"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Character = Annotated[Path, typer.Argument(help="Her folder.")]
Boundaries = Annotated[list[str] | None, typer.Option("--boundary", help="'WORDS' or 'WORDS [SCOPE, SCOPE]'; may be repeated.")]
Lang = Annotated[str, typer.Option(help="'en' or 'ja'.")]


@app.command()
def show(character: Character, lang: Lang = "en") -> None:
    """Her profile. Example: dressform profile show aoi"""
    from dressform.consent.profile import EMPTY
    from dressform.consent.scopes import language

    words = language(lang)
    with opened(character) as workspace:
        found = workspace.profile
    if found == EMPTY:
        output.note("no profile yet")
        output.hint(f"dressform profile set {output.path(character)} --about 'A calm painter' --boundary 'My pictures stay here [publish]'")
    for what, text in (("name", found.name), ("about", found.about), ("notes", found.notes)):
        if text:
            output.say(f"{what}: {text}")
    for line in output.boundary_lines(found, words):
        output.say(line)


@app.command(name="set")
def set_(
    character: Character,
    name: Annotated[str | None, typer.Option(help="The name she goes by.")] = None,
    about: Annotated[str | None, typer.Option(help="Who she is.")] = None,
    notes: Annotated[str | None, typer.Option(help="For people alone: never part of a prompt.")] = None,
    boundary: Boundaries = None,
    lang: Lang = "en",
) -> None:
    """Write parts of it; --boundary replaces all of them, --boundary '' takes them away.

    Example: dressform profile set aoi --boundary 'My pictures stay here [publish, export:identity]'
    """
    from dressform.consent.scopes import language
    from dressform.workspace import profiling

    words = language(lang)
    with opened(character) as workspace:
        new = profiling.change(workspace, name, about, notes, boundary)
        _kept(profiling.keep(workspace, new, words))


@app.command(name="import")
def import_(
    character: Character,
    card: Annotated[Path, typer.Argument(help="A SillyTavern card, V2 or V3: PNG or JSON.")],
    boundary: Boundaries = None,
    lang: Lang = "en",
) -> None:
    """Take who she is from a character card; boundaries come to those she has. Example: dressform profile import aoi aoi.png"""
    from dressform.consent.scopes import language
    from dressform.workspace import profiling

    words = language(lang)
    with opened(character) as workspace:
        _kept(profiling.import_card(workspace, card, boundary or (), words))


def _kept(prohibited: tuple[str, ...]) -> None:
    output.say("kept, sealed")
    if prohibited:
        output.say(f"prohibited from now on by her boundaries: {', '.join(prohibited)}")
