"""Make a new character, her vault, and what is agreed. Example: dressform new aoi --age 24"""

from __future__ import annotations

import locale
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output

NEEDS_ARGUMENTS = True

_TITLE = {"en": "What is agreed for {name} (absent means no):", "ja": "{name} について同意したこと(書かれていないことは「いいえ」):"}
_ASK = {"en": "Agree to this? [Y/n]", "ja": "これに同意しますか? [Y/n]"}
_RECOVERY = {
    "en": "recovery key, shown this once; write it down and keep it away from this machine:",
    "ja": "復旧キー(表示は今回だけです。書き留めて、この機械とは別の場所に保管してください):",
}


def command(
    name: Annotated[str, typer.Argument(help="Her name; also the folder that is made.")],
    age: Annotated[int, typer.Option("--age", help="Her age in years; 18 or over.")],
    kind: Annotated[str, typer.Option(help="'original' (an invented adult) or 'self'.")] = "original",
    trigger: Annotated[str | None, typer.Option(help="The word that calls her in a prompt (default: her name).")] = None,
    base_model: Annotated[str, typer.Option(help="'layfigure' (built in), a diffusers folder, or one .safetensors file.")] = "layfigure",
    describe: Annotated[
        str, typer.Option(help="Her body in the base model's words: who she is under any garment. Asked for, never taught.")
    ] = "",
    folder: Annotated[Path | None, typer.Option(help="Where to make her folder (default: ./NAME).")] = None,
    permit: Annotated[str, typer.Option(help="Scopes agreed to, with commas (default: the careful answer).")] = "",
    expires: Annotated[str | None, typer.Option(help="When consent ends, YYYY-MM-DD; needed for 'self'.")] = None,
    lang: Annotated[str | None, typer.Option(help="'en' or 'ja' (default: from the system).")] = None,
    card: Annotated[Path | None, typer.Option(help="A character card (PNG or JSON) to begin her profile with.")] = None,
    boundary: Annotated[list[str] | None, typer.Option(help="'WORDS' or 'WORDS [SCOPE, SCOPE]'; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree without being asked; needed where there is no terminal to ask on.")] = False,
) -> None:
    from dressform.backbones.embedded import EMBEDDED
    from dressform.consent.normal import visible
    from dressform.consent.scopes import CAREFUL, PLAIN_WORDS, SCOPES, language, scopes
    from dressform.errors import BadInput
    from dressform.layfigure.captions import unknown_words
    from dressform.workspace import creating, profiling

    made, words, profile = folder or Path(name), language(lang or _system_language()), profiling.given(card, boundary or ())
    chosen = scopes(permit) or tuple(s for s in CAREFUL if s not in profile.prohibited)
    asked = creating.Asked(name, age, kind, trigger, base_model, chosen, output.day(expires), words, visible(describe), profile)
    creating.checked(made, asked)
    output.note(_TITLE[words].format(name=name))
    for scope in SCOPES:
        output.note(f"  {'x' if scope in chosen else ' '}  {scope:<16} {PLAIN_WORDS[words][scope]}")
    for line in output.boundary_lines(profile, words):
        output.note(line)
    if not (yes or (_agreed(words) if sys.stdin.isatty() else permit)):
        raise BadInput("nothing was made, for nobody agreed; say --yes, or name what you agree to with --permit")
    recovery = creating.create(made, asked, ask=output.ask_secret)
    output.note(f"{_RECOVERY[words]}\n  {recovery}")  # first: whatever goes wrong with the rest, it is said this once
    output.say(f"made {made}: {name}, an adult of {age}, called by {asked.trigger or name!r}")
    if base_model == EMBEDDED and (unknown := unknown_words(asked.description)):
        output.note(f"this base model was not taught, and --describe says nothing to it by: {', '.join(unknown)}")
    output.hint(f"dressform consent show {output.path(made)} says again what is agreed; receipts are in {made / 'receipts'}")
    output.hint(f"dressform add {output.path(made)} PICTURES --neutral, then dressform add {output.path(made)} PICTURES --outfit dress")


def _agreed(words: str) -> bool:
    return output.confirm(_ASK[words].removesuffix(" [Y/n]"), True)


def _system_language() -> str:
    named = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return "ja" if named.lower().startswith(("ja", "japanese")) else "en"
