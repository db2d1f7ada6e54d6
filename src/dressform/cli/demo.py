"""The whole journey with the sample character, in minutes. Example: dressform demo"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import add, lookbook, measure, new, output, train
from dressform.errors import BadInput

NEEDS_ARGUMENTS = False


def command(
    folder: Annotated[Path, typer.Option(help="Where to make the character's folder.")] = Path("demo/aoi"),
    samples: Annotated[Path, typer.Option(help="The sample pictures.")] = Path("examples/aoi"),
) -> None:
    if not samples.is_dir():
        raise BadInput(f"{samples}: no such folder; run the demo from a checkout, or give --samples")
    if folder.exists():
        raise BadInput(f"{folder}: there already; give another --folder, or remove it first")
    began = time.monotonic()
    new.command(name="aoi", age=24, folder=folder, yes=True)
    add.command(folder, [samples / "neutral"], neutral=True)
    for outfit in sorted(p for p in samples.iterdir() if p.is_dir() and p.name != "neutral"):
        add.command(folder, [outfit], outfit=outfit.name)
    train.command(folder)
    lookbook.command(folder)
    measure.command(folder)
    output.note(f"the whole journey took {time.monotonic() - began:.0f} s")
    output.hint(f"open {folder / 'looks' / 'lookbook.html'}")
