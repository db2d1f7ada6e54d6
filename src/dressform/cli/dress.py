"""Draw her in an outfit. Example: dressform dress aoi "side view, waving, park background" --outfit dress"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened

NEEDS_ARGUMENTS = True


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    prompt: Annotated[str, typer.Argument(help="What else the picture should show.")] = "front view, standing, white background",
    outfit: Annotated[str, typer.Option(help="One outfit, or several with commas.")] = "",
    wear: Annotated[str, typer.Option(help='A garment of the base model\'s own in place of an outfit, such as "green coat".')] = "",
    count: Annotated[int, typer.Option("-n", help="Pictures of each outfit.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the first picture.")] = 0,
    steps: Annotated[int, typer.Option(help="Sampling steps.")] = 20,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the prompt; the base model's usual if not given.")] = None,
    scale: Annotated[float, typer.Option(help="Strength of the outfit; 1 is as trained.")] = 1.0,
) -> None:
    from dressform.dress.sampler import SampleConfig
    from dressform.workspace import dressing

    outfits = [name for name in outfit.split(",") if name]
    with opened(character) as workspace, output.bar("drawing") as bar:
        looks = dressing.dress(workspace, outfits, prompt, count, seed, SampleConfig(steps, guidance), scale, bar, wear)
    for look in looks:
        output.say(look.path)
