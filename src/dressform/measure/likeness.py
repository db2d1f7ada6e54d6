"""Who a few pictures show, and how much of one more picture is as it was asked for: pure, from what a reader read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dressform.layfigure.doll import GARMENT_ATTRIBUTES, IDENTITY_ATTRIBUTES, Doll, Garment, Identity, Scene
from dressform.layfigure.render import render
from dressform.layfigure.visible import visible
from dressform.measure import reader as reading
from dressform.measure.reader import Reading
from dressform.measure.separation import GARMENT_WORDS, IDENTITY_WORDS, NEUTRAL, SCENE_WORDS, Probe, Truth, mistakes


@dataclass(frozen=True)
class Likeness:
    """``share`` of the attributes that should show and read as they should; ``wrong``: each that does not, in words."""

    share: float
    wrong: tuple[str, ...] = ()


def shown(readings: Sequence[Reading], names: Sequence[str]) -> dict[str, str]:
    """For each attribute the word that is read most often where it can be seen: from behind nobody has eyes.

    Where no picture shows an attribute, the word that is read most often.
    """
    seen = [_seen(r) for r in readings]
    return reading.usual(readings, names) | reading.usual(seen, names)


def likeness(probe: Probe, truth: Truth) -> Likeness:
    """How much of a picture is as asked: who she is, what she wears, and how she is seen."""
    names = [n for n in (*IDENTITY_WORDS, *GARMENT_WORDS, *SCENE_WORDS) if n in probe.visible]
    wrong = mistakes(probe, truth, names)
    kind = probe.reading.words["kind"]
    if probe.asked == NEUTRAL and kind != NEUTRAL:
        wrong["kind"] = (NEUTRAL, kind)
    said = tuple(f"{name.replace('_', ' ')} {read}, not {wanted}" for name, (wanted, read) in wrong.items())
    return Likeness(1 - min(1.0, len(wrong) / max(1, len(names))), said)


def _seen(one: Reading) -> Reading:
    """Only the words for what its picture can show."""
    there = _visible(one.words)
    return Reading({name: word for name, word in one.words.items() if name in there}, one.cells)


def _visible(words: Mapping[str, str]) -> frozenset[str]:
    who = Identity(**{name: words[name] for name in IDENTITY_ATTRIBUTES})
    worn = None if words["kind"] == NEUTRAL else Garment(**{name: words[name] for name in GARMENT_ATTRIBUTES})
    doll = Doll(who, worn, Scene(words["view"], words["pose"], words["background"]))
    return visible(doll, render(doll))
