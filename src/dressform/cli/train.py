"""Learn who she is, then every outfit on top. Example: dressform train aoi"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dressform.cli import output, preflight
from dressform.cli.opening import opened
from dressform.errors import BadInput

if TYPE_CHECKING:
    from dressform.train.config import TrainConfig
    from dressform.train.events import StepDone
    from dressform.workspace.planning import Outlook
    from dressform.workspace.workspace import Workspace

NEEDS_ARGUMENTS = True
_GIB = 2**30

Steps = Annotated[int | None, typer.Option(help="Steps of each stage (default: the recipe's); until converged, their ceiling.")]
Rank = Annotated[int, typer.Option(help="Rank of the adapters.")]
Seed = Annotated[int, typer.Option(help="Seed of the run.")]
Identity = Annotated[str, typer.Option(help="Pictures that she is learned from: neutral, dressed, or auto (all that may be).")]
Only = Annotated[
    str | None,
    typer.Option("--outfit", help="Only this outfit or accessory, or several with commas, on her identity as it is (default: all)."),
]
Until = Annotated[str, typer.Option(help="When an adapter ends: steps, or converged (on one picture in ten, held out).")]
Floor = Annotated[int | None, typer.Option(help="Until converged: no adapter ends before so many steps (default: 100).", min=1)]
Memory = Annotated[float | None, typer.Option(help="GiB that may be used in all (default: what is free).", min=0.1)]
Targets = Annotated[str, typer.Option(help="Layers to adapt: attention, all (convolutions too), or auto (the base model's usual).")]
Recompute = Annotated[bool, typer.Option("--recompute", help="Gradient checkpointing: less memory, more time, the same adapters.")]
Offload = Annotated[
    bool, typer.Option("--offload", help="With --recompute: the denoiser comes to the GPU block by block: least memory, much more time.")
]
Optimizer = Annotated[str, typer.Option(help="adamw, or adamw8bit: its moments in 8 bits (needs bitsandbytes).")]
MinSnr = Annotated[float | None, typer.Option(help="Min-SNR weighting with this gamma, 5 for instance (default: every time counts alike).")]


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    steps: Steps = None,
    rank: Rank = 8,
    seed: Seed = 0,
    identity: Identity = "auto",
    outfit: Only = None,
    until: Until = "steps",
    floor: Floor = None,
    memory: Memory = None,
    recompute: Recompute = False,
    targets: Targets = "auto",
    offload: Offload = False,
    optimizer: Optimizer = "adamw",
    min_snr: MinSnr = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again, whatever is trained already (with --outfit: of these).")] = False,
    despite_lint: Annotated[bool, typer.Option("--despite-lint", help="Train although caption lint finds something serious.")] = False,
) -> None:
    from dressform.workspace import training

    source, recipes = training.source_of(identity), asked(rank, seed, steps, until, floor, recompute, targets)
    recipes, only = by_means(recipes, offload, optimizer, min_snr), several(outfit)
    with (
        opened(character) as workspace,
        output.bar("encoding") as encoding,
        output.bar("identity") as first,
        output.bar("outfits") as second,
    ):

        def on_step(what: str, event: StepDone) -> None:
            (first if what == "identity" else second)(event.step, event.steps, _said(event))

        def on_plan(outlook: Outlook) -> None:
            if outlook.identity or outlook.outfits:
                output.note(f"plan: {in_one_line(outlook)}")
            for line in asides(workspace, outlook):
                output.note(line)

        preflight.passed(workspace, despite_lint, only)
        watch = training.Watch(on_plan, encoding)
        made = training.run(workspace, *recipes, restart, on_step, source, budget(memory), watch, only)
        next_ = f"lookbook {output.path(character)}" if workspace.trained() else f'dress {output.path(character)} --wear "green coat"'
    if made.adapters:
        output.say(f"trained {', '.join(made.adapters)} in {made.seconds:.0f} s")
    else:
        output.say(f"nothing to do: {', '.join(only) or 'every adapter'} is trained on the pictures that are here")
    output.hint(f"dressform {next_}")


def asked(
    rank: int, seed: int, steps: int | None, until: str, floor: int | None, recompute: bool, targets: str
) -> tuple[TrainConfig, TrainConfig]:
    """The recipes for the identity and the outfits, with what was asked for. Raises BadInput."""
    from dressform.train.config import TrainConfig
    from dressform.workspace import training

    if floor is not None and until == "steps":
        raise BadInput(f"--floor {floor}: counts with --until converged alone; add that, or leave it out")
    least = floor or TrainConfig.floor_steps
    who, wardrobe = (replace(c, until=until, floor_steps=least, recompute=recompute) for c in training.recipes(rank, seed, steps, targets))
    return who, wardrobe


def by_means(
    recipes: tuple[TrainConfig, TrainConfig], offload: bool, optimizer: str, min_snr: float | None
) -> tuple[TrainConfig, TrainConfig]:
    """The same recipes, computed so. Raises BadInput."""
    who, wardrobe = (replace(c, offload=offload, optimizer=optimizer, min_snr=min_snr) for c in recipes)  # type: ignore[arg-type]
    return who, wardrobe


def several(outfits: str | None) -> tuple[str, ...]:
    """The names after --outfit; () where it was not given. Raises BadInput for none."""
    names = () if outfits is None else tuple(name.strip() for name in outfits.split(","))
    if not all(names):
        raise BadInput(f"--outfit {outfits!r}: name an outfit, or several with commas, or leave it out for all")
    return names


def budget(gibibytes: float | None) -> int:
    """--memory in bytes; 0 where it was not given. Raises BadInput for what is no number."""
    if gibibytes is not None and not math.isfinite(gibibytes):
        raise BadInput(f"--memory {gibibytes}: use a number of GiB, or leave it out for what is free")
    return int((gibibytes or 0) * _GIB)


def in_one_line(outlook: Outlook) -> str:
    """What a training will do."""
    if outlook.identity is None and outlook.outfits is None:
        return "nothing to do"
    parts = [f"the identity from {outlook.pictures_of_her} pictures"] if outlook.identity else []
    if outlook.outfits:
        groups = outlook.outfits.groups
        names = [name for group in groups for name in group.names]
        parts.append(f"{_counted(names, outlook.accessories)} in {f'{len(groups)} groups' if len(groups) > 1 else 'one pass'}")
    return f"{', then '.join(parts)}; about {minutes(outlook.seconds)} and {gib(outlook.peak_bytes)} of {gib(outlook.budget_bytes)} memory"


def asides(workspace: Workspace, outlook: Outlook) -> Iterator[str]:
    """What somebody may not expect of a training: what is learned again, and what is left out."""
    from dressform.workspace import health
    from dressform.workspace.describing import can_describe

    if outlook.anew:
        yield f"learned again, for their pictures, captions, recipe or identity changed: {', '.join(outlook.anew)}"
    if gone := workspace.taken_back():
        yield f"left out, for consent was taken back: {', '.join(gone)}"
    if aside := workspace.left_aside():
        yield f"left out, for they come from what was taken back: {', '.join(f'id={p.id[:8]}' for p in aside)}"
    if outlook.identity and not can_describe(workspace):
        yield "her body has no words (description in character.toml), so garments that no adapter learned will change her more"
    yield from health.hidden(workspace)


def _counted(names: Sequence[str], accessories: Sequence[str]) -> str:
    """How many outfits, and how many accessories."""
    extra = sum(name in accessories for name in names)
    worn = len(names) - extra
    said = [f"{worn} outfit{'s' if worn > 1 else ''}"] * (worn > 0) + [f"{extra} accessor{'ies' if extra > 1 else 'y'}"] * (extra > 0)
    return " and ".join(said)


def minutes(seconds: float) -> str:
    """A length of time for a person."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def gib(count: float) -> str:
    """Bytes for a person."""
    return f"{count / _GIB:.1f} GiB"


def _said(event: StepDone) -> str:
    losses = " ".join(f"{name} {loss:.3f}" for name, loss in list(event.losses.items())[:6])
    more = f" and {len(event.losses) - 6} more" if len(event.losses) > 6 else ""
    if event.speed is None:
        return f"loss {losses}{more}"
    speed = event.speed
    rates = f"{speed.steps_a_second:.2f} steps/s, {speed.pictures_a_second:.1f} pictures/s, {gib(speed.memory_bytes)}"
    return f"{rates}, {minutes(speed.seconds_left)} left; loss {losses}{more}"
