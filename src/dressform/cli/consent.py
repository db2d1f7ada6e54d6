"""What is agreed for her: see it, agree, narrow, take back. Example: dressform consent show aoi"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Character = Annotated[Path, typer.Argument(help="Her folder.")]
Lang = Annotated[str, typer.Option(help="'en' or 'ja'.")]


@app.command()
def show(character: Character, lang: Lang = "en") -> None:
    """What holds now, and every line of the ledger. Example: dressform consent show aoi"""
    from dressform.workspace import consenting

    with opened(character) as workspace:
        _agreed(workspace.gate.permitted(), lang)
        for asset in workspace.gate.state().revoked:
            output.say(f"revoked: {'everything' if asset == '*' else asset}")
        for at, kind, what in consenting.history(workspace):
            output.say(f"{at}  {kind:<7} {what}")


@app.command()
def grant(
    character: Character,
    permit: Annotated[str, typer.Option(help="Scopes, with commas.")] = "",
    asset: Annotated[list[str] | None, typer.Option(help="'neutral' or an outfit's name; may be repeated (default: everything).")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends, YYYY-MM-DD.")] = None,
    lang: Lang = "en",
) -> None:
    """Agree to more, or again. Example: dressform consent grant aoi --permit export:outfit"""
    from dressform.consent.scopes import scopes
    from dressform.workspace import consenting

    with opened(character) as workspace:
        entry = consenting.grant(workspace, scopes(permit), asset or (), output.day(expires), lang)
        output.say(f"agreed, line {entry.sequence}; your receipt is in {workspace.root / 'receipts'}")
        _agreed(workspace.gate.permitted(), lang)


@app.command()
def narrow(character: Character, prohibit: Annotated[str, typer.Option(help="Scopes, with commas.")] = "", lang: Lang = "en") -> None:
    """Prohibit from now on. Example: dressform consent narrow aoi --prohibit publish"""
    from dressform.consent.scopes import scopes
    from dressform.workspace import consenting

    with opened(character) as workspace:
        entry = consenting.narrow(workspace, scopes(prohibit), lang)
        output.say(f"prohibited, line {entry.sequence}")
        _agreed(workspace.gate.permitted(), lang)


@app.command()
def revoke(
    character: Character,
    asset: Annotated[list[str] | None, typer.Option(help="'neutral' or an outfit's name; may be repeated (default: everything).")] = None,
    grace_days: Annotated[int, typer.Option(help="Days until what was made is destroyed for good.")] = 7,
) -> None:
    """Take consent back. A running training stops within a step. Example: dressform consent revoke aoi --asset dress"""
    from dressform.workspace import consenting
    from dressform.workspace import workspace as opening

    with opening.opened(character, output.ask_secret) as workspace:
        entry, quarantined = consenting.revoke(workspace, asset or (), grace_days)
        output.say(f"revoked, line {entry.sequence}: {quarantined} things made from it can no longer be opened")
        output.note("copies that were given away before cannot be called back")
        if gone := consenting.shred(workspace):
            output.say(f"shredded {gone} objects")
        else:
            output.note(f"they are shredded after {grace_days} days; until then a new grant brings them back")


@app.command()
def verify(character: Character) -> None:
    """Check every line and signature. Example: dressform consent verify aoi"""
    from dressform.workspace import consenting

    with opened(character) as workspace:
        head = consenting.verify(workspace)
        output.say(f"whole: {head.length} lines, newest {head.sha256}")


def _agreed(permitted: dict, lang: str) -> None:  # type: ignore[type-arg]
    from dressform.consent.scopes import PLAIN_WORDS
    from dressform.errors import BadInput

    if lang not in PLAIN_WORDS:
        raise BadInput(f"language {lang!r}: use {' or '.join(PLAIN_WORDS)}")
    for scope, holds in permitted.items():
        output.say(f"{'yes' if holds else 'no':>4}  {scope:<16} {PLAIN_WORDS[lang][scope]}")
