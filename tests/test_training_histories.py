"""Trainings that are killed, stopped, parted and begun again in any order end in the files of one that nobody touched."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dressform.layfigure import samples
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.store import MemoryStore
from dressform.train.events import StepDone
from dressform.train.loop import Saved
from dressform.vault import owner
from dressform.workspace import planning, training, workspace
from dressform.workspace.begun import steps_done
from dressform.workspace.workspace import Workspace

OUTFITS, STEPS, GIB = ("dress", "coat", "kimono"), 5, 2**30


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

    def write_all(self, parts) -> None:
        self._live()
        for name, data in parts.items():
            super().write(name, data)

    def delete_all(self, names) -> None:
        self._live()
        for name in names:
            super().delete(name)


@pytest.fixture
def made(tmp_path: Path, tiny_backbone, tiny_base: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a character with three outfits whose training saves every second step. In float32, with no trials and no previews."""
    monkeypatch.setattr(tiny_backbone, "autocast", lambda: torch.autocast("cpu", enabled=False))
    monkeypatch.setattr(training, "preview", lambda *_: None)
    monkeypatch.setattr(training, "Saved", lambda *given: Saved(*given, every_steps=2))
    monkeypatch.setattr(planning, "measured", lambda *_, **__: planning.Cost(0, GIB, 0.0, 1.0))
    aoi, sets = HELD_OUT_IDENTITIES["aoi"], tmp_path / "sets"
    samples.draw(sets / "neutral", aoi, None, 2, seed=0, size=32)
    for i, name in enumerate(OUTFITS):
        samples.draw(sets / name, aoi, HELD_OUT_DESIGNS[f"{name}-a"], 2, seed=i, size=32)

    def make(called: str) -> Workspace:
        workspace.create(tmp_path / called, workspace.Asked("aoi", 24, base_model=str(tiny_base)), store := Mortal())
        her = Workspace(tmp_path / called, store, owner.load())
        her.__dict__["backbone"] = tiny_backbone
        her.add([sets / "neutral"], None)
        for name in OUTFITS:
            her.add([sets / name], name)
        return her

    return make


def adapters(her: Workspace) -> dict[str, bytes]:
    return {n: her.store.read(n) for n in her.store.list("adapters/") if n.endswith(".safetensors")}


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

    try:
        train(her, only=only, restart=restart, memory_bytes=dice.choice([4, 1000]) * GIB, on_step=on_step)
    except (Killed, KeyboardInterrupt):
        pass
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
