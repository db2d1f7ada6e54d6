"""What is agreed for her: see it, agree, narrow, take back. Example: dressform consent show aoi"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Character = Annotated[Path, typer.Argument(help="Her folder.")]
Lang = Annotated[str, typer.Option(help="'en' or 'ja'.")]


@app.command()
def show(character: Character, lang: Lang = "en") -> None:
    """What holds now, and every line of the ledger. Example: dressform consent show aoi"""
    from dressform.workspace import consenting

    with opened(character) as workspace:
        _agreed(workspace, lang)
        for asset in workspace.gate.state().revoked:
            output.say(f"revoked: {'everything' if asset == '*' else asset}")
        for line, at, kind, what in consenting.history(workspace):
            output.say(f"line {line:<3} {at}  {kind:<7} {what}")


@app.command()
def grant(
    character: Character,
    permit: Annotated[str, typer.Option(help="Scopes, with commas.")] = "",
    asset: Annotated[list[str] | None, typer.Option(help="'neutral' or an outfit's name; may be repeated (default: everything).")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends, YYYY-MM-DD.")] = None,
    lang: Lang = "en",
) -> None:
    """Agree to more, or again. Example: dressform consent grant aoi --permit export:outfit"""
    from dressform.consent.scopes import language, scopes
    from dressform.workspace import consenting

    asked = scopes(permit)
    with opened(character) as workspace:
        for line in output.boundary_lines(workspace.profile, language(lang)):
            output.note(line)
        entry = consenting.grant(workspace, asked, asset or (), output.day(expires), lang)
        output.say(f"agreed, line {entry.sequence}; your receipt is in {workspace.root / 'receipts'}")
        _agreed(workspace, lang)


@app.command()
def narrow(character: Character, prohibit: Annotated[str, typer.Option(help="Scopes, with commas.")] = "", lang: Lang = "en") -> None:
    """Prohibit from now on. Example: dressform consent narrow aoi --prohibit publish"""
    from dressform.consent.scopes import language, scopes
    from dressform.workspace import consenting

    chosen = scopes(prohibit)
    with opened(character) as workspace:
        entry = consenting.narrow(workspace, chosen, language(lang))
        output.say(f"prohibited, line {entry.sequence}")
        _agreed(workspace, lang)


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
        output.say(f"revoked, line {entry.sequence}: {quarantined} things that came from it can no longer be opened")
        output.note("copies that were given away before cannot be called back")
        if gone := consenting.shred(workspace):
            output.say(f"shredded {gone} objects")
        else:
            output.note(f"they are shredded after {consenting.days_left(workspace, entry)} days; until then a new grant brings them back")
            named = "".join(f" --asset {one.removeprefix('outfit:')}" for one in entry.body["assets"] if one != "*")
            output.hint(f"to agree again: dressform consent grant {output.path(character)} --permit SCOPES{named}")
        for file in consenting.left_in_the_clear(workspace):
            output.note(f"{file}: lies open on the disk and came from it; delete it where it should go, too")


@app.command()
def verify(character: Character) -> None:
    """Check every line and signature. Example: dressform consent verify aoi"""
    from dressform.workspace import consenting

    with opened(character) as workspace:
        head = consenting.verify(workspace)
        output.say(f"whole: {head.length} lines, newest {head.sha256}")


@app.command()
def ask(
    character: Character,
    scope: Annotated[str, typer.Option(help="The scope to ask her about.")],
    endpoint: Annotated[str, typer.Option(help="Your local OpenAI-compatible server, on this machine only.")],
    model: Annotated[str, typer.Option(help="The model's name there.")],
    lang: Lang = "en",
) -> None:
    """Ask her persona, and keep what it says as evidence; it permits nothing.

    Example: dressform consent ask aoi --scope publish --endpoint http://127.0.0.1:8080/v1 --model NAME
    """
    from dressform.consent.endpoint import parse
    from dressform.consent.scopes import language
    from dressform.consent.scopes import scope as known
    from dressform.workspace import asking

    asked, there, words = known(scope), parse(endpoint, model), language(lang)
    with opened(character) as workspace:
        for line in output.boundary_lines(workspace.profile, words):
            output.note(line)
        answer, entry = asking.ask(workspace, asked, there, words)
    output.note(answer.question)
    output.say(answer.answer)
    output.note(f"kept sealed as evidence, line {entry.sequence}; it permits nothing: the grant is yours alone")
    output.hint(f"if you agree: dressform consent grant {output.path(character)} --permit {asked}")


@app.command()
def answers(character: Character) -> None:
    """What her persona was asked, and said. Example: dressform consent answers aoi"""
    from dressform.workspace import asking

    with opened(character) as workspace:
        found = asking.answers(workspace)
    for line, kept in found:
        output.say(f"line {line}, {kept.at}, {kept.scope}, answered by {kept.model}:\n{kept.question}\n{kept.answer}\n")
    if not found:
        output.note("she was asked nothing yet")


def _agreed(workspace: Workspace, lang: str) -> None:
    from dressform.consent.scopes import PLAIN_WORDS, language

    words, all_of_her = PLAIN_WORDS[language(lang)], len(workspace.character.outfits) + 1
    for scope, assets in workspace.permitted().items():
        alone = f" ({', '.join(a.removeprefix('outfit:') for a in assets)})" if 0 < len(assets) < all_of_her else ""
        output.say(f"{'yes' if assets else 'no':>4}  {scope:<16} {words[scope]}{alone}")
    for line in output.boundary_lines(workspace.profile, lang):
        output.say(line)
