"""Learn who she is, then every outfit on top. Example: dressform train aoi"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output, preflight
from dressform.cli.opening import opened

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    steps: Annotated[int | None, typer.Option(help="Steps of each stage (default: the recipe's).")] = None,
    rank: Annotated[int, typer.Option(help="Rank of the adapters.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 0,
    identity: Annotated[str, typer.Option(help="What she is learned from: neutral, dressed, or auto (neutral if any).")] = "auto",
    restart: Annotated[bool, typer.Option("--restart", help="Begin again, whatever is trained already.")] = False,
    despite_lint: Annotated[bool, typer.Option("--despite-lint", help="Train although caption lint finds something serious.")] = False,
) -> None:
    from dressform.train.events import StepDone
    from dressform.workspace import training

    source = training.source_of(identity)
    who, wardrobe = training.recipes(rank, seed, steps)
    with opened(character) as workspace, output.bar("identity") as first, output.bar("outfits") as second:

        def on_step(what: str, event: StepDone) -> None:
            loss = sum(event.losses.values()) / len(event.losses)
            (first if what == "identity" else second)(event.step, event.steps, f"loss {loss:.3f}")

        preflight.passed(workspace, despite_lint)
        made = training.run(workspace, who, wardrobe, restart, on_step, source)
    if made.adapters:
        output.say(f"trained {', '.join(made.adapters)} in {made.seconds:.0f} s")
    else:
        output.say("nothing to do: every adapter is trained on the pictures that are here")
    output.hint(f"dressform lookbook {character}")
