"""The parameters of one lay-figure picture: who, what she wears, and how she is seen.

Every field takes one word of a closed vocabulary, so that a picture, its caption and what a reader
reads back can be compared for equality. All figures are adult mannequins.
"""

from __future__ import annotations

from dataclasses import dataclass

SKINS = ("pale", "tan", "brown", "dark", "blue", "green", "violet", "grey")
HAIR_COLOURS = ("black", "brown", "blonde", "red", "white", "blue", "green", "pink")
HAIR_STYLES = ("short", "bob", "long", "ponytail", "twintails", "bun", "curly")
EARS = ("round", "pointed", "cat", "rabbit")
EYES = ("brown", "blue", "green", "red", "violet", "gold")
BUILDS = ("slim", "average", "sturdy")
HEIGHTS = ("low", "medium", "tall")
HEADS = ("small", "large")
MARKS = ("none", "star", "stripe", "diamond")

KINDS = (
    "swimsuit", "dress", "uniform", "shirt", "armour", "coat", "kimono",
    "tracksuit", "suit", "cloak", "raincoat", "apron", "overalls", "sweater",
)  # fmt: skip
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown")
PATTERNS = ("plain", "striped", "dotted", "checked")

VIEWS = ("front", "three-quarter", "side", "back")
POSES = ("standing", "waving", "cheering", "akimbo", "walking", "reaching")
BACKGROUNDS = ("white", "grey", "sky", "park", "studio", "night", "sunset")


@dataclass(frozen=True)
class Identity:
    """Who she is. Each field is one word of the tuple of the same name in this module."""

    skin: str
    hair_colour: str
    hair_style: str
    ears: str
    eyes: str
    build: str
    height: str
    head: str = "small"
    mark: str = "none"


@dataclass(frozen=True)
class Garment:
    """What she wears: a kind of garment in a main colour and a second colour, with a pattern."""

    kind: str
    colour: str
    second: str
    pattern: str = "plain"


@dataclass(frozen=True)
class Scene:
    """How she is seen."""

    view: str = "front"
    pose: str = "standing"
    background: str = "white"


@dataclass(frozen=True)
class Doll:
    """All parameters of one picture. ``garment`` is None for the neutral layer (a bare mannequin)."""

    identity: Identity
    garment: Garment | None
    scene: Scene


VOCABULARY: dict[str, tuple[str, ...]] = {
    "skin": SKINS,
    "hair_colour": HAIR_COLOURS,
    "hair_style": HAIR_STYLES,
    "ears": EARS,
    "eyes": EYES,
    "build": BUILDS,
    "height": HEIGHTS,
    "head": HEADS,
    "mark": MARKS,
    "kind": ("neutral", *KINDS),
    "colour": COLOURS,
    "second": COLOURS,
    "pattern": PATTERNS,
    "view": VIEWS,
    "pose": POSES,
    "background": BACKGROUNDS,
}
"""Every attribute of a picture and the words it may take, in the order in which captions name them."""

IDENTITY_ATTRIBUTES = ("skin", "hair_colour", "hair_style", "ears", "eyes", "build", "height", "head", "mark")
GARMENT_ATTRIBUTES = ("kind", "colour", "second", "pattern")
SCENE_ATTRIBUTES = ("view", "pose", "background")


def attributes(doll: Doll) -> dict[str, str]:
    """The doll as one word per attribute; the neutral layer has no colour, second colour or pattern."""
    found = {name: getattr(doll.identity, name) for name in IDENTITY_ATTRIBUTES}
    if doll.garment is None:
        found["kind"] = "neutral"
    else:
        found |= {name: getattr(doll.garment, name) for name in GARMENT_ATTRIBUTES}
    return found | {name: getattr(doll.scene, name) for name in SCENE_ATTRIBUTES}
