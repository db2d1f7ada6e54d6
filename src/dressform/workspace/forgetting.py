"""Pictures that are to be hers no more: out of the store with all that was made of them to work with, and the ledger says so.

What was learned from them stays until ``train`` learns it anew.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from dressform.consent import lineage
from dressform.errors import Full
from dressform.records import Picture
from dressform.train import cache
from dressform.workspace import captioning, character_file
from dressform.workspace.checkpoints import Checkpoints
from dressform.workspace.ledger_head import keep_head
from dressform.workspace.workspace import Workspace, asset_of


def remove(workspace: Workspace, pictures: Sequence[Picture]) -> None:
    """Forget these pictures. Nobody has to agree to it: what is not kept any more harms nobody.

    The ledger's line comes first, and the rows last, so that one who is interrupted can ask for the same again. Raises Tampered.
    """
    workspace.gate.state()
    workspace.gate.ledger.refuse_other_key(workspace.signing_key)
    counted = Counter(asset_of(p.outfit) for p in pictures)
    said = ", ".join(f"{count} of {asset}" for asset, count in sorted(counted.items()))
    ids = {p.id for p in pictures}
    attest_where_it_fits(workspace, f"{lineage.REMOVED}: {said}", sorted(ids))
    forget(workspace, ids)
    for outfit in {p.outfit for p in pictures}:
        forget_empty(workspace, outfit)


def forget(workspace: Workspace, ids: Collection[str]) -> None:
    """Take pictures, masks, originals, captions, and what was seen and encoded of them, out of the store."""
    shown = [n for n in workspace.store.list("previews/") if n.startswith("previews/masks-")]
    with character_file.held(workspace.root, captioning.ROWS):
        captioning.forget(workspace, ids)
        cache.forget(workspace.store, ids)
        workspace.store.delete_all([*shown, *workspace.store.list("lint/"), *files_of(workspace, ids)])


def files_of(workspace: Workspace, ids: Collection[str]) -> list[str]:
    """Everything in the store that is of these pictures: row, pixels, mask and original."""
    return [name for name in workspace.store.list("pictures/") if name.split("/")[1].split(".")[0] in ids]


def attest(workspace: Workspace, statement: str, evidence: Sequence[str], at: datetime | None = None) -> None:
    """Write into the ledger what was forgotten. Raises Full."""
    workspace.gate.ledger.append_forgetting(workspace.signing_key, at or datetime.now(UTC), statement=statement, evidence=list(evidence))
    keep_head(workspace.store, workspace.gate.ledger)


def attest_where_it_fits(workspace: Workspace, statement: str, evidence: Sequence[str], at: datetime | None = None) -> None:
    """The same; in a ledger that is full without naming each, or not at all: it holds up no forgetting."""
    for named in (evidence, ()):
        with contextlib.suppress(Full):
            return attest(workspace, statement, named, at)


def forget_empty(workspace: Workspace, outfit: str | None) -> None:
    """An outfit without pictures is not gone on with, and without an adapter not known any more; those that a revocation hides count."""
    her = workspace.character
    if not outfit or has_pictures(workspace, outfit):
        return
    workspace.store.delete_all(Checkpoints(workspace.store, [outfit]).names())
    if her.outfit(outfit) and workspace.adapter_name(outfit) not in workspace.store:
        workspace.character = character_file.update(
            workspace.root, lambda now: replace(now, outfits=tuple(o for o in now.outfits if o.name != outfit))
        )


def has_pictures(workspace: Workspace, outfit: str) -> bool:
    """True where there are pictures of it, hidden or not."""
    rows = (json.loads(workspace.store.read(name)) for name in workspace.store.list("pictures/") if name.endswith(".json"))
    return any(row["outfit"] == outfit for row in rows)
