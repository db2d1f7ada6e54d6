"""Pictures that the model proposes and you decide on, to fill a set. Example: dressform draft propose aoi --neutral"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import BadInput

if TYPE_CHECKING:
    from dressform.workspace.candidates import Candidate
    from dressform.workspace.drafting import Proposed
    from dressform.workspace.workspace import Workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Character = Annotated[Path, typer.Argument(help="Her folder.")]
Numbers = Annotated[list[str] | None, typer.Argument(help="Which candidates: 3 5-9. All of them with 'all'.")]
Steps = Annotated[int, typer.Option(help="Sampling steps.")]


@app.command()
def propose(
    character: Character,
    outfit: Annotated[str | None, typer.Option(help="The outfit that the pictures should show.")] = None,
    neutral: Annotated[bool, typer.Option("--neutral", help="The pictures should show the neutral layer.")] = False,
    want: Annotated[int, typer.Option(help="How many pictures the set should have, with those that are there.")] = 24,
    by: Annotated[
        str, typer.Option(help="adapter (trained), words (a description alone), or auto (the adapter, where there is one).")
    ] = "auto",
    wear: Annotated[str, typer.Option(help='What an outfit that is not trained looks like, such as "green coat".')] = "",
    text: Annotated[str, typer.Option(help="What else the pictures should show.")] = "",
    tries: Annotated[int, typer.Option(help="Pictures drawn of each scene; the best is proposed.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the pictures.")] = 0,
    steps: Steps = 20,
) -> None:
    """Draw candidates for the views, poses and backgrounds that a set lacks. Example: dressform draft propose aoi --outfit dress"""
    if neutral == (outfit is not None):
        raise BadInput("say what the pictures should show: either --neutral or --outfit NAME")
    from dressform.dress.sampler import SampleConfig
    from dressform.workspace import candidates, drafting, dressing

    asked = candidates.Asked(outfit, want, drafting.way_of(by), wear, text, tries, seed)
    with opened(character) as workspace, output.bar("drawing") as bar:
        made = drafting.propose(workspace, asked, SampleConfig(steps), bar)
        output.not_taught(dressing.unknown_words(workspace, f"{wear}, {text}"))
        _told(made, len(candidates.waiting(workspace)), character)


@app.command()
def show(
    character: Character,
    numbers: Numbers = None,
    pictures: Annotated[bool, typer.Option("--show", help="Draw them small in this terminal; nothing is written.")] = False,
    to: Annotated[Path | None, typer.Option(help="Write dressed candidates and a contact sheet into this folder, unsealed.")] = None,
) -> None:
    """The candidates that wait, the best first. Example: dressform draft show aoi --show"""
    if pictures and not sys.stdout.isatty():
        raise BadInput("--show draws in a terminal, and there is none here")
    with opened(character) as workspace:
        from dressform.workspace import candidates

        chosen = candidates.picked(workspace, _numbers(numbers))
        _table(chosen)
        if pictures:
            output.contact(candidates.cells(workspace, chosen))
        if to is not None:
            dressed = [c for c in chosen if c.asked.outfit is not None]
            if dressed and len(dressed) < len(chosen):
                bare = ", ".join(str(c.number) for c in chosen if c.asked.outfit is None)
                output.note(f"{bare}: neutral, and never written; --show draws them in the terminal")
            written = candidates.write_candidates(workspace, dressed, to)
            output.note("what follows is not sealed any more: whoever can read these files sees them. Delete them when you are done")
            for file in written:
                output.say(str(file))


@app.command()
def review(character: Character, steps: Steps = 20) -> None:
    """Look at each candidate in this terminal and decide. Example: dressform draft review aoi"""
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise BadInput("review asks at a terminal, and there is none here; use draft show, approve, reject and redraw")
    with opened(character) as workspace:
        from dressform.workspace import candidates

        joined = sum(_decided(workspace, candidate, steps) for candidate in candidates.picked(workspace, ()))
    output.say(f"{joined} joined")


@app.command()
def approve(character: Character, numbers: Numbers = None) -> None:
    """Let candidates join their set; add --undo takes them back. Example: dressform draft approve aoi 1 3-9"""
    from dressform.workspace import candidates

    with opened(character) as workspace:
        chosen = candidates.picked(workspace, _some(numbers))
        output.say(f"{candidates.approve(workspace, chosen)} joined, marked as drawn by the model")
    if any(c.asked.outfit is not None for c in chosen):
        output.hint(f"dressform mask {output.path(character)} finds the garment in them")
    output.hint(f"dressform pictures {output.path(character)}")


@app.command()
def reject(character: Character, numbers: Numbers = None) -> None:
    """Throw candidates away. Example: dressform draft reject aoi 2 4"""
    from dressform.workspace import candidates

    with opened(character) as workspace:
        output.say(f"threw {candidates.reject(workspace, candidates.picked(workspace, _some(numbers)))} away")


@app.command()
def redraw(character: Character, numbers: Numbers = None, steps: Steps = 20) -> None:
    """Draw the same scenes anew. Example: dressform draft redraw aoi 2"""
    from dressform.dress.sampler import SampleConfig
    from dressform.workspace import candidates, drafting

    with opened(character) as workspace, output.bar("drawing") as bar:
        chosen = candidates.picked(workspace, _some(numbers))
        made = drafting.redraw(workspace, chosen, SampleConfig(steps), bar)
        _told(made, len(candidates.waiting(workspace)), character)


def _decided(workspace: Workspace, candidate: Candidate, steps: int) -> int:
    """Show a candidate until it is decided on; 1 where it joined. "l" and an end of the input leave it for later."""
    from dressform.dress.sampler import SampleConfig
    from dressform.workspace import candidates, drafting

    while True:
        _table([candidate])
        output.contact(candidates.cells(workspace, [candidate]))
        answer = output.ask("[a]pprove, [r]eject, re[d]raw, [l]ater?", "ardl")
        if answer == "a":
            return candidates.approve(workspace, [candidate])
        if answer == "r":
            candidates.reject(workspace, [candidate])
        if answer != "d":
            return 0
        candidate = next(iter(drafting.redraw(workspace, [candidate], SampleConfig(steps)).candidates), candidate)


def _numbers(given: Sequence[str] | None) -> list[int]:
    """ "3", "5-9" and "all" as numbers; none of them means all. Raises BadInput."""
    found: list[int] = []
    for part in given or ():
        first, dash, last = part.partition("-")
        if part == "all":
            return []
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) - int(first) not in range(1000):
            raise BadInput(f"candidates {part[:40]!r}: give numbers such as 3 or 5-9, or all")
        found += range(int(first), int(last or first) + 1)
    return found


def _some(given: Sequence[str] | None) -> list[int]:
    """The same, where nothing said is not all: what is decided on has to be named."""
    if not given:
        raise BadInput("say which candidates: their numbers, such as 3 5-9, or all")
    return _numbers(given)


def _told(made: Proposed, waiting: int, character: Path) -> None:
    for view, pose, background in made.left:
        output.note(f"left out  {view} view, {pose}, {background} background: every try came out undressed")
    _table(made.candidates)
    output.note(f"{waiting} candidate{'s wait' if waiting != 1 else ' waits'}, sealed; none belongs to the set before you approve it")
    output.hint(f"dressform draft review {output.path(character)}, or dressform draft show {output.path(character)} --show")


def _table(shown: Sequence[Candidate]) -> None:
    rows = [
        (
            str(c.number), c.asked.outfit or "neutral", ", ".join(c.scene),
            "not read" if c.judged.fidelity is None else f"{c.judged.fidelity:.0%}", f"{c.judged.sharpness:.2f}",
            f"{c.judged.novelty:.2f}", "; ".join(c.judged.wrong),
        )
        for c in shown
    ]  # fmt: skip
    output.table("candidates", ("", "set", "scene", "as asked", "sharp", "new", "not as asked"), rows)
