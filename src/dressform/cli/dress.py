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
    wear: Annotated[str, typer.Option(help='A garment of the base model\'s own, beside any outfits, such as "green coat".')] = "",
    count: Annotated[int, typer.Option("-n", help="Pictures of each outfit.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the first picture; a picture takes the place of one of the same outfit and seed.")] = 0,
    steps: Annotated[int, typer.Option(help="Sampling steps.")] = 20,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the prompt; the base model's usual if not given.")] = None,
    scale: Annotated[float, typer.Option(help="Strength of the outfit; 1 is as trained.")] = 1.0,
    with_: Annotated[str, typer.Option("--with", help="Accessories to wear with it, each at its own strength: hat,glasses:0.8.")] = "",
    infotext: Annotated[
        bool, typer.Option("--infotext", help="Write into each picture how it was made, as A1111 reads it (needs consent to publish).")
    ] = False,
) -> None:
    from dressform.dress import composition
    from dressform.dress.sampler import SampleConfig
    from dressform.workspace import dressing, keeping

    outfits = output.names(outfit)
    asked = dressing.Asked(outfits, prompt, count, seed, scale, wear, infotext, composition.said(with_))
    with opened(character) as workspace, output.bar("drawing") as bar:
        looks = dressing.dress(workspace, asked, SampleConfig(steps, guidance), bar)
        if dressing.ignores_weights(workspace, prompt):
            output.note("this base model weighs no words: the prompt was drawn without its brackets and numbers")
        for line in keeping.on_an_earlier_identity(workspace, (*outfits, *asked.accessories.names)):
            output.note(line)
        output.not_taught(dressing.unknown_words(workspace, f"{wear}, {prompt}"))
        if cut := dressing.unread(workspace, looks):
            output.note(f"the prompt is longer than this base model reads: its last {cut} tokens were not drawn")
    for look in looks:
        output.say(look.path)
        if look.replaced:
            output.note(f"{Path(look.path).name} took the place of the one that was there; another --seed has a name of its own")
