"""How every command opens a character: her key found, her vault verified, what is overdue shredded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dressform.cli import output

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace


@contextmanager
def opened(character: Path) -> Iterator[Workspace]:
    """The character's workspace, closed again at the end."""
    from dressform.workspace import consenting, workspace

    with workspace.opened(character, output.ask_secret) as found:
        if gone := consenting.shred(found):
            output.note(f"shredded {gone} objects whose consent was revoked")
        yield found
