"""The recipes that are compared. Each takes the same material, base model, rank, steps and rows, and gives what it trained."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from benchmarks.separation import objectives as theirs
from benchmarks.separation.cases import Material, Shots
from dressform.adapters.stack import Adapter
from dressform.backbones.protocol import Backbone
from dressform.layfigure.captions import NEUTRAL, garment_tag
from dressform.layfigure.world import random_garment
from dressform.records import AdapterInfo
from dressform.train.config import TrainConfig
from dressform.train.data import Named, TrainingSet
from dressform.train.draws import seed_of
from dressform.train.loop import Job, train
from dressform.train.objective import Objective
from dressform.train.objectives.identity import anchored_identity
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.objectives.plain import plain
from dressform.workspace.training import recipes

RANK = 8


@dataclass(frozen=True)
class Recipe:
    """What every arm shares: the settings of the identity and of each outfit."""

    identity: TrainConfig
    outfit: TrainConfig

    @staticmethod
    def of_the_house(base: Backbone, seed: int, steps: int | None = None) -> Recipe:
        """What ``dressform train`` would use on this base model; ``steps`` (None: the recipe's) of both."""
        return Recipe(*(config.on(base) for config in recipes(RANK, seed, steps)))


Words = Callable[[str | None], tuple[str, ...]]


@dataclass(frozen=True)
class Learned:
    """Adapters, and which of them are on (and what is said) when an outfit, or None for the neutral layer, is asked for."""

    adapters: Sequence[Adapter]
    gates: Callable[[str | None], tuple[float, ...]]
    words: Words


Arm = Callable[[Backbone, Sequence[Material], Recipe], Sequence[Learned | None]]
"""Takes several cases of as many outfits each, and trains them side by side, each as if alone. None: nothing draws, the truth is shown."""


def plain_material(base: Backbone, given: Material) -> TrainingSet:
    """All pictures as one set, with trigger words."""
    words = words_of(given)
    sets = [given.neutral.encoded(base, given.neutral.called(*words(None)))]
    sets += [shots.encoded(base, shots.called(*words(name))) for name, shots in given.outfits.items()]
    return _together(sets)


def plain_recipe(given: Material, recipe: Recipe) -> TrainConfig:
    """As many picture rows in all as the other arms get."""
    return replace(recipe.identity, rows=recipe.identity.rows + recipe.outfit.rows * len(given.outfits))


def one_plain(base: Backbone, cases: Sequence[Material], recipe: Recipe) -> list[Learned]:
    """One plain LoRA with trigger words on all pictures."""
    config = plain_recipe(cases[0], recipe)
    jobs = [Job(_new(base, "plain", config), plain_material(base, given)) for given in cases]
    train(base, jobs, plain, config)
    return [Learned([job.adapter], lambda _asked: (1.0,), words_of(given)) for job, given in zip(jobs, cases, strict=True)]


def one_outfit_plain(base: Backbone, cases: Sequence[Material], recipe: Recipe) -> list[Learned]:
    """One plain LoRA on the first outfit's pictures alone: what most people make, then asked for other clothes."""
    jobs = []
    for given in cases:
        name, shots = next(iter(given.outfits.items()))
        data = shots.encoded(base, shots.called(given.trigger, given.word(name)))
        jobs.append(Job(_new(base, "plain", recipe.identity), data))
    train(base, jobs, plain, recipe.identity)
    return [Learned([job.adapter], lambda _asked: (1.0,), words_of(given)) for job, given in zip(jobs, cases, strict=True)]


def apart_and_summed(base: Backbone, cases: Sequence[Material], recipe: Recipe) -> list[Learned]:
    """An identity LoRA and an outfit LoRA each, none knowing of the others, added up at generation."""
    who = _identities(base, cases, recipe, [[_neutral(base, given)] for given in cases], plain)
    jobs = [
        [Job(_new(base, name, recipe.outfit), shots.encoded(base, shots.called(given.word(name)))) for name, shots in given.outfits.items()]
        for given in cases
    ]
    train(base, _all(jobs), plain, recipe.outfit)
    return _composed(cases, who, jobs)


def fused_and_preserved(base: Backbone, cases: Sequence[Material], recipe: Recipe) -> list[Learned]:
    """The peers' best: the identity fused into the base, then each outfit with masked loss and output preservation."""
    who = _identities(base, cases, recipe, [[_neutral(base, given)] for given in cases], plain)
    jobs = [_outfit_jobs(base, given, recipe, anchored=True) for given in cases]
    return _learned_on(base, cases, recipe, who, jobs, theirs.output_preserved(1.0))


def on_identity(
    objective: Callable[[TrainConfig], Objective],
    masked: bool = True,
    identity: Callable[[TrainConfig], Objective] = lambda c: anchored_identity(c.anchor),
    dressed_too: bool = True,
    named: bool = True,
) -> Arm:
    """Identity from all pictures of her (or the neutral ones alone), frozen; every outfit on top of it with the objective."""

    def arm(base: Backbone, cases: Sequence[Material], recipe: Recipe) -> list[Learned]:
        sets = [
            [_neutral(base, given, named), *(_dressed(base, given, given.anchor_words, named) if dressed_too else ())] for given in cases
        ]
        who = _identities(base, cases, recipe, sets, identity(recipe.identity))
        jobs = [_outfit_jobs(base, given, recipe, masked=masked) for given in cases]
        return _learned_on(base, cases, recipe, who, jobs, objective(recipe.outfit))

    return arm


def dressed_only(objective: Callable[[TrainConfig], Objective], described: bool = True, named: bool = True) -> Arm:
    """Identity from the outfits' pictures alone with the objective, frozen; then every outfit on top of it as ever."""

    def arm(base: Backbone, cases: Sequence[Material], recipe: Recipe) -> list[Learned]:
        sets = [_dressed(base, given, given.anchor_words if described else NEUTRAL, named) for given in cases]
        who = _identities(base, cases, recipe, sets, objective(recipe.identity))
        jobs = [_outfit_jobs(base, given, recipe) for given in cases]
        return _learned_on(base, cases, recipe, who, jobs, outfit_on_identity(recipe.outfit.preserve))

    return arm


def as_it_is(_base: Backbone, cases: Sequence[Material], _recipe: Recipe) -> Sequence[None]:
    """True pictures, encoded and decoded: what autoencoder and reader let anybody reach."""
    return [None] * len(cases)


def in_words(_base: Backbone, cases: Sequence[Material], _recipe: Recipe) -> list[Learned]:
    """Nothing learned: the base model is told in words what she is and wears. What it cannot draw so, no adapter's figure should expect."""

    def words(given: Material) -> Words:
        return lambda asked: (*given.body, garment_tag(given.case.wardrobe[asked] if asked else None))

    return [Learned([], lambda _asked: (), words(given)) for given in cases]


ARMS: dict[str, Arm] = {
    "ours, neutral": on_identity(lambda c: outfit_on_identity(c.preserve)),
    "ours, dressed only": dressed_only(lambda c: anchored_identity(c.anchor)),
    "one plain LoRA": one_plain,
    "fused, preserved": fused_and_preserved,
    "apart, summed": apart_and_summed,
    "swimsuit plain": one_outfit_plain,
}
"""The arms of the comparison, by the names of the tables."""

ABLATIONS: dict[str, Arm] = {
    "neutral, nothing preserved": on_identity(lambda _c: theirs.masked_on_identity),
    "neutral, no mask": on_identity(lambda _c: theirs.plain_on_identity),
    "neutral, neutral pictures alone": on_identity(lambda c: outfit_on_identity(c.preserve), dressed_too=False),
    "neutral, no garment named": on_identity(lambda c: outfit_on_identity(c.preserve), named=False),
    "neutral, empty caption learned": on_identity(
        lambda c: theirs.spoken(outfit_on_identity(c.preserve)), identity=lambda c: theirs.spoken(anchored_identity(c.anchor))
    ),
    "dressed, no anchor": dressed_only(lambda _c: theirs.masked_identity_alone, named=False),
    "dressed, no mask": dressed_only(lambda _c: plain, named=False),
    "dressed, anchor without her": dressed_only(lambda c: anchored_identity(c.anchor), described=False, named=False),
    "dressed, no garment named": dressed_only(lambda c: anchored_identity(c.anchor), named=False),
}
"""Ours with one ingredient left out. Where that is what the base model says of her, it says nothing of garments either: beside these
stands "dressed, no garment named"."""


def _identities(
    base: Backbone, cases: Sequence[Material], recipe: Recipe, sets: Sequence[Sequence[TrainingSet]], objective: Objective
) -> list[Adapter]:
    jobs = [Job(_new(base, given.trigger, recipe.identity), _together(own)) for given, own in zip(cases, sets, strict=True)]
    train(base, jobs, objective, recipe.identity)
    return [job.adapter for job in jobs]


def _learned_on(
    base: Backbone, cases: Sequence[Material], recipe: Recipe, who: Sequence[Adapter], jobs: Sequence[Sequence[Job]], objective: Objective
) -> list[Learned]:
    """Every outfit on top of its own character's identity, frozen."""
    under = [one for one, own in zip(who, jobs, strict=True) for _ in own]
    train(base, _all(jobs), objective, recipe.outfit, under)
    return _composed(cases, who, jobs)


def _all(jobs: Sequence[Sequence[Job]]) -> list[Job]:
    return [job for own in jobs for job in own]


def _neutral(base: Backbone, given: Material, named: bool = False) -> TrainingSet:
    """Her neutral pictures: no garment, so nothing masked; ``named``: to be called by garments too."""
    shots = given.neutral
    by_garment = _by_garment(given, shots) if named else None
    found = shots.encoded(base, shots.called(given.trigger, NEUTRAL), anchors=shots.called(given.anchor_words), named=by_garment)
    return replace(found, masks=torch.zeros_like(found.masks))


def _dressed(base: Backbone, given: Material, anchor: str, named: bool) -> list[TrainingSet]:
    """Each outfit's pictures as an identity sees them: called by her word alone, the garments masked and anchored."""
    return [
        shots.encoded(base, shots.called(given.trigger), anchors=shots.called(anchor), named=_by_garment(given, shots) if named else None)
        for shots in given.outfits.values()
    ]


def _by_garment(given: Material, shots: Shots) -> tuple[list[str], list[str]]:
    """Each picture called by a random garment that it does not show, and what the base model is asked then."""
    worn = [garment_tag(random_garment(random.Random(f"garment/{given.trigger}/{given.case.seed}/{i}"))) for i in shots.ids]

    def called(who: str) -> list[str]:
        return [f"{who}, {garment}, {scene}" for garment, scene in zip(worn, shots.scenes, strict=True)]

    return called(given.trigger), called(", ".join(given.body))


def _outfit_jobs(base: Backbone, given: Material, recipe: Recipe, masked: bool = True, anchored: bool = False) -> list[Job]:
    jobs = []
    for name, shots in given.outfits.items():
        anchors = shots.called(given.trigger) if anchored else None
        data = shots.encoded(base, shots.called(given.trigger, given.word(name)), masked, anchors)
        jobs.append(Job(_new(base, name, recipe.outfit), data))
    return jobs


def _composed(cases: Sequence[Material], who: Sequence[Adapter], jobs: Sequence[Sequence[Job]]) -> list[Learned]:
    def gates(names: list[str]) -> Callable[[str | None], tuple[float, ...]]:
        return lambda asked: (1.0, *(float(name == asked) for name in names))

    return [
        Learned([one, *(job.adapter for job in own)], gates(list(given.outfits)), words_of(given))
        for given, one, own in zip(cases, who, jobs, strict=True)
    ]


def words_of(given: Material) -> Words:
    """What is said of her: her word, and an outfit's word or "neutral layer". The same for every arm, to learn and to ask."""
    return lambda asked: (given.trigger, NEUTRAL) if asked is None else (given.trigger, given.word(asked))


def _together(sets: Sequence[TrainingSet]) -> TrainingSet:
    ids = tuple(i for part in sets for i in part.ids)
    named = [part.named for part in sets if part.named is not None]
    both = Named(*(torch.cat([getattr(one, name) for one in named]) for name in ("text", "anchor"))) if len(named) == len(sets) else None
    latents, text, masks, anchor = (torch.cat([getattr(part, name) for part in sets]) for name in ("latents", "text", "masks", "anchor"))
    return TrainingSet(ids, latents, text, masks, anchor, both)


def _new(base: Backbone, name: str, config: TrainConfig) -> Adapter:
    info = AdapterInfo("outfit", name, name, config.rank, config.alpha, config.targets, base.sha256)
    return Adapter(info, base.target_layers(config.targets), seed_of(config.seed, "adapter", 0, name))
