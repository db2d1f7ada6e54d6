"""Who she is, in the base model's own words: for the anchor's caption alone, never for an adapter's (METHODS 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import torch

from dressform.backbones.embedded import EMBEDDED
from dressform.errors import NotReady
from dressform.layfigure.captions import NEUTRAL, identity_tags
from dressform.layfigure.doll import Identity
from dressform.measure import reader as reading
from dressform.pictures import intake
from dressform.records import Picture
from dressform.workspace.workspace import Workspace


def read_pictures(workspace: Workspace, reader: reading.Reader, pictures: Sequence[Picture]) -> list[reading.Reading]:
    """What the reader sees in these pictures of the store; figures of a sheet at any size, for they were set on paper at one."""
    side = workspace.backbone.size_px
    pixels = [intake.fitted(intake.from_png(workspace.store.read(f"pictures/{p.id}.png")), side) for p in pictures]
    found: dict[str, reading.Reading] = {}
    for cut in (False, True):
        some = [(p, shown) for p, shown in zip(pictures, pixels, strict=True) if bool(p.figure) == cut]
        if some:
            stacked = torch.from_numpy(np.stack([shown for _, shown in some])).permute(0, 3, 1, 2)
            read = reader.read(stacked, reading.ANY_SIZE) if cut else reader.read(stacked)
            found |= {p.id: one for (p, _), one in zip(some, read, strict=True)}
    return [found[p.id] for p in pictures]


def describe(workspace: Workspace, pictures: Sequence[Picture]) -> str:
    """Her body in tags: as her owner wrote it (``new --describe``), or on the embedded world as the reader sees it.

    Raises NotReady where neither is there.
    """
    if workspace.character.description:
        return workspace.character.description
    if not can_describe(workspace):
        raise NotReady(
            "dressed pictures only: say what she is under the clothes, in the base model's words "
            "(skin, hair, ears, build), with description in character.toml or dressform new --describe"
        )
    seen = reading.usual(read_pictures(workspace, reading.load(), pictures), [f.name for f in fields(Identity)])
    return ", ".join(identity_tags(Identity(**seen)))


def can_describe(workspace: Workspace) -> bool:
    """True where ``describe`` has words."""
    return bool(workspace.character.description) or workspace.character.base_model == EMBEDDED


def anchor_captions(workspace: Workspace, pictures: Sequence[Picture], of_her: Sequence[Picture]) -> list[str]:
    """Her neutral layer in words, in each picture's own view, pose and background; who she is, as ``of_her`` show it."""
    who = describe(workspace, of_her)
    return [", ".join(part for part in (who, NEUTRAL, picture.caption) if part) for picture in pictures]
