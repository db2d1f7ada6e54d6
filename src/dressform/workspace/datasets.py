"""What each of her adapters learns from: her pictures as the loop reads them, encoded once and kept sealed."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from heapq import nlargest
from typing import Literal

from dressform.backbones.protocol import Backbone
from dressform.backbones.text import plain
from dressform.errors import NotReady
from dressform.records import Picture
from dressform.train.cache import Cache, CachedSet, OnEncoded, Source
from dressform.workspace.describing import can_describe, describe, said_of
from dressform.workspace.workspace import Workspace

Origin = Literal["auto", "neutral", "dressed"]
"""What the identity is learned from; "auto": from all pictures of her."""


_LONGEST = 64
"""Texts that are counted in tokens, for all would take long: the longest in letters."""


@dataclass(frozen=True)
class Material:
    """Examples for the identity (none where it is not learned here) and for each outfit by name.

    ``drop_unused`` forgets encodings that none of them is made of; ``text_length`` is the length that conditionings may have which stand
    side by side in a step.
    """

    identity: CachedSet
    outfits: dict[str, CachedSet]
    drop_unused: Callable[[], int]
    text_length: int = 0


def identity_pictures(
    pictures: Sequence[Picture], origin: Origin, accessories: Collection[str] = (), learned: Collection[str] = ()
) -> list[Picture]:
    """Those that the identity is learned from. Raises NotReady where there are none.

    Never those of ``accessories``: what she wears under a hat is outside the hat's mask, and would be learned as hers. Where she
    was learned already from pictures with the ids ``learned``, all her neutral ones among them, an outfit that came later does
    not change her: it is learned on top.
    """
    of_her = [p for p in pictures if p.outfit not in accessories]
    neutral, dressed = [p for p in of_her if p.outfit is None], [p for p in of_her if p.outfit is not None]
    if origin == "neutral":
        if not neutral:
            raise NotReady("no neutral pictures yet: add some with dressform add FOLDER --neutral, or train --identity dressed")
        return neutral
    if origin == "auto" and neutral:
        before = [p for p in of_her if p.id in learned]
        return before if len(before) == len(learned) and {p.id for p in neutral} <= {*learned} else of_her
    if not dressed and neutral:
        raise NotReady("no dressed pictures yet: add some with dressform add FOLDER --outfit NAME, or train --identity neutral")
    if not dressed:
        there = "no pictures of her yet, of accessories alone" if pictures else "no pictures yet"
        raise NotReady(f"{there}: add some with dressform add FOLDER --neutral or --outfit NAME")
    return dressed


def material(
    workspace: Workspace, pictures: Sequence[Picture], of_her: Sequence[Picture], on_encoded: OnEncoded = lambda _done, _all: None
) -> Material:
    """Everything there is to learn from: the identity from ``of_her``, outfits from all their ``pictures``.

    What is not encoded yet is encoded. Raises NotReady where she cannot be described.
    """
    cache = Cache(workspace.store, workspace.backbone)
    sources: dict[str | None, list[Source]] = {None: _sources_of_her(workspace, of_her)}
    worn = {o.name: [p for p in pictures if p.outfit == o.name] for o in workspace.character.outfits}
    sources |= {name: _sources(workspace, shown) for name, shown in worn.items() if shown}
    every = sum(map(len, sources.values()))
    sets: dict[str | None, CachedSet] = {}
    for name, some in sources.items():
        before = sum(len(s.ids) for s in sets.values())
        sets[name] = cache.examples(some, lambda done, _all, before=before: on_encoded(before + done, every))
    outfits = {name: found for name, found in sets.items() if name is not None}
    texts = {text for some in sources.values() for source in some for text in source.texts}
    return Material(sets.pop(None), outfits, cache.drop_unused, _length_together(workspace.backbone, texts))


def _length_together(backbone: Backbone, texts: Collection[str]) -> int:
    """The length in which texts of up to the longest one's may be alike, whatever their own."""
    least = backbone.length(plain(""))
    most = max((backbone.length(plain(text)) for text in nlargest(_LONGEST, texts, len)), default=least) // least
    return least * math.lcm(*range(1, most + 1))


def _sources_of_her(workspace: Workspace, pictures: Sequence[Picture]) -> list[Source]:
    """Pictures as the identity sees them: called by her own word alone, and anchored in the base model's words.

    Neutral pictures alone need no words for her; without any, no garment is named either.
    """
    ordered = sorted(pictures, key=lambda p: p.outfit is not None)
    if not pictures:
        return []
    if all(p.outfit is None for p in pictures) and not can_describe(workspace):
        return _sources(workspace, pictures)
    who = describe(workspace, pictures)
    said = [said_of(workspace, who, p) for p in ordered]
    return [_source(p, workspace.caption(replace(p, outfit=None)), one.anchor, one.named) for p, one in zip(ordered, said, strict=True)]


def _sources(workspace: Workspace, pictures: Sequence[Picture]) -> list[Source]:
    return [_source(p, said, said) for p, said in ((p, workspace.caption(p)) for p in pictures)]


def _source(picture: Picture, caption: str, anchor: str, named: tuple[str, str] | None = None) -> Source:
    masked = picture.has_mask and picture.outfit is not None
    name = f"pictures/{picture.id}"
    return Source(picture.id, f"{name}.png", f"{name}.mask.png" if masked else None, caption, anchor, named)
