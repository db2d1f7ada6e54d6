"""Does an accessory show when it is asked for, only then, and what does wearing it do to the rest?

The reader knows no accessories. So one is looked for by its colour: the commonest colour inside the masks of its own pictures, in
the place where those pictures have it from the same view. It shows where that place holds more of the colour than a true picture
without it: at least half as many pixels more as its own pictures hold. How often that is right about its own pictures is
measured beside it. It does not tell a red hat from a red scarf, and says nothing of a yellow bag before a yellow coat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

TRIED_ON = {
    "shows": "it is seen where it is asked for",
    "unasked": "it is seen where it is not (lower is better)",
    "outfit_fidelity_without": "the outfit is as asked, without it",
    "outfit_fidelity_with": "the same pictures, with it",
    "identity_fidelity_without": "it is her, without it",
    "identity_fidelity_with": "the same pictures, with it",
    "seen_in_true": "how often its own pictures are seen to have it",
    "identity_in_true": "how often the reader knows her in them",
}
"""The figures of one accessory, in words."""

_NEAR = 60.0
"""Colours this near each other (Euclidean, of 255) count as one."""
_ENOUGH = 0.5


@dataclass(frozen=True)
class Place:
    """Seen from one view: bool [h, w] where it may be, and how many pixels of its colour a picture of it holds there."""

    where: np.ndarray
    pixels: float


@dataclass(frozen=True)
class Appearance:
    """Its commonest colour [3], and its place by view; no place for a view that none of its pictures has."""

    colour: np.ndarray
    places: Mapping[str, Place]


def appearance(pictures: Sequence[np.ndarray], masks: Sequence[np.ndarray], views: Sequence[str]) -> Appearance:
    """What its pictures, uint8 [h, w, 3], show inside their masks, bool [h, w]."""
    colour = _commonest(np.concatenate([p[m] for p, m in zip(pictures, masks, strict=True)]))
    places = {}
    for view in dict.fromkeys(views):
        own = [i for i, v in enumerate(views) if v == view]
        held = [coloured(pictures[i], masks[i], colour) for i in own]
        places[view] = Place(np.any([masks[i] for i in own], axis=0), float(np.median(held)))
    return Appearance(colour, places)


def shows(found: Appearance, picture: np.ndarray, without: np.ndarray, view: str) -> bool | None:
    """True where it is seen in a picture; ``without`` is a true picture of the same without it.

    None where it could not be told: no picture of it has this view, or what is there without it has its colour already.
    """
    place = found.places.get(view)
    if place is None:
        return None
    enough, there = _ENOUGH * place.pixels, coloured(without, place.where, found.colour)
    if there >= enough:
        return None
    return coloured(picture, place.where, found.colour) - there >= enough


def coloured(picture: np.ndarray, where: np.ndarray, colour: np.ndarray) -> int:
    """How many pixels there are of about that colour."""
    return int((np.linalg.norm(picture[where].astype(np.float64) - colour, axis=1) < _NEAR).sum())


def _commonest(pixels: np.ndarray) -> np.ndarray:
    """The mean of the pixels in the fullest of 8 x 8 x 8 boxes of colours."""
    boxes = (pixels >> 5).astype(np.int64) @ np.array([64, 8, 1])
    return pixels[boxes == np.bincount(boxes).argmax()].mean(0)
