"""Who she is, in the base model's own words: for the anchor's caption alone, never for an adapter's (METHODS 5)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dressform.backbones.embedded import EMBEDDED
from dressform.dress import garments
from dressform.errors import NotReady
from dressform.layfigure.captions import NEUTRAL, garment_tag, identity_tags, identity_words
from dressform.layfigure.doll import IDENTITY_ATTRIBUTES, Identity
from dressform.layfigure.world import random_garment
from dressform.measure import reader as reading
from dressform.measure.likeness import shown
from dressform.pictures import intake, tags
from dressform.records import Picture
from dressform.workspace.workspace import Workspace

_SAMPLE, _AT_ONCE = 32, 64


def read_pictures(workspace: Workspace, reader: reading.Reader, pictures: Sequence[Picture]) -> list[reading.Reading]:
    """What the reader sees in these pictures of the store; figures of a sheet at any size, for they were set on paper at one."""
    return [one for i in range(0, len(pictures), _AT_ONCE) for one in _read(workspace, reader, pictures[i : i + _AT_ONCE])]


def _read(workspace: Workspace, reader: reading.Reader, pictures: Sequence[Picture]) -> list[reading.Reading]:
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
    """Her body in tags: as her owner wrote it (``new --describe``), and on the embedded world what she left out as the reader sees it.

    Raises NotReady where neither is there.
    """
    written = workspace.character.description
    if workspace.character.base_model == EMBEDDED:
        return body(who(written, read_pictures(workspace, reading.load(), sample(pictures))), written)
    if not written:
        raise NotReady(
            "dressed pictures only: say what she is under the clothes, in the base model's words "
            "(skin, hair, ears, build), with description in character.toml or dressform new --describe"
        )
    return written


def sample(pictures: Sequence[Picture]) -> list[Picture]:
    """Those that are read to know who or what all of them show: a few dozen, however many there are.

    None that a model drew where others were given, for no drift is to be taken for her; neutral ones first, which hide nothing.
    Which ones depends on their names alone: a picture more changes at most one of them.
    """
    given = [p for p in pictures if not p.generation] or pictures
    return sorted(given, key=lambda p: (p.outfit is not None, p.id))[:_SAMPLE]


def who(written: str, seen: Sequence[reading.Reading]) -> dict[str, str]:
    """Each attribute of a lay figure: as her owner wrote it, or as the reader sees it where it shows.

    How tall she is cannot be seen on a figure that was cut out of a sheet.
    """
    return {**shown(seen, IDENTITY_ATTRIBUTES), **identity_words(tags.tags(written))}


def body(attributes: Mapping[str, str], written: str) -> str:
    """All that a lay figure is, in tags, and then whatever else her owner wrote of her."""
    return tags.joined([*identity_tags(Identity(**attributes)), *(t for t in tags.tags(written) if not identity_words([t]))])


def can_describe(workspace: Workspace) -> bool:
    """True where ``describe`` has words."""
    return bool(workspace.character.description) or workspace.character.base_model == EMBEDDED


@dataclass(frozen=True)
class Said:
    """What is said of one picture of her: ``anchor`` is her neutral layer in words, in the picture's view, pose and background.

    ``named`` are a caption and its anchor with a garment of the base model's own that the picture does not show.
    """

    anchor: str
    named: tuple[str, str]


def said_of(workspace: Workspace, who: str, picture: Picture) -> Said:
    """Of a picture of whom ``who`` describes; the garment is the same for the same picture."""
    seen = [t for t in tags.tags(picture.caption) if tags.folded(t) != NEUTRAL]
    around = [t for t in seen if tags.kind(t) != "garment"]
    rng = random.Random(f"garment/{picture.id}")
    garment = garment_tag(random_garment(rng)) if workspace.character.base_model == EMBEDDED else garments.some(rng)
    bare = replace(picture, outfit=None, caption=tags.joined([garment, *around]))
    return Said(tags.joined([who, NEUTRAL, *seen]), (workspace.caption(bare), tags.joined([who, garment, *around])))
