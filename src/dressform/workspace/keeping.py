"""Trained adapters in the store: each with the mark of what it was trained on, so that the same is not trained twice."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dressform.adapters import files, header, metadata
from dressform.adapters.stack import Adapter
from dressform.consent.gate import Grant
from dressform.consent.scopes import Scope
from dressform.errors import Failed
from dressform.train.checkpoint import Mark
from dressform.workspace.checkpoints import Checkpoints
from dressform.workspace.workspace import Workspace


def is_done(workspace: Workspace, outfit: str | None, mark: Mark) -> bool:
    """True where this adapter (None: the identity) was trained on just this, or was made elsewhere."""
    name = workspace.adapter_name(outfit)
    return workspace.imported(outfit) or (is_trained(workspace, outfit) and workspace.store.read(f"{name}.mark") == mark.digest.encode())


def is_trained(workspace: Workspace, outfit: str | None) -> bool:
    """True where there is an adapter that counts as trained, or made elsewhere."""
    name = workspace.adapter_name(outfit)
    return name in workspace.store and f"{name}.mark" in workspace.store


def begin_again(workspace: Workspace, outfits: Collection[str | None]) -> None:
    """Let none of these count as trained (None: the identity). The adapters stay until others are kept."""
    marks = [f"{workspace.adapter_name(name)}.mark" for name in outfits]
    workspace.store.delete_all([mark for mark in marks if mark in workspace.store])


@dataclass(frozen=True)
class Made:
    """A trained adapter (None: the identity), by which consent, and on what; ``inputs`` are the hashes it comes from, for the ledger."""

    outfit: str | None
    grant: Grant[Scope]
    adapter: Adapter
    mark: Mark
    inputs: Sequence[str]


def keep(workspace: Workspace, *made: Made) -> None:
    """Keep what was trained together in the place of its checkpoints, all at once: one that is killed here finds all to do, or nothing.

    Raises Refused where consent was taken back, and Failed where values are no numbers.
    """
    parts: dict[str, bytes] = {}
    for one in made:
        workspace.stands(one.grant, one.inputs)
        if not one.adapter.values.isfinite().all():
            raise Failed(f"{one.adapter.info.name}: its values are no numbers, so it is not kept: train --restart with another --seed")
        name = workspace.adapter_name(one.outfit)
        parts |= {name: files.to_bytes(one.adapter), f"{name}.mark": one.mark.digest.encode()}
    for one in made:  # first, so that no adapter is without its line
        workspace.record(one.grant, one.inputs, [hashlib.sha256(parts[workspace.adapter_name(one.outfit)]).hexdigest()])
    workspace.store.write_all(parts, Checkpoints(workspace.store, [one.outfit for one in made]).names())


def on_an_earlier_identity(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """A line for those outfits and accessories, if any, that were learned on another identity than the one that is kept."""
    now = workspace.adapter_sha256(None)
    read = {name: metadata.read(header.read(workspace.store.read(workspace.adapter_name(name))).metadata) for name in names}
    earlier = [name for name, info in read.items() if info.identity_sha256 not in ("", now)]
    said = f"{', '.join(earlier)}: learned on an earlier identity than hers now, so what is drawn may be off: run dressform train"
    return [said] if earlier else []
