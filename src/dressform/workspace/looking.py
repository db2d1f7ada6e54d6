"""Her pictures and captions as the lint sees them, and the report that ``train`` shows before its first step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from dressform.backbones.embedded import EMBEDDED
from dressform.backbones.folder import digest_of
from dressform.backbones.text import plain
from dressform.consent.refusals import refuse_young
from dressform.errors import NotReady
from dressform.layfigure.captions import NEUTRAL, garment_tag, scene_tags
from dressform.layfigure.doll import Garment, Scene
from dressform.measure import reader as reading
from dressform.pictures import duplicates, intake, tags
from dressform.pictures import tagger as taggers
from dressform.pictures.lint import Finding, Seen, Words, lint
from dressform.records import Picture
from dressform.workspace import captioning
from dressform.workspace.describing import read_pictures
from dressform.workspace.room import UNNAMED, view_of
from dressform.workspace.workspace import Workspace, asset_of, by_outfit

OnPicture = Callable[[int, int], None]
"""Called as pictures are read: how many, of how many."""
_SURELY_READ = 60
"""Bytes: no token is shorter, and no base model reads fewer."""
_KEPT, _AT_ONCE = "lint/looked-at.json", 64
_Shown = tuple[tuple[str, ...], str]
_NOTHING: _Shown = ((), "")
_OF_GARMENTS = ("garment-always-named", "another-outfit")
"""Findings that an accessory does not have: what she wears beside it may be anything, and is to be named."""


def findings(workspace: Workspace, on_picture: OnPicture = lambda _done, _all: None) -> list[Finding]:
    """What her captions and pictures would teach that they should not, as far as they may be captioned. Raises Refused where none may.

    What a picture shows is kept sealed: a look at a set that grew reads the new pictures alone.
    """
    every, agreed = workspace.pictures(every=True), workspace.permitted()["caption"]
    pictures = [p for p in every if asset_of(p.outfit) in agreed]
    if every and not pictures:
        workspace.gate.need("caption", *sorted({asset_of(p.outfit) for p in every}))
    words = Words(workspace.character.trigger, tuple((o.name, o.trigger) for o in workspace.character.outfits))
    near, shown = _looked_at(workspace, pictures, on_picture)
    seen = [Seen(p.id, p.source, p.outfit, p.caption, p.has_mask, *shown.get(p.id, _NOTHING), _unread(workspace, p)) for p in pictures]
    found = lint(seen, words, near)
    accessories = workspace.character.named("accessory")
    return [f for f in found if f.about not in accessories or f.code not in _OF_GARMENTS]


def _looked_at(workspace: Workspace, pictures: Sequence[Picture], on_picture: OnPicture) -> tuple[list[tuple[str, ...]], dict[str, _Shown]]:
    """Near-duplicates, and by id what a reader sees and what it sees to be worn: of those alone that were not looked at before."""
    kept = json.loads(workspace.store.read(_KEPT)) if _KEPT in workspace.store else {}
    near_before, shown_before = kept.get("near", {}), kept.get("shown", {})
    near, shown, keys = {}, {}, {}
    for own in by_outfit(pictures).values():
        key = _key(duplicates.NEAR, sorted(p.id for p in own))
        near[key] = near_before[key] if key in near_before else near_duplicates(workspace, own)
    if workspace.character.base_model == EMBEDDED:
        by = digest_of(sorted(reading.shipped_folder().iterdir()))
        keys = {p.id: _key(by, p.id, p.figure) for p in pictures}
        shown = {key: shown_before[key] for key in keys.values() if key in shown_before}
        if new := [p for p in pictures if keys[p.id] not in shown]:
            shown |= {keys[i]: one for i, one in _shown(workspace, new, on_picture).items()}
    if (found := {"near": near, "shown": shown}) != kept:
        workspace.store.write(_KEPT, json.dumps(found).encode())
    return [tuple(group) for groups in near.values() for group in groups], {i: (tuple(shown[k][0]), shown[k][1]) for i, k in keys.items()}


def _unread(workspace: Workspace, picture: Picture) -> int:
    """Tokens of its caption, after the trigger words, that the base model does not read."""
    said = workspace.caption(picture)
    return workspace.backbone.unread(plain(said)) if len(said.encode()) > _SURELY_READ else 0


def _key(*of: object) -> str:
    return sha256(json.dumps(of).encode()).hexdigest()


def refuse_serious(found: Sequence[Finding]) -> None:
    """Raises NotReady, in one line, where a finding is serious."""
    serious = [f for f in found if f.severity == "serious"]
    if serious:
        first, more = serious[0], f" (and {len(serious) - 1} more)" if len(serious) > 1 else ""
        anyway = "" if any(f.code == "no-mask" for f in serious) else ", or train --despite-lint"  # without masks nothing can be trained
        raise NotReady(f"{first.about}: {first.text}{more}; {first.fix}{anyway}")


def refuse_unmasked(pictures: Sequence[Picture]) -> None:
    """Raises NotReady where a picture of an outfit has no garment mask, with the command that makes one."""
    bare = [p for p in pictures if p.outfit is not None and not p.has_mask]
    if bare:
        raise NotReady(f"{len(bare)} pictures of {bare[0].outfit} have no garment mask: dressform mask NAME --outfit {bare[0].outfit}")


def near_duplicates(workspace: Workspace, pictures: Sequence[Picture]) -> list[tuple[str, ...]]:
    """Groups of two or more ids within one outfit (or the neutral pictures) that show the same, the sharpest first."""
    found = []
    for own in by_outfit(pictures).values():
        prints = [duplicates.fingerprint(_pixels(workspace, p)) for p in own]
        for group in duplicates.groups(prints):
            if len(group) > 1:
                best = group[duplicates.sharpest([_pixels(workspace, own[i]) for i in group])]
                found.append(tuple(own[i].id for i in (best, *(i for i in group if i != best))))
    return found


def read(workspace: Workspace, every: bool, tagger: Path | None = None) -> list[captioning.Change]:
    """Write captions as the reader, or a tagger's ONNX file, sees the pictures: where there is none, or, with ``every``, for all.

    View, pose and background; and for neutral pictures what the neutral layer is. Raises NotReady without a tagger on other base
    models than the embedded one, and Refused for a picture that a tagger finds someone under age in.
    """
    if tagger is None and workspace.character.base_model != EMBEDDED:
        raise NotReady("the reader reads the embedded lay-figure world alone; give a tagger with --tagger model.onnx, or caption edit")
    pictures = [p for p in workspace.pictures(every=True) if every or not tags.tags(p.caption)]
    workspace.gate.need("caption", *sorted({asset_of(p.outfit) for p in pictures}))
    wordless = (None, *workspace.character.named("accessory"))
    own = {p.id: p.outfit not in wordless for p in pictures}
    if tagger is not None:
        look = taggers.load(tagger)
        return captioning.write(workspace, {p: _tagged(p, look(_pixels(workspace, p)), own[p.id]) for p in pictures}, "read")
    found = read_pictures(workspace, reading.load(), pictures)
    return captioning.write(workspace, {p: _caption(p, r, own[p.id]) for p, r in zip(pictures, found, strict=True)}, "read")


def _tagged(picture: Picture, found: Sequence[str], has_word: bool) -> str:
    """Of a tagger's tags those that a caption names; a garment only where no outfit's word means it (``has_word``). Raises Refused."""
    refuse_young(", ".join(found))
    named = ("view", "pose", "background", *([] if has_word else ["garment"]))
    return tags.joined([t for t in found if tags.kind(t) in named])


def _caption(picture: Picture, seen: reading.Reading, has_word: bool) -> str:
    """What is read; but a view that the caption names already, as the figures of a sheet do, is known better than read.

    What she wears is said where no outfit's word means it.
    """
    named, scene = view_of(picture.caption), _scene(seen)
    scene = scene if named == UNNAMED else replace(scene, view=named)
    worn = NEUTRAL if picture.outfit is None else shown_tags(seen)[0]
    return tags.joined([*([] if has_word else [worn]), *scene_tags(scene)])


def _scene(seen: reading.Reading) -> Scene:
    return Scene(seen.words["view"], seen.words["pose"], seen.words["background"])


def _shown(workspace: Workspace, pictures: Sequence[Picture], on_picture: OnPicture) -> dict[str, tuple[list[str], str]]:
    reader, found = reading.load(), {}
    for i in range(0, len(pictures), _AT_ONCE):
        some = pictures[i : i + _AT_ONCE]
        read = read_pictures(workspace, reader, some)
        found |= {p.id: (list(shown_tags(r)), r.words["kind"]) for p, r in zip(some, read, strict=True)}
        on_picture(i + len(some), len(pictures))
    return found


def shown_tags(seen: reading.Reading) -> tuple[str, ...]:
    """What a picture shows to be worn, and how she is seen, as tags."""
    words = seen.words
    worn = None if words["kind"] == "neutral" else Garment(words["kind"], words["colour"], words["second"], words["pattern"])
    return (garment_tag(worn), *scene_tags(_scene(seen)))


def _pixels(workspace: Workspace, picture: Picture) -> np.ndarray:
    return intake.from_png(workspace.store.read(f"pictures/{picture.id}.png"))
