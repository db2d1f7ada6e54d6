"""What ``train`` shows before its first step: the findings of the lint, and a stop where one is serious."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dressform.cli import output

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace


def passed(workspace: Workspace, despite_lint: bool, only: Sequence[str] = ()) -> None:
    """Show what the lint finds. Raises NotReady where something is serious, unless the person wants to train all the same.

    Where ``only`` some outfits are to be trained, on her identity as it is, what is found of anything else stops nothing.
    """
    from dressform.workspace import looking
    from dressform.workspace.planning import keeps_her

    if not workspace.permitted()["caption"]:
        output.note("the lint did not look: caption is not agreed to")
        return
    with output.bar("looking") as bar:
        found = looking.findings(workspace, bar)
    for line in output.findings(found):
        output.note(line)
    if not despite_lint:
        alone = bool(only) and keeps_her(workspace, only)
        looking.refuse_serious([f for f in found if not alone or f.about in only])
