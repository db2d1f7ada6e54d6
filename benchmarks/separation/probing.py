"""What a trained arm draws when asked for each outfit, for the neutral layer, and for garments that only the base model knows.

The same questions answered by true pictures, encoded and decoded, tell how much of a mistake is the autoencoder's and the reader's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.separation.arms import Learned
from benchmarks.separation.cases import Case, worn_words
from dressform.adapters.stack import AdapterStack
from dressform.backbones.protocol import Backbone
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.layfigure.captions import garment_tag, scene_tags
from dressform.layfigure.doll import Doll, Garment, Scene
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_IDENTITIES, random_scene
from dressform.measure.reader import Reader
from dressform.measure.separation import NEUTRAL, Probe, Truth, burned_in, identity_right, outfit_right, scene_right
from dressform.train.draws import seed_of
from dressform.workspace.measuring import noise_floor

EVALUATION = 1_000_000
"""Added to a case's seed for everything that is drawn to be judged, so that no training draw is met again."""


@dataclass(frozen=True)
class Outcome:
    """One judged picture. ``group`` is "neutral", "outfit" or "base garment"; ``appeared`` is the burnt-in outfit or ""."""

    group: str
    asked: str
    appeared: str
    outfit: bool
    identity: bool
    scene: bool


@dataclass(frozen=True)
class _Ask:
    group: str
    outfit: str | None
    worn: Garment | None
    scene: Scene

    @property
    def name(self) -> str:
        return self.worn.kind if self.worn else self.outfit or NEUTRAL


def probe(base: Backbone, reader: Reader, case: Case, learned: Learned | None, each: int) -> list[Outcome]:
    """``each`` pictures of every outfit, as many of the neutral layer, and as many of the base model's garments together.

    Where ``learned`` is None nothing is drawn by the model: they are true pictures of what is asked, encoded and decoded.
    """
    rng = random.Random(f"{case.who}/probes/{case.seed + EVALUATION}")
    asked = [_Ask("neutral", None, None, random_scene(rng)) for _ in range(each)]
    asked += [_Ask("outfit", name, None, random_scene(rng)) for name in case.wardrobe for _ in range(each)]
    asked += [_Ask("base garment", None, case.base_garments[i % len(case.base_garments)], random_scene(rng)) for i in range(each)]
    drawn = _true(base, case, asked) if learned is None else _drawn(base, case, learned, asked)
    truth = replace(case.truth, noise=noise_floor(base, reader, case.truth.identity))
    return [_judged(truth, a, r) for a, r in zip(asked, reader.read(drawn), strict=True)]


def _drawn(base: Backbone, case: Case, learned: Learned, asked: Sequence[_Ask]) -> Tensor:
    rows = [_row(a, learned, seed_of(case.seed + EVALUATION, "probe", i) % 2**31) for i, a in enumerate(asked)]
    layers = base.target_layers(learned.adapters[0].info.targets) if learned.adapters else {}
    with AdapterStack(layers, learned.adapters).attached() as stack:
        return draw(base, stack, rows, SampleConfig(batch=64))


def _true(base: Backbone, case: Case, asked: Sequence[_Ask]) -> Tensor:
    """uint8 [n, 3, height, width], as ``draw`` gives them."""
    who = HELD_OUT_IDENTITIES[case.who]
    worn = [a.worn or (case.wardrobe[a.outfit] if a.outfit else None) for a in asked]
    rendered = [render(Doll(who, one, a.scene)).picture for one, a in zip(worn, asked, strict=True)]
    pictures = torch.from_numpy(np.stack(rendered)).permute(0, 3, 1, 2)
    return torch.cat([base.decode(base.encode_pictures(some)) for some in pictures.split(64)])


def _row(asked: _Ask, learned: Learned, seed: int) -> Row:
    words: Sequence[str] = learned.words(asked.outfit)
    if asked.worn is not None:
        words = [*(w for w in words if w != garment_tag(None)), garment_tag(asked.worn)]
    return Row(", ".join([*words, *scene_tags(asked.scene)]), seed, learned.gates(asked.outfit))


def _judged(truth: Truth, asked: _Ask, reading) -> Outcome:  # type: ignore[no-untyped-def]
    if asked.worn is not None:
        truth = replace(truth, outfits={**truth.outfits, asked.worn.kind: worn_words(asked.worn)})
    scene = {"view": asked.scene.view, "pose": asked.scene.pose, "background": asked.scene.background}
    one = Probe(asked.name, scene, reading, truth.visible(asked.name, scene))
    return Outcome(
        asked.group, asked.name, burned_in(one, truth) or "", outfit_right(one, truth), identity_right(one, truth), scene_right(one, truth)
    )
