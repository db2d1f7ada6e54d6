"""Trained adapters in the store: each with the mark of what it was trained on, so that the same is not trained twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from dressform.adapters import files, header, metadata
from dressform.adapters.stack import Adapter
from dressform.consent.gate import Grant
from dressform.consent.scopes import Scope
from dressform.errors import Failed
from dressform.train.checkpoint import Mark
from dressform.workspace.checkpoints import FOLDER, place_of
from dressform.workspace.workspace import Workspace


def is_done(workspace: Workspace, outfit: str | None, mark: Mark) -> bool:
    """True where this adapter (None: the identity) was trained on just this, or was made elsewhere."""
    name = workspace.adapter_name(outfit)
    return workspace.imported(outfit) or (is_trained(workspace, outfit) and workspace.store.read(f"{name}.mark") == mark.digest.encode())


def is_trained(workspace: Workspace, outfit: str | None) -> bool:
    """True where there is an adapter that counts as trained, or made elsewhere."""
    name = workspace.adapter_name(outfit)
    return name in workspace.store and f"{name}.mark" in workspace.store


def begin_again(workspace: Workspace, outfits: Sequence[str | None]) -> None:
    """Let none of these count as trained (None: the identity, and then whatever was begun stands on another), and forget what was begun.

    The adapters stay until others are kept.
    """
    marks = [f"{workspace.adapter_name(name)}.mark" for name in outfits]
    places = [FOLDER] if None in outfits else [place_of(name) for name in outfits]
    begun = [name for place in places for name in workspace.store.list(place)]
    workspace.store.delete_all([*begun, *(m for m in marks if m in workspace.store)])


def keep(workspace: Workspace, grant: Grant[Scope], outfit: str | None, adapter: Adapter, mark: Mark, inputs: Sequence[str]) -> None:
    """Keep a trained adapter; ``inputs`` are the hashes it comes from, for the ledger.

    Raises Refused where consent was taken back, and Failed where its values are no numbers.
    """
    workspace.gate.holds(grant)
    if not adapter.values.isfinite().all():
        raise Failed(f"{adapter.info.name}: its values are no numbers, so it is not kept: train --restart with another --seed")
    name, data = workspace.adapter_name(outfit), files.to_bytes(adapter)
    workspace.record(grant, inputs, [hashlib.sha256(data).hexdigest()])  # first, so that no adapter is without its line
    workspace.store.write_all({name: data, f"{name}.mark": mark.digest.encode()})


def on_an_earlier_identity(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """A line for those outfits and accessories, if any, that were learned on another identity than the one that is kept."""
    now = workspace.adapter_sha256(None)
    read = {name: metadata.read(header.read(workspace.store.read(workspace.adapter_name(name))).metadata) for name in names}
    earlier = [name for name, info in read.items() if info.identity_sha256 not in ("", now)]
    said = f"{', '.join(earlier)}: learned on an earlier identity than hers now, so what is drawn may be off: run dressform train"
    return [said] if earlier else []
