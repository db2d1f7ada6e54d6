"""What each of her adapters learns from: her pictures as the loop reads them, encoded once and kept sealed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dressform.errors import NotReady
from dressform.records import Picture
from dressform.train.cache import Cache, CachedSet, OnEncoded, Source
from dressform.workspace.describing import anchor_captions
from dressform.workspace.workspace import Workspace

Origin = Literal["auto", "neutral", "dressed"]
"""What the identity is learned from; "auto" takes neutral pictures where there are any."""


@dataclass(frozen=True)
class Material:
    """Examples for the identity (``neutral``: from neutral pictures) and for each outfit by name."""

    identity: CachedSet
    neutral: bool
    outfits: dict[str, CachedSet]


def identity_pictures(pictures: Sequence[Picture], origin: Origin, accessories: Collection[str] = ()) -> list[Picture]:
    """Those that the identity is learned from. Raises NotReady where there are none.

    Never those of ``accessories``: what she wears under a hat is outside the hat's mask, and would be learned as hers.
    """
    pictures = [p for p in pictures if p.outfit not in accessories]
    neutral = [p for p in pictures if p.outfit is None]
    if origin == "neutral" or (origin == "auto" and neutral):
        if not neutral:
            raise NotReady("no neutral pictures yet: add some with dressform add FOLDER --neutral, or train --identity dressed")
        return neutral
    if not pictures or len(neutral) == len(pictures):
        raise NotReady("no pictures yet: add some with dressform add FOLDER --neutral or --outfit NAME")
    return [p for p in pictures if p.outfit is not None]


def material(
    workspace: Workspace, pictures: Sequence[Picture], origin: Origin, on_encoded: OnEncoded = lambda _done, _all: None
) -> Material:
    """Everything there is to learn from, of all ``pictures``; what is not encoded yet is encoded, and what nobody asks for is forgotten.

    Raises NotReady where pictures are missing.
    """
    cache = Cache(workspace.store, workspace.backbone)
    chosen = identity_pictures(pictures, origin, workspace.character.named("accessory"))
    neutral = all(p.outfit is None for p in chosen)
    sources = {None: _sources(workspace, chosen) if neutral else _dressed_sources(workspace, chosen)}
    worn = {o.name: [p for p in pictures if p.outfit == o.name] for o in workspace.character.outfits}
    sources |= {name: _sources(workspace, shown) for name, shown in worn.items() if shown}
    every = sum(map(len, sources.values()))
    sets: dict[str | None, CachedSet] = {}
    for name, some in sources.items():
        before = sum(len(s.ids) for s in sets.values())
        sets[name] = cache.examples(some, lambda done, _all, before=before: on_encoded(before + done, every))
    cache.drop_unused()
    return Material(sets.pop(None), neutral, {name: found for name, found in sets.items() if name is not None})


def _dressed_sources(workspace: Workspace, pictures: Sequence[Picture]) -> list[Source]:
    """Dressed pictures as the identity sees them: called by her own word alone, anchored in the base model's words."""
    bare = [workspace.caption(replace(p, outfit=None)) for p in pictures]
    anchors = anchor_captions(workspace, pictures)
    return [_source(p, *said) for p, *said in zip(pictures, bare, anchors, strict=True)]


def _sources(workspace: Workspace, pictures: Sequence[Picture]) -> list[Source]:
    return [_source(p, said, said) for p, said in ((p, workspace.caption(p)) for p in pictures)]


def _source(picture: Picture, caption: str, anchor: str) -> Source:
    masked = picture.has_mask and picture.outfit is not None
    name = f"pictures/{picture.id}"
    return Source(picture.id, f"{name}.png", f"{name}.mask.png" if masked else None, caption, anchor)
