"""Find where the garment is in pictures that have no mask. Example: dressform mask aoi --outfit dress"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import BadInput, Failed, NotReady, Refused

if TYPE_CHECKING:
    from dressform.workspace.masking import By, Masked

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    outfit: Annotated[list[str] | None, typer.Option(help="Which outfit; may be repeated (default: every one).")] = None,
    by: Annotated[
        str, typer.Option(help="reader (lay-figure world), words (the base model's own attention), neutral (difference), or auto.")
    ] = "auto",
    word: Annotated[list[str] | None, typer.Option(help="For --by words: what she wears, e.g. 'red dress'; may be repeated.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also where there is a mask: it is replaced.")] = False,
) -> None:
    from dressform.workspace import masking

    way = masking.way_of(by)
    words = _words(word or (), way)
    left, undone = 0, list[str]()
    with opened(character) as workspace, output.bar("masks") as bar:
        names = outfit or [o.name for o in workspace.character.outfits]
        if not names:
            raise NotReady(
                f"there is no outfit yet: add pictures of one with dressform add {output.path(character)} PICTURES --outfit NAME"
            )
        for name in names:
            try:
                found = masking.mask(workspace, name, way, words, again, bar)
            except (NotReady, Refused) as error:
                if outfit:
                    raise
                output.note(f"{name}: {error}")
                undone.append(name)
                continue
            _told(name, found, words, len(workspace.pictures(name)))
            left += len(found.left)
    if left:
        raise Failed(f"{left} pictures have no mask; see the lines above")
    if undone:
        raise Failed(f"{', '.join(undone)}: not looked at; see the lines above")
    output.hint(f"dressform train {output.path(character)}")


def _words(given: Sequence[str], way: By) -> tuple[str, ...]:
    """What she wears, as ``--word`` says it. Raises BadInput where it says nothing, or nobody asks for it."""
    words = tuple(w.strip() for w in given if w.strip())
    if given and not words:
        raise BadInput('--word: says nothing; name the garment, for example --word "red dress"')
    if words and way not in ("words", "auto"):
        raise BadInput(f"--word is for --by words, and this is --by {way}; leave one of them out")
    return words


def _told(name: str, found: Masked, words: Sequence[str], pictures: int) -> None:
    for source, why in found.left:
        output.note(f"left without one  {source}: {why}")
    if words and found.by != "words":
        output.note(f"{name}: --word says nothing to {found.by}; add --by words")
    if found.done or found.left:
        output.say(f"{name}: {len(found.done)} masks by {found.by}")
    else:
        output.say(f"{name}: {'every picture has a mask; --again replaces them' if pictures else 'there are no pictures of it'}")
