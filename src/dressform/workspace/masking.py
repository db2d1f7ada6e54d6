"""Garment masks for the pictures of an outfit that have none: read, looked for with the base model's own words, or by difference.

A mask is sealed as those are that were given, and a contact sheet of what was found is kept in the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch

from dressform.backbones import attention_maps
from dressform.backbones.attention_maps import Looks
from dressform.backbones.embedded import EMBEDDED
from dressform.backbones.protocol import Backbone
from dressform.errors import BadInput, NotReady
from dressform.layfigure.canvas import GARMENT_LABELS
from dressform.measure import reader as reading
from dressform.pictures import foreground, intake, masks, tags
from dressform.records import Picture
from dressform.workspace.captioning import ROWS
from dressform.workspace.character_file import held
from dressform.workspace.room import MOST_SHOWN
from dressform.workspace.workspace import Workspace, asset_of

By = Literal["auto", "reader", "words", "neutral"]
_BODY = ("skin", "hair", "face")
"""Asked for beside the garment where her description is not written, so that her body has words to be found by."""
_KIND = 0.35
_SHEET_PX, _COLUMNS = 128, 8
OnPicture = Callable[[int, int], None]


@dataclass(frozen=True)
class Masked:
    """What was done: pictures that got a mask, by which way, and those left without one with the reason."""

    by: str
    done: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    preview: str


def way_of(word: str) -> By:
    """The word as a way to find a garment. Raises BadInput."""
    if word not in get_args(By):
        raise BadInput(f"way {word!r}: use {', '.join(get_args(By))}")
    return word  # type: ignore[return-value]


def mask(
    workspace: Workspace,
    outfit: str,
    by: By = "auto",
    words: Sequence[str] = (),
    again: bool = False,
    on_picture: OnPicture = lambda _done, _all: None,
) -> Masked:
    """Give the pictures of an outfit or accessory masks: those without one, or, with ``again``, all.

    "auto" is the reader on the embedded world (for an accessory, which it does not know, the difference with neutral pictures),
    and the base model's words elsewhere. ``words`` name the garment for them (the
    outfit's name where none are given). Raises UnknownName, NotReady, or Refused without consent.
    """
    accessory = workspace.outfit(outfit).kind == "accessory"
    wanted = [p for p in workspace.pictures(outfit) if again or not p.has_mask]
    embedded = workspace.character.base_model == EMBEDDED
    if by == "auto":
        by = "words" if not embedded else "neutral" if accessory else "reader"
    grant = workspace.gate.need("caption", asset_of(outfit), *([asset_of(None)] if by == "neutral" else []))
    if by == "reader" and accessory:
        raise NotReady(f"the reader knows no accessories: use --by neutral, or add {outfit} with masks/NAME.png")
    if by == "reader" and not embedded:
        raise NotReady("the reader reads pictures of the embedded lay-figure world alone; use --by words or --by neutral")
    if not wanted:
        return Masked(by, (), (), "")
    find = _FINDERS[by](workspace, tuple(words) or (outfit,))
    done: list[Picture] = []
    left: list[tuple[str, str]] = []
    try:
        for i, picture in enumerate(wanted):
            try:
                found = _checked(find(picture))
                workspace.gate.holds(grant)
                _keep(workspace, picture.id, found)
            except BadInput as error:
                left.append((picture.source, str(error)))
            else:
                done.append(picture)
            on_picture(i + 1, len(wanted))
    finally:  # what is kept is recorded, also where the rest was interrupted
        if done:
            workspace.record_what_is_done(grant, [p.id for p in done], ())
    preview = _preview(workspace, outfit, done[:MOST_SHOWN]) if done else ""
    return Masked(by, tuple(p.source for p in done), tuple(left), preview)


Finder = Callable[[Picture], np.ndarray]


def by_reader(pictures: torch.Tensor, reader: reading.Reader) -> list[np.ndarray]:
    """bool [h, w] for each uint8 picture [n, 3, h, w] of the lay-figure world, from the reader's labels and its colours."""
    shares = reader.label_shares(pictures).numpy()
    return [masks.refined(_rows_last(p), s, GARMENT_LABELS) for p, s in zip(pictures, shares, strict=True)]


def _reader(workspace: Workspace, _words: tuple[str, ...]) -> Finder:
    reader = reading.load()
    return _on_square(workspace, lambda square, _picture: by_reader(square[None], reader)[0])


def _by_words(workspace: Workspace, words: tuple[str, ...]) -> Finder:
    body = tags.tags(workspace.character.description) or _BODY

    def find(square: torch.Tensor, picture: Picture) -> np.ndarray:
        scene = [t for t in tags.tags(picture.caption) if tags.kind(t) in ("view", "pose", "background")]
        return by_words(workspace.backbone, square, (*body, *words, *scene), words)

    return _on_square(workspace, find)


def by_words(backbone: Backbone, square: torch.Tensor, asked: Sequence[str], garment: Sequence[str]) -> np.ndarray:
    """bool [h, w] of a uint8 picture [3, h, w]: where the base model, asked for these tags, looks for those of the garment.

    The garment's colours count in full where it is named with any, its kind a little (``_KIND``): on the embedded base model a
    colour is looked for in cloth alone, and the word for a swimsuit in arms and legs as well.
    """
    text = ", ".join(asked)
    colours: list[attention_maps.Span] = []
    kinds: list[attention_maps.Span] = []
    for tag in garment:
        start = len(", ".join(["", *asked[: asked.index(tag)]]))
        colours += [(start + a, start + b) for a, b in tags.colour_spans(tag)]
        kinds.append((start + len(tag) - len(tag.split()[-1]), start + len(tag)))
    maps = attention_maps.word_maps(backbone, square, text, [*colours, *kinds], Looks()).numpy()
    named, worn = maps[: len(colours)].sum(0), maps[len(colours) :].sum(0)
    return foreground.garment(_rows_last(square), foreground.level(named) + _KIND * foreground.level(worn) if colours else worn)


def _by_difference(workspace: Workspace, _words: tuple[str, ...]) -> Finder:
    twins = {_scene(p): p for p in workspace.pictures(None) if _scene(p)}
    if not twins:
        raise NotReady("no neutral picture has a caption that names its view or pose: write some, or use another --by")

    def find(picture: Picture) -> np.ndarray:
        twin = twins.get(_scene(picture))
        if twin is None or (twin.width_px, twin.height_px) != (picture.width_px, picture.height_px):
            raise BadInput("no neutral picture of the same size has the same view, pose and background in its caption")
        return masks.changed(_pixels(workspace, picture), _pixels(workspace, twin))

    return find


_FINDERS: Mapping[str, Callable[[Workspace, tuple[str, ...]], Finder]] = {"reader": _reader, "words": _by_words, "neutral": _by_difference}


def _scene(picture: Picture) -> frozenset[str]:
    return frozenset(tags.folded(t) for t in tags.tags(picture.caption) if tags.kind(t) in ("view", "pose", "background"))


def _on_square(workspace: Workspace, find: Callable[[torch.Tensor, Picture], np.ndarray]) -> Finder:
    side = workspace.backbone.size_px

    def whole(picture: Picture) -> np.ndarray:
        square = torch.from_numpy(intake.fitted(_pixels(workspace, picture), side).copy()).permute(2, 0, 1)
        return masks.unfitted(find(square, picture), picture.width_px, picture.height_px)

    return whole


def _checked(found: np.ndarray) -> np.ndarray:
    share = float(found.mean())
    if not 0.005 <= share <= intake.MOST_MASK:
        raise BadInput(f"the mask covers {share:.0%} of the picture, so no garment was found; give masks/NAME.png with dressform add")
    return found


def _keep(workspace: Workspace, picture: str, found: np.ndarray) -> None:
    """The mask beside the picture of that id, whose row may have another caption by now. Raises BadInput where it is gone."""
    name = f"pictures/{picture}"
    with held(workspace.root, ROWS):
        if f"{name}.json" not in workspace.store:
            raise BadInput("removed meanwhile")
        row = json.loads(workspace.store.read(f"{name}.json")) | {"has_mask": True}
        workspace.store.write_all({f"{name}.mask.png": intake.png(found), f"{name}.json": json.dumps(row, ensure_ascii=False).encode()})


def _preview(workspace: Workspace, outfit: str, done: Sequence[Picture]) -> str:
    """A sheet of what was found, in the store: as private as the pictures."""
    found = [(_pixels(workspace, p), intake.from_png(workspace.store.read(f"pictures/{p.id}.mask.png")) > 127) for p in done]
    shown = [intake.fitted(masks.overlaid(pixels, mask), _SHEET_PX) for pixels, mask in found]
    shown += [np.full_like(shown[0], 255)] * (-len(shown) % min(_COLUMNS, len(shown)))
    columns = min(_COLUMNS, len(shown))
    rows = [np.concatenate(shown[i : i + columns], axis=1) for i in range(0, len(shown), columns)]
    name = f"previews/masks-{outfit}.png"
    workspace.store.write(name, intake.png(np.concatenate(rows, axis=0)))
    return name


def _pixels(workspace: Workspace, picture: Picture) -> np.ndarray:
    return intake.from_png(workspace.store.read(f"pictures/{picture.id}.png"))


def _rows_last(picture: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
