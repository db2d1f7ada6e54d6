"""What a run of the benchmark is about: a held-out character, her wardrobe, and the pictures every arm is given."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor

from dressform.backbones.protocol import Backbone
from dressform.layfigure.canvas import GARMENT_LABELS
from dressform.layfigure.captions import NEUTRAL, identity_tags, scene_tags
from dressform.layfigure.doll import Doll, Garment
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, random_scene
from dressform.measure.separation import Truth
from dressform.train.data import TrainingSet, encode

_ORDER = ("swimsuit", "dress", "coat", "uniform", "armour", "tracksuit", "kimono", "apron")
"""Garment kinds in the order in which wardrobes of 1, 2, 4 and 8 outfits take them: the smallest garment first."""


@dataclass(frozen=True)
class Case:
    """One character, how many outfits and pictures of each, and the seed of everything drawn and trained."""

    who: str
    outfits: int = 8
    pictures: int = 12
    seed: int = 0

    @property
    def wardrobe(self) -> dict[str, Garment]:
        """Outfit name -> design, all of them unseen by the base model; which of a kind's two designs depends on the character."""
        letter = "ab"[list(HELD_OUT_IDENTITIES).index(self.who) % 2]
        return {kind: HELD_OUT_DESIGNS[f"{kind}-{letter}"] for kind in _ORDER[: self.outfits]}

    @property
    def base_garments(self) -> tuple[Garment, ...]:
        """Garments of other kinds that no adapter learns: the base model alone knows them, by their words."""
        kinds = ("shirt", "suit", "cloak", "raincoat", "overalls", "sweater")
        return tuple(Garment(kind, *pair, "plain") for kind, pair in zip(kinds, _COLOUR_PAIRS, strict=True))

    @property
    def truth(self) -> Truth:
        """What a reader should find."""
        return Truth(asdict(HELD_OUT_IDENTITIES[self.who]), {name: worn_words(worn) for name, worn in self.wardrobe.items()})


_COLOUR_PAIRS = (("green", "white"), ("purple", "black"), ("orange", "brown"), ("pink", "white"), ("blue", "yellow"), ("red", "black"))


def worn_words(worn: Garment) -> dict[str, str]:
    """A garment's attributes as the reader names them."""
    return {"kind": worn.kind, "colour": worn.colour, "second": worn.second, "pattern": worn.pattern}


@dataclass(frozen=True)
class Shots:
    """The pictures of one set. pictures uint8 [n, 3, 128, 128], masks bool [n, 128, 128], scenes as caption tags."""

    ids: tuple[str, ...]
    pictures: Tensor
    masks: Tensor
    scenes: tuple[str, ...]

    def encoded(
        self, backbone: Backbone, captions: list[str], masked: bool = True, anchors: list[str] | None = None,
        named: tuple[list[str], list[str]] | None = None,
    ) -> TrainingSet:  # fmt: skip
        """Ready to train on. Without masks, every cell counts as garment; ``named`` as ``encode`` takes it."""
        masks = self.masks if masked else torch.ones_like(self.masks)
        return encode(backbone, self.ids, self.pictures, captions, masks, anchors, named)

    def called(self, *words: str) -> list[str]:
        """A caption for each picture: these words, then its scene."""
        return [", ".join([*words, scene]) for scene in self.scenes]


@dataclass(frozen=True)
class Material:
    """All that any arm may learn from: neutral shots, each outfit's shots, and her body in words (for an anchor alone)."""

    case: Case
    neutral: Shots
    outfits: dict[str, Shots] = field(default_factory=dict)

    @property
    def trigger(self) -> str:
        return self.case.who

    def word(self, outfit: str) -> str:
        """An outfit's trigger word."""
        return f"{self.case.who}_{outfit}"

    @property
    def body(self) -> list[str]:
        """What she is, in the base model's words."""
        return identity_tags(HELD_OUT_IDENTITIES[self.case.who])

    @property
    def anchor_words(self) -> str:
        return ", ".join([*self.body, NEUTRAL])


def material(case: Case) -> Material:
    """Draw the case's pictures, the same for every arm."""
    neutral = _shots(case, None, "neutral")
    return Material(case, neutral, {name: _shots(case, worn, name) for name, worn in case.wardrobe.items()})


def _shots(case: Case, worn: Garment | None, name: str) -> Shots:
    rng = random.Random(f"{case.who}/{name}/{case.seed}")
    scenes = [random_scene(rng) for _ in range(case.pictures)]
    drawn = [render(Doll(HELD_OUT_IDENTITIES[case.who], worn, scene)) for scene in scenes]
    return Shots(
        tuple(f"{name}-{i}" for i in range(case.pictures)),
        torch.from_numpy(np.stack([d.picture for d in drawn])).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(np.stack([np.isin(d.labels, GARMENT_LABELS) for d in drawn])),
        tuple(", ".join(scene_tags(scene)) for scene in scenes),
    )
