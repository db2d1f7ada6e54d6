"""Say what is in a picture and whether it is yours. Example: dressform verify aoi/looks/aoi-dress-0.png"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.errors import BadInput, DressformError

NEEDS_ARGUMENTS = True


def command(pictures: Annotated[list[Path], typer.Argument(help="Picture files.")]) -> None:
    from dressform.workspace import finishing

    changed, unread = [], []
    for picture in pictures:
        try:
            seen = finishing.verify(picture)
        except DressformError as error:
            output.say(f"{'not read':<15} {picture}")
            unread.append(str(error))
            continue
        output.say(f"{seen.state:<15} {picture}{': ' if seen.claims else ''}{'; '.join(seen.claims)}")
        changed += [picture.name] if seen.state == "changed" else []
    if unread:
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        raise BadInput(f"{unread[0]}{more}; give the picture files themselves, PNG, JPEG or WebP")
    if changed:
        raise BadInput(f"changed since they were signed: {', '.join(changed)}")
