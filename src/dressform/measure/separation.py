"""Is it her, is it the garment, and does a garment show where it was not asked for?

Everything here is pure: probes in, figures out. A probe is one picture, what was asked for, and what was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dressform.layfigure.doll import BACKGROUNDS, POSES, VIEWS, Doll, Garment, Identity, Scene
from dressform.layfigure.render import render
from dressform.layfigure.visible import visible
from dressform.measure.reader import Reading
from dressform.measure.statistics import share
from dressform.records import Figure

IDENTITY_WORDS = ("skin", "hair_colour", "hair_style", "ears", "build", "height")
GARMENT_WORDS = ("kind", "colour", "pattern")
SCENE_WORDS = ("view", "pose", "background")
NEUTRAL, ANOTHER = "neutral", "another"
GARMENT_NOISE = 0.01
"""Share of the figure, above the reader's own error, that may read as garment in the neutral layer before it is burn-in."""


@dataclass(frozen=True)
class Probe:
    """One measured picture. ``asked`` is an outfit's name, or "neutral"; ``scene`` the words that were asked for.

    ``visible`` are the attributes that a picture of what was asked for would show; no other is judged.
    """

    asked: str
    scene: Mapping[str, str]
    reading: Reading
    visible: frozenset[str]


@dataclass(frozen=True)
class Truth:
    """What is right: her attributes (all of ``IDENTITY_ATTRIBUTES``), and each outfit's kind, colour, second colour and pattern."""

    identity: Mapping[str, str]
    outfits: Mapping[str, Mapping[str, str]]
    noise: float = 0.0
    """The largest share of garment that the reader sees in true pictures of her neutral layer: its own error."""

    def visible(self, asked: str, scene: Mapping[str, str]) -> frozenset[str]:
        """The attributes that a true picture of her in that outfit ("neutral": none) and scene shows."""
        worn = self.outfits.get(asked)
        doll = Doll(Identity(**self.identity), Garment(**worn) if worn and worn["kind"] != NEUTRAL else None, Scene(**scene))
        return visible(doll, render(doll))


def neutral_dolls(identity: Mapping[str, str]) -> list[Doll]:
    """Her neutral layer from every view before every background: what the reader's own error is measured on."""
    who = Identity(**identity)
    scenes = [(view, background) for view in VIEWS for background in BACKGROUNDS]
    return [Doll(who, None, Scene(view, POSES[i % len(POSES)], background)) for i, (view, background) in enumerate(scenes)]


def mistakes(probe: Probe, truth: Truth, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Attribute -> (wanted, read) for each of ``names`` that should show and does not read as wanted."""
    wanted = {**truth.identity, **truth.outfits.get(probe.asked, {}), **probe.scene}
    read = probe.reading.words
    return {n: (wanted[n], read.get(n, "none")) for n in names if n in wanted and n in probe.visible and read.get(n) != wanted[n]}


def identity_right(probe: Probe, truth: Truth) -> bool:
    return not mistakes(probe, truth, IDENTITY_WORDS)


def outfit_right(probe: Probe, truth: Truth) -> bool:
    """Kind, colour and pattern as asked; for the neutral layer, that she wears nothing."""
    if probe.asked == NEUTRAL:
        return probe.reading.words["kind"] == NEUTRAL
    return not mistakes(probe, truth, GARMENT_WORDS)


def scene_right(probe: Probe, truth: Truth) -> bool:
    return not mistakes(probe, truth, SCENE_WORDS)


def burned_in(probe: Probe, truth: Truth) -> str | None:
    """The outfit that shows although another was asked for, or None.

    In the neutral layer any garment counts (read as a kind, or more than 1 % of the figure above the reader's own error).
    Under another outfit a foreign kind counts, and so does a foreign outfit's colour that neither the asked outfit has.
    """
    words, asked = probe.reading.words, truth.outfits.get(probe.asked, {})
    dressed = words["kind"] != NEUTRAL or probe.reading.garment_share > truth.noise + GARMENT_NOISE
    if probe.asked == NEUTRAL:
        return _nearest(words, truth) if dressed else None
    for name, worn in truth.outfits.items():
        if name == probe.asked:
            continue
        if words["kind"] == worn["kind"] != asked["kind"]:
            return name
        own = {asked["colour"], asked.get("second")}
        if words.get("colour") == worn["colour"] and worn["colour"] not in own and probe.reading.shows_colour:
            return name
    return None


def _nearest(words: Mapping[str, str], truth: Truth) -> str:
    """The trained outfit that shares most words with what was read; ANOTHER where none shares any."""
    score = {name: sum(words.get(k) == v for k, v in worn.items()) for name, worn in truth.outfits.items()}
    best = max(score, key=lambda name: score[name], default=ANOTHER)
    return best if score.get(best) else ANOTHER


def figures(probes: Sequence[Probe], truth: Truth) -> dict[str, Figure]:
    """The five figures of the house, by their public names."""
    dressed = [p for p in probes if p.asked != NEUTRAL]
    return {
        "outfit_fidelity": share(outfit_right(p, truth) for p in dressed),
        "identity_fidelity": share(identity_right(p, truth) for p in probes),
        "burn_in": share(burned_in(p, truth) is not None for p in probes),
        "conformity": share(identity_right(p, truth) and outfit_right(p, truth) and scene_right(p, truth) for p in dressed),
        "prompt_fidelity": share(scene_right(p, truth) for p in probes),
    }


def matrix(probes: Sequence[Probe], truth: Truth) -> dict[str, dict[str, Figure]]:
    """asked -> appeared -> share: the right outfit on the diagonal, burn-in off it; NEUTRAL where she came out undressed."""
    rows: dict[str, dict[str, Figure]] = {}
    for asked in dict.fromkeys(p.asked for p in probes):
        own = [p for p in probes if p.asked == asked]
        shown = [_appeared(p, truth) for p in own]
        rows[asked] = {name: share(s == name for s in shown) for name in (NEUTRAL, *truth.outfits, ANOTHER)}
    return rows


def _appeared(probe: Probe, truth: Truth) -> str:
    wrong = NEUTRAL if probe.reading.words["kind"] == NEUTRAL else ANOTHER
    return burned_in(probe, truth) or (probe.asked if outfit_right(probe, truth) else wrong)
