"""Which trainings a preset is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from benchmarks.separation.arms import ABLATIONS, ARMS, as_it_is, in_words
from benchmarks.separation.cases import Case
from benchmarks.separation.peft_arm import one_plain_with_peft

WITH_PEFT, IN_WORDS, TRUE = "one plain LoRA, PEFT", "nothing learned, in words", "true pictures, decoded"
EVERY = ARMS | ABLATIONS | {WITH_PEFT: one_plain_with_peft, IN_WORDS: in_words, TRUE: as_it_is}


@dataclass(frozen=True)
class Task:
    """One training and its probes. ``block`` is the part of the report it belongs to."""

    block: str
    arm: str
    case: Case
    each: int

    @property
    def key(self) -> str:
        return f"{self.block}/{self.arm}/{self.case.who}/{self.case.outfits}/{self.case.pictures}/{self.case.seed}"


def side_by_side(tasks: Iterable[Task], at_most: int) -> list[tuple[Task, ...]]:
    """Those that can be trained in one pass: of one arm, one seed, and as many outfits and pictures."""
    found: dict[tuple, list[Task]] = {}
    for task in tasks:
        found.setdefault((task.block, task.arm, task.case.outfits, task.case.pictures, task.case.seed), []).append(task)
    return [unit for some in found.values() for unit in _batched(some, at_most)]


def _batched(tasks: Iterable[Task], at_most: int) -> Iterator[tuple[Task, ...]]:
    left = iter(tasks)
    while some := tuple(islice(left, at_most)):
        yield some


def small() -> Iterator[Task]:
    """One character, two outfits, one seed: the order of the arms in minutes."""
    yield from (Task("arms", arm, Case("beryl", 2, 8, 11), 30) for arm in ARMS)


def full() -> Iterator[Task]:
    """Four characters, eight outfits, three seeds (PEFT's training once); then ablations, single outfits, and the curves."""
    people, seeds = ("beryl", "carmen", "dalia", "edda"), (11, 12, 13)
    for seed in seeds:
        for who in people:
            yield from (Task("arms", arm, Case(who, seed=seed), 20) for arm in (TRUE, IN_WORDS, *ARMS))
            yield Task("one outfit", "ours, dressed only", Case(who, 1, seed=seed), 40)
    for who in people:
        yield Task("arms", WITH_PEFT, Case(who, seed=11), 20)
        yield from (Task("ablations", arm, Case(who, seed=11), 20) for arm in ABLATIONS)
    ours = ("ours, neutral", "ours, dressed only", "one plain LoRA")
    for arm in ours:
        yield from (Task("outfits", arm, Case("beryl", n, seed=11), 40) for n in (1, 2, 4))
        yield from (Task("pictures", arm, Case("beryl", 4, n, 11), 40) for n in (4, 8, 16))


PRESETS = {"small": small, "full": full}
