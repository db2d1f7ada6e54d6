"""What train would do, and what it would cost; nothing is trained. Example: dressform plan aoi"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dressform.cli import output
from dressform.cli import train as training_options
from dressform.cli.opening import opened

if TYPE_CHECKING:
    from dressform.train.plan import Plan

NEEDS_ARGUMENTS = True


def command(
    context: typer.Context,
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    steps: training_options.Steps = None,
    rank: training_options.Rank = 8,
    seed: training_options.Seed = 0,
    identity: training_options.Identity = "auto",
    outfit: training_options.Only = None,
    until: training_options.Until = "steps",
    floor: training_options.Floor = None,
    memory: training_options.Memory = None,
    recompute: training_options.Recompute = False,
    targets: training_options.Targets = "auto",
    offload: training_options.Offload = False,
    optimizer: training_options.Optimizer = "adamw",
    min_snr: training_options.MinSnr = None,
) -> None:
    from dressform.workspace import fitting, training

    source, recipes = training.source_of(identity), training_options.asked(rank, seed, steps, until, floor, recompute, targets)
    recipes, most_bytes = training_options.by_means(recipes, offload, optimizer, min_snr), training_options.budget(memory)
    only = training_options.several(outfit)
    with opened(character) as workspace, output.bar("encoding") as encoding:
        for line in fitting.lines(fitting.room(workspace, recipes[1], most_bytes, len(only))):
            output.say(f"memory: {line}")
        found = training.plan(workspace, *recipes, source, most_bytes, training.Watch(on_encoded=encoding), only)
        asides = list(training_options.asides(workspace, found))
    if found.kept:
        output.say(f"trained already: {', '.join(found.kept)}")
    most = "at most " if until == "converged" else ""
    for what, stage, config in (("identity", found.identity, recipes[0]), ("outfits", found.outfits, recipes[1])):
        for line in _lines(stage, what) if stage else ():
            output.say(f"{what}: {line}{most}{config.steps} steps, {config.rows} pictures of each in a step")
    output.say(f"in all: {training_options.in_one_line(found)}")
    for line in asides:
        output.say(line)
    if found.identity or found.outfits:
        output.hint(f"dressform train {output.path(character)}{_as_given(context)}")


def _as_given(context: typer.Context) -> str:
    """The options that were given, once more: train has them all."""
    said = {p.name: context.get_parameter_source(p.name) for p in context.command.params if p.name}
    given = [p for p in context.command.params if (source := said.get(p.name)) and source.name == "COMMANDLINE"]
    options = [(p.opts[0], context.params[str(p.name)]) for p in given if p.opts[0].startswith("--")]
    return "".join(f" {option}" if value is True else f" {option} {shlex.quote(str(value))}" for option, value in options)


def _lines(stage: Plan, what: str) -> list[str]:
    """A line for each group, as far as its names."""
    found = []
    for i, group in enumerate(stage.groups):
        which = f"group {i + 1} of {len(stage.groups)}: " if len(stage.groups) > 1 else ""
        parts = f"micro-steps of {group.micro_rows}, " if group.micro_rows else ""
        names = "" if group.names == (what,) else f"{', '.join(group.names)}, "
        begun = f"gone on with after {group.steps_done} of " if group.steps_done else ""
        found.append(f"{which}{names}{parts}{begun}")
    return found
