"""Say what is in a picture and whether it is yours. Example: dressform verify aoi/looks/aoi-dress-0.png"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.errors import BadInput

NEEDS_ARGUMENTS = True


def command(pictures: Annotated[list[Path], typer.Argument(help="Picture files.")]) -> None:
    from dressform.workspace import finishing

    changed = []
    for picture in pictures:
        seen = finishing.verify(picture)
        output.say(f"{seen.state:<15} {picture}{': ' if seen.claims else ''}{'; '.join(seen.claims)}")
        changed += [picture.name] if seen.state == "changed" else []
    if changed:
        raise BadInput(f"changed since they were signed: {', '.join(changed)}")
