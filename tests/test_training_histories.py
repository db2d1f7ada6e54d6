"""Trainings that are killed, stopped, parted and begun again in any order end in the files of one that nobody touched."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dressform.store import MemoryStore
from dressform.train.events import StepDone
from dressform.train.loop import Saved
from dressform.workspace import training
from dressform.workspace.begun import steps_done
from dressform.workspace.workspace import Workspace
from tests import wardrobes
from tests.wardrobes import GIB, adapters

OUTFITS, STEPS = ("dress", "coat", "kimono"), 5


class Killed(BaseException):
    """No code may tidy up after it."""


class Mortal(MemoryStore):
    """A store whose process is killed before its ``left``-th change (None: never)."""

    left: int | None = None

    def _live(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Killed

    def write(self, name: str, data: bytes) -> None:
        self._live()
        super().write(name, data)

    def write_all(self, parts, forgetting=()) -> None:
        self._live()
        super().write_all(parts, forgetting)

    def delete_all(self, names) -> None:
        self._live()
        for name in names:
            super().delete(name)


@pytest.fixture
def made(tmp_path: Path, tiny_backbone, tiny_base: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a character with three outfits whose training saves every second step."""
    wardrobes.undisturbed(monkeypatch, tiny_backbone)
    monkeypatch.setattr(training, "Saved", lambda *given: Saved(*given, every_steps=2))
    drawn = wardrobes.draw(tmp_path / "sets", OUTFITS)
    return lambda called: wardrobes.make(tmp_path / called, (tiny_base, tiny_backbone), drawn, OUTFITS, Mortal())


def train(her: Workspace, **how) -> tuple[str, ...]:
    return training.run(her, *(replace(r, rows=2) for r in training.recipes(2, 0, STEPS)), **how).adapters


def a_stop(her: Workspace, dice: random.Random) -> None:
    """One training that is likely to be stopped; what it goes on with, it goes on with from its newest checkpoint."""
    only = dice.choice([(), (), dice.sample(OUTFITS, dice.randint(1, 2))])
    restart = bool(only) and dice.random() < 0.25
    saved = {name: steps_done(her.store, [name]) for name in OUTFITS}
    first: dict[str, int] = {}
    last = dice.randint(1, 12) if dice.random() < 0.4 else 0
    if not last:
        her.store.left = dice.randint(0, 22)  # type: ignore[attr-defined]
    count = 0

    def on_step(what: str, event: StepDone) -> None:
        nonlocal count
        count += 1
        for name in event.losses if what == "outfits" else ():
            first.setdefault(name.removeprefix("aoi-"), (event.step - 1) % STEPS + 1)
        if count == last:
            raise KeyboardInterrupt

    with suppress(Killed, KeyboardInterrupt):
        train(her, only=only, restart=restart, memory_bytes=dice.choice([4, 1000]) * GIB, on_step=on_step)
    her.store.left = None  # type: ignore[attr-defined]
    assert restart or all(step == saved[name] + 1 for name, step in first.items()), "no saved step is taken twice"


@pytest.mark.recipe
def test_any_history_ends_in_the_same_files(made) -> None:
    whole = made("whole")
    train(whole)
    for seed in range(8):
        dice, her = random.Random(seed), made(f"her{seed}")
        for _ in range(dice.randint(2, 5)):
            a_stop(her, dice)
        train(her)
        assert adapters(her) == adapters(whole), seed
        assert not list(her.store.list("checkpoints/")) and train(her) == ()
