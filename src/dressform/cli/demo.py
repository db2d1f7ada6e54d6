"""The whole journey with the sample character, in minutes. Example: dressform demo"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from dressform.cli import add, lookbook, measure, new, output, train
from dressform.errors import BadInput

NEEDS_ARGUMENTS = False


def command(
    folder: Annotated[Path, typer.Option(help="Where to make the character's folder.")] = Path("demo/aoi"),
    samples: Annotated[
        Path | None, typer.Option(help="Other pictures: a folder with neutral and one for each outfit (default: a doll, drawn now).")
    ] = None,
) -> None:
    if samples and not (samples / "neutral").is_dir():
        raise BadInput(f"{samples}: a folder with one called neutral in it, and one for each outfit, was expected; or leave --samples out")
    if folder.exists():
        raise BadInput(f"{folder}: there already; give another --folder, or remove it first")
    began = time.monotonic()
    with _pictures(samples) as given:
        new.command(name="aoi", age=24, folder=folder, yes=True)
        add.command(folder, [given / "neutral"], neutral=True)
        for outfit in sorted(p for p in given.iterdir() if p.is_dir() and p.name != "neutral"):
            add.command(folder, [outfit], outfit=outfit.name)
    train.command(folder)
    lookbook.command(folder)
    measure.command(folder)
    output.note(f"the whole journey took {time.monotonic() - began:.0f} s")
    output.hint(f"open {folder / 'looks' / 'lookbook.html'}")


@contextmanager
def _pictures(samples: Path | None) -> Iterator[Path]:
    """These, or the sample character's, drawn for as long as they are needed: the same as in ``examples/aoi``."""
    if samples:
        yield samples
        return
    from dressform.layfigure.samples import draw_aoi

    with TemporaryDirectory() as place:
        draw_aoi(Path(place))
        yield Path(place)
