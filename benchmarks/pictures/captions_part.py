"""The lint: how many planted faults it finds, and how often it stops a set that has none.

    python -m benchmarks.pictures.captions_part [--small] [--json FILE]

Sets of twelve pictures of held-out dolls, looked at by the reader, with captions as ``dressform caption read`` would write them.
Each fault is planted in a set of its own. Seeds of development are below 1000, those here above.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dressform.layfigure.captions import NEUTRAL, garment_tag, identity_tags, scene_tags
from dressform.layfigure.doll import Doll, Garment
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, distinct_scenes
from dressform.measure import reader as reading
from dressform.measure.statistics import share
from dressform.pictures.lint import Seen, Words, lint
from dressform.records import Figure
from dressform.workspace.looking import shown_tags

FINAL_SEED = 7500
WORDS = Words("zan", (("worn", "zan_worn"), ("other", "zan_other")))
_PICTURES = 12


@dataclass(frozen=True)
class Fault:
    """What is planted, in which set, and the code of the finding that should name it."""

    code: str
    outfit: str | None
    plant: Callable[[Sequence[Seen], random.Random, Sequence[Seen]], list[Seen]]


def _everywhere(change: Callable[[str], str]) -> Callable[[Sequence[Seen], random.Random, Sequence[Seen]], list[Seen]]:
    return lambda pictures, _rng, _others: [replace(p, caption=change(p.caption)) for p in pictures]


def _body(pictures: Sequence[Seen], rng: random.Random, _others: Sequence[Seen]) -> list[Seen]:
    tags = identity_tags(rng.choice(list(HELD_OUT_IDENTITIES.values())))
    return [replace(p, caption=f"{p.caption}, {rng.choice(tags)}") for p in pictures]


def _foreign(pictures: Sequence[Seen], rng: random.Random, _others: Sequence[Seen]) -> list[Seen]:
    i = rng.randrange(len(pictures))
    return [replace(p, caption=f"Zan other, {p.caption}") if k == i else p for k, p in enumerate(pictures)]


def _mixed(pictures: Sequence[Seen], _rng: random.Random, others: Sequence[Seen]) -> list[Seen]:
    strange = [replace(p, outfit=pictures[0].outfit, id=f"{p.id}x") for p in others[:3]]
    return [*pictures[3:], *strange]


FAULTS: dict[str, Fault] = {
    "no_captions": Fault("no-caption", "worn", _everywhere(lambda _c: "")),
    "body_named": Fault("body-named", "worn", _body),
    "layer_unnamed": Fault("garment-never-named", None, _everywhere(lambda c: c.replace(f"{NEUTRAL}, ", ""))),
    "other_trigger": Fault("other-trigger", "worn", _foreign),
    "another_outfit": Fault("another-outfit", "worn", _mixed),
}


def run(small: bool) -> dict[str, Figure]:
    """The share of sets in which each planted fault was found, and of clean sets with a serious finding."""
    rng, reader = random.Random(FINAL_SEED), reading.load()
    found: dict[str, list[bool]] = {name: [] for name in FAULTS}
    stopped = []
    for _ in range(2 if small else 40):
        who = rng.choice(list(HELD_OUT_IDENTITIES.values()))
        one, other = rng.sample([g for g in HELD_OUT_DESIGNS.values()], 2)
        while other.kind == one.kind:
            other = rng.choice(list(HELD_OUT_DESIGNS.values()))
        neutral, worn, strange = (_seen(reader, Doll(who, g, distinct_scenes(rng, 1)[0]), n, rng) for g, n in _sets(one, other))
        stopped.append(any(f.severity == "serious" for f in lint([*neutral, *worn], WORDS)))
        for name, fault in FAULTS.items():
            own = fault.plant(worn if fault.outfit else neutral, rng, strange)
            found[name].append(any(f.code == fault.code for f in lint(own, WORDS)))
    return {f"lint_found_{name}": share(hits) for name, hits in found.items()} | {"lint_stopped_clean_sets": share(stopped)}


def _sets(one: Garment, other: Garment) -> list[tuple[Garment | None, str | None]]:
    return [(None, None), (one, "worn"), (other, "worn")]


def _seen(reader: reading.Reader, doll: Doll, outfit: str | None, rng: random.Random) -> list[Seen]:
    scenes = distinct_scenes(rng, _PICTURES)
    pictures = np.stack([render(replace(doll, scene=s)).picture for s in scenes])
    readings = reader.read(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    name = garment_tag(doll.garment) if outfit else "neutral"
    return [
        Seen(f"{name}{i}", f"{i:02}.png", outfit, ", ".join([*([] if outfit else [NEUTRAL]), *scene_tags(s)]), outfit is not None,
             shown_tags(r), r.words["kind"])
        for i, (s, r) in enumerate(zip(scenes, readings, strict=True))
    ]  # fmt: skip


if __name__ == "__main__":
    from benchmarks.pictures._alone import main

    main(run)
