"""Which dolls exist: random ones to train on, and those held out by name that are never drawn in training."""

from __future__ import annotations

import random

from dressform.layfigure.doll import (
    BACKGROUNDS,
    COLOURS,
    IDENTITY_ATTRIBUTES,
    KINDS,
    MARKS,
    PATTERNS,
    POSES,
    VIEWS,
    VOCABULARY,
    Doll,
    Garment,
    Identity,
    Scene,
)

HELD_OUT_IDENTITIES: dict[str, Identity] = {
    "aoi": Identity("blue", "white", "twintails", "cat", "gold", "average", "medium", "large", "star"),
    "beryl": Identity("green", "black", "bob", "pointed", "violet", "slim", "tall", "small", "none"),
    "carmen": Identity("tan", "red", "curly", "round", "green", "sturdy", "medium", "small", "stripe"),
    "dalia": Identity("dark", "blonde", "ponytail", "rabbit", "brown", "average", "tall", "large", "diamond"),
    "edda": Identity("pale", "green", "long", "cat", "blue", "slim", "medium", "large", "none"),
    "fumi": Identity("violet", "blonde", "short", "pointed", "red", "sturdy", "tall", "small", "star"),
    "gerda": Identity("grey", "pink", "bun", "round", "violet", "average", "low", "small", "diamond"),
    "hana": Identity("brown", "blue", "long", "rabbit", "gold", "slim", "tall", "large", "none"),
    "ines": Identity("blue", "red", "ponytail", "pointed", "green", "sturdy", "low", "small", "stripe"),
    "juno": Identity("pale", "black", "twintails", "round", "red", "average", "tall", "small", "star"),
    "kira": Identity("dark", "white", "curly", "cat", "blue", "slim", "low", "large", "none"),
    "lotte": Identity("tan", "pink", "bob", "rabbit", "brown", "sturdy", "medium", "small", "diamond"),
    "mei": Identity("green", "brown", "bun", "cat", "gold", "average", "low", "large", "stripe"),
    "nadia": Identity("grey", "blue", "short", "round", "green", "slim", "medium", "small", "none"),
    "oda": Identity("violet", "black", "long", "pointed", "blue", "average", "low", "large", "star"),
    "petra": Identity("brown", "white", "ponytail", "round", "violet", "sturdy", "tall", "small", "none"),
}
"""Characters that no embedded model has seen. A training doll never shares skin, hair and ears with one of them."""


def _designs() -> dict[str, Garment]:
    """Two designs for each kind, spread over colours and patterns by a fixed rule."""
    found = {}
    for i, kind in enumerate(KINDS):
        for j in range(2):
            colour = COLOURS[(3 * i + 5 * j + 1) % len(COLOURS)]
            second = COLOURS[(3 * i + 5 * j + 1 + 2 + (i + j) % 7) % len(COLOURS)]
            found[f"{kind}-{'ab'[j]}"] = Garment(kind, colour, second, PATTERNS[(i + 2 * j) % len(PATTERNS)])
    return found


HELD_OUT_DESIGNS: dict[str, Garment] = _designs()
"""Garment designs that no embedded model has seen: a training garment never shares kind and both colours with one."""

_FACES = {(i.skin, i.hair_colour, i.hair_style, i.ears) for i in HELD_OUT_IDENTITIES.values()}
_CLOTHS = {(g.kind, g.colour, g.second) for g in HELD_OUT_DESIGNS.values()}


def is_held_out(doll: Doll) -> bool:
    """True where the doll's identity or garment design belongs to evaluation."""
    who, worn = doll.identity, doll.garment
    if (who.skin, who.hair_colour, who.hair_style, who.ears) in _FACES:
        return True
    return worn is not None and (worn.kind, worn.colour, worn.second) in _CLOTHS


def random_identity(rng: random.Random) -> Identity:
    words = {name: rng.choice(VOCABULARY[name]) for name in IDENTITY_ATTRIBUTES}
    if rng.random() < 0.4:
        words["mark"] = "none"
    else:
        words["mark"] = rng.choice(MARKS)
    return Identity(**words)


def random_garment(rng: random.Random) -> Garment:
    colour, second = rng.sample(COLOURS, 2)
    return Garment(rng.choice(KINDS), colour, second, rng.choice(PATTERNS))


def random_scene(rng: random.Random) -> Scene:
    return Scene(rng.choice(VIEWS), rng.choice(POSES), rng.choice(BACKGROUNDS))


SCENES = len(VIEWS) * len(POSES) * len(BACKGROUNDS)


def distinct_scenes(rng: random.Random, count: int) -> list[Scene]:
    """``count`` random scenes, none of them twice. There are ``SCENES`` to choose from."""
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = random_scene(rng)
        scenes += [] if scene in scenes else [scene]
    return scenes


def training_doll(rng: random.Random, neutral: float = 0.08) -> Doll:
    """A random doll that is not held out; ``neutral`` is the share in the neutral layer."""
    while True:
        worn = None if rng.random() < neutral else random_garment(rng)
        doll = Doll(random_identity(rng), worn, random_scene(rng))
        if not is_held_out(doll):
            return doll


def held_out_doll(rng: random.Random) -> Doll:
    """A random pair of held-out identity and held-out design, in a random scene."""
    who = rng.choice(list(HELD_OUT_IDENTITIES.values()))
    return Doll(who, rng.choice(list(HELD_OUT_DESIGNS.values())), random_scene(rng))
