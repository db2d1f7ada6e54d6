"""Tag captions for dolls, in a fixed vocabulary: one tag for each attribute, separated by commas."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches

from dressform.layfigure.doll import COLOURS, IDENTITY_ATTRIBUTES, KINDS, PATTERNS, VOCABULARY, Doll, Garment, Identity, Scene

NEUTRAL = "neutral layer"
"""The tag of a doll that wears nothing but her mannequin surface."""


_BESIDE = "skin hair ears eyes build height head mark no and view background".split()
WORDS = frozenset([*(w for said in VOCABULARY.values() for one in said for w in re.findall("[a-z]+", one)), *_BESIDE, *NEUTRAL.split()])
"""Every word that the embedded base model was taught."""


def unknown_words(text: str, besides: Collection[str] = ()) -> list[str]:
    """The words of a text that the embedded base model was not taught, each with the nearest that it was; none of ``besides``."""
    found = [w for w in dict.fromkeys(re.findall(r"[^\W\d_]{2,}", text.lower())) if w not in WORDS and w not in besides]
    return [f"{w} ({near[0]}?)" if len(w) > 3 and (near := get_close_matches(w, sorted(WORDS), 1, 0.75)) else w for w in found]


def identity_tags(who: Identity) -> list[str]:
    """What she is, in words. Used by the base model's captions and by the prior anchor, never by an adapter's own."""
    return [
        f"{who.skin} skin",
        f"{who.hair_style} {who.hair_colour} hair",
        f"{who.ears} ears",
        f"{who.eyes} eyes",
        f"{who.build} build",
        f"{who.height} height",
        f"{who.head} head",
        "no mark" if who.mark == "none" else f"{who.mark} mark",
    ]


def identity_words(tags: Sequence[str]) -> dict[str, str]:
    """What ``identity_tags`` said, read back: attribute -> word for each tag that is one of them; other tags say nothing."""
    found: dict[str, str] = {}
    for tag in tags:
        *words, what = tag.lower().split() or [""]
        names = {"hair": ("hair_style", "hair_colour")}.get(what, (what,))
        if len(words) == len(names) and all(n in IDENTITY_ATTRIBUTES for n in names):
            said = ["none" if what == "mark" and w == "no" else w for w in words]
            found |= {n: w for n, w in zip(names, said, strict=True) if w in VOCABULARY[n]}
    return found


def garment_tag(worn: Garment | None) -> str:
    """What she wears, as one tag."""
    if worn is None:
        return NEUTRAL
    return f"{worn.pattern} {worn.colour} and {worn.second} {worn.kind}"


def garment_in(words: Sequence[str]) -> Garment | None:
    """The garment that loose words name: "green coat" is a plain one, green all over; white where no colour is said.

    None where no kind is among them.
    """
    kinds, colours, patterns = ([w for w in words if w in known] for known in (KINDS, COLOURS, PATTERNS))
    if not kinds:
        return None
    first, second, *_ = (*colours, *colours, "white", "white")
    return Garment(kinds[-1], first, second, (*patterns, "plain")[0])


def scene_tags(scene: Scene) -> list[str]:
    """How she is seen."""
    return [f"{scene.view} view", scene.pose, f"{scene.background} background"]


def caption(doll: Doll, triggers: tuple[str, ...] = ()) -> str:
    """The whole caption in its usual order: trigger words, identity, garment, scene."""
    return ", ".join([*triggers, *identity_tags(doll.identity), garment_tag(doll.garment), *scene_tags(doll.scene)])


_SYLLABLES = (
    "ka ki ku ke ko sa shi su se so ta chi tsu te to na ni nu ne no ha hi fu ma mi mu me mo ya yu yo "
    "ra ri ru re ro wa vel dor zan lia rix eth oro qua bex lun"
).split()


def invented_word(rng: random.Random) -> str:
    """A word that means nothing, as a trigger word does before training."""
    word = "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, 3)))
    return word + (str(rng.randint(0, 9)) if rng.random() < 0.1 else "")


def training_caption(doll: Doll, rng: random.Random, drop: float = 0.06) -> str:
    """A caption as people write them: sometimes shuffled, some tags missing, often with words that mean nothing.

    The invented words teach the text encoder to carry unseen triggers without letting them disturb the rest.
    """
    tags = [*identity_tags(doll.identity), garment_tag(doll.garment), *scene_tags(doll.scene)]
    tags = [t for t in tags if rng.random() >= drop]
    if rng.random() < 0.2:
        rng.shuffle(tags)
    if rng.random() < 0.5:
        word = invented_word(rng)
        tags.insert(0, word)
        if rng.random() < 0.5:
            tags.insert(1, f"{word}_{invented_word(rng)}")
    return ", ".join(tags)
