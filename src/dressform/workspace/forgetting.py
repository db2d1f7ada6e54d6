"""Pictures that are to be hers no more: out of the store with all that was made of them to work with, the ledger says so.

What was learned from them stays until ``train`` learns it anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from dressform.records import Picture
from dressform.workspace import captioning, character_file
from dressform.workspace.workspace import Workspace, asset_of, keep_head

_ENCODED = "cache/pictures/"


def remove(workspace: Workspace, pictures: Sequence[Picture]) -> None:
    """Forget these pictures. Nobody has to agree to it: what is not kept any more harms nobody."""
    counted = Counter(asset_of(p.outfit) for p in pictures)
    said = ", ".join(f"{count} of {asset}" for asset, count in sorted(counted.items()))
    ids = {p.id for p in pictures}
    forget(workspace, ids, f"removed pictures: {said}", sorted(ids))
    for outfit in {p.outfit for p in pictures}:
        forget_empty(workspace, outfit)


def forget(workspace: Workspace, ids: Collection[str], statement: str, evidence: Sequence[str]) -> int:
    """Take pictures, masks, captions and encodings out of the store, then say so in the ledger; how many pictures there were.

    Encodings are named by the base model too, which may not be at hand: all of them go, and are made again when ``train`` needs them.
    """
    named = [n for n in workspace.store.list("pictures/") if n.split("/")[1].split(".")[0] in ids]
    sheets = [n for n in workspace.store.list("previews/") if n.startswith("previews/masks-")]
    workspace.store.delete_all([*named, *sheets, *workspace.store.list(_ENCODED)])
    captioning.forget(workspace, ids)
    workspace.gate.ledger.append(workspace.signing_key, "attest", datetime.now(UTC), statement=statement, evidence=list(evidence))
    keep_head(workspace.store, workspace.gate.ledger)
    return sum(n.endswith(".json") for n in named)


def forget_empty(workspace: Workspace, outfit: str | None) -> None:
    """An outfit that has neither pictures nor an adapter any more is not known any more."""
    her = workspace.character
    if outfit and her.outfit(outfit) and not workspace.pictures(outfit) and workspace.adapter_name(outfit) not in workspace.store:
        workspace.character = character_file.update(
            workspace.root, lambda now: replace(now, outfits=tuple(o for o in now.outfits if o.name != outfit))
        )
