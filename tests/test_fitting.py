"""What ``plan`` says of memory before anything is measured: on a card, on a machine without one, and what would make it fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dressform.backbones import memory as account
from dressform.backbones import stable_diffusion_xl
from dressform.backbones.precision import Placement
from dressform.backbones.sketch import Sketch
from dressform.errors import NotReady
from dressform.records import Outfit
from dressform.store import MemoryStore
from dressform.train.plan import Cost
from dressform.vault import owner
from dressform.workspace import creating, fitting, planning, training
from dressform.workspace.fitting import Room, Rung
from dressform.workspace.workspace import Workspace
from tests.test_memory import Shipped

GIB = 2**30
RUNGS = (Rung("", 40 * GIB, 9 * GIB), Rung("--recompute", 12 * GIB, 8 * GIB), Rung("--recompute --offload", 8 * GIB, 3 * GIB))


@pytest.fixture
def her(tmp_path: Path, tiny_base: Path, dolls: Path) -> Workspace:
    """A character on the tiny base model with pictures of a dress."""
    store = MemoryStore()
    creating.create(tmp_path / "aoi", creating.Asked("aoi", 24, base_model=str(tiny_base)), store)
    made = Workspace(tmp_path / "aoi", store, owner.load())
    made.add([dolls / "neutral"], None)
    made.add([dolls / "dress"], "dress")
    return made


def room(gib: float, asked: Rung = RUNGS[0]) -> Room:
    return Room("a card", int(gib * GIB), 1024, 4, asked, RUNGS)


def test_on_a_machine_without_a_card_it_is_the_machines_memory_and_nothing_is_offloaded(her: Workspace) -> None:
    config = training.recipes(2, 0, 2)[1]
    (line,) = fitting.lines(fitting.room(her, config, 100 * GIB))
    assert line == "one outfit at 32 x 32 would take about 1.0 GiB; 100.0 GiB of this machine's memory may be used"
    found = fitting.room(her, config, GIB // 2)
    assert (found.of, found.side_px, found.outfits) == ("this machine's memory", 32, 1)
    assert [r.options for r in found.rungs if "8bit" not in r.options] == ["", "--recompute"]
    assert found.asked == found.rungs[0] and fitting.room(her, config).budget_bytes > GIB / 4
    line, advice = fitting.lines(found)
    assert line.startswith("one outfit at 32 x 32 would take about 1.0 GiB (with --recompute 1.0 GiB")
    assert advice.startswith("by this account not even one")


def test_what_takes_more_outfits_and_pictures_takes_more(her: Workspace) -> None:
    config = training.recipes(2, 0, 2)[1]
    one = fitting.room(her, config, GIB // 2)
    many = [Outfit(f"o{i}", f"w{i}") for i in range(3)]
    her.character = replace(her.character, outfits=(*her.character.outfits, *many))
    four = fitting.room(her, config, GIB // 2)
    assert four.outfits == 4 and four.asked.together_bytes > one.asked.together_bytes and four.asked.least_bytes == one.asked.least_bytes
    assert fitting.room(her, replace(config, rows=9)).asked.together_bytes > four.asked.together_bytes
    assert fitting.room(her, replace(config, recompute=True)).asked == four.rungs[1]


@pytest.mark.parametrize(
    ("gib", "words"),
    [
        (48, None),
        (12, "all together fit with --recompute; as asked, fewer are trained together"),
        (8.5, "all together fit with --recompute --offload; with --recompute, fewer are trained together"),
        (4, "all together do not fit; with --recompute --offload, fewer are trained together"),
        (2, "by this account not even one picture at a time fits"),
    ],
)
def test_a_person_is_told_what_makes_it_fit(gib: float, words: str | None) -> None:
    first, *rest = fitting.lines(room(gib))
    assert first == (
        "4 outfits together at 1024 x 1024 would take about 40.0 GiB (with --recompute 12.0 GiB; with --recompute --offload 8.0 GiB); "
        f"{gib:.1f} GiB of a card may be used"
    )
    assert len(rest) == (words is not None) and (words is None or rest[0].startswith(words))


def test_what_was_asked_for_is_named_and_not_offered_again() -> None:
    (line,) = fitting.lines(room(13, RUNGS[1]))
    assert line == "4 outfits together at 1024 x 1024 would take about 12.0 GiB with --recompute (with --recompute --offload 8.0 GiB); " + (
        "13.0 GiB of a card may be used"
    )


def test_what_cannot_fit_is_refused_before_a_step_is_tried(her: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_a: object, **_k: object) -> Cost:
        raise AssertionError("a step was tried")

    monkeypatch.setattr(planning, "measured", never)
    monkeypatch.setattr(account, "ALLOWANCE", 0)
    with pytest.raises(NotReady, match=r"^one picture at a time needs about .* of this machine's memory may be used.*--memory.*model$"):
        training.run(her, *training.recipes(2, 0, 1), memory_bytes=1 << 10)


def test_a_card_that_is_full_after_all_is_one_line(her: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_a: object, **_k: object) -> Cost:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nand much more")

    monkeypatch.setattr(planning, "measured", full)
    monkeypatch.setattr(fitting, "room", lambda *_a: room(8.5))
    with pytest.raises(NotReady, match=r"^one picture at a time needs about 9.0 GiB, and 8.5 GiB .* may be used: with --recompute it"):
        training.run(her, *training.recipes(2, 0, 1))


@pytest.mark.parametrize("there", [True, False])
def test_a_card_is_offered_what_is_installed(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(fitting, "has_small", lambda: there)
    small = " --optimizer adamw8bit" if there else ""
    typed = [fitting._typed(s) for s in fitting._ladder(torch.device("cuda"))]
    assert typed == ["", "--recompute", *([f"--recompute{small}"] if there else []), f"--recompute{small} --offload"]


@pytest.mark.recipe
def test_where_blocks_are_offloaded_the_whole_training_is_the_same(her: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same recipe otherwise: previews, trial, identity and outfits."""
    recipes = [replace(r, recompute=True) for r in training.recipes(2, 0, 2)]
    training.run(her, *recipes)
    before = {name: her.store.read(name) for name in her.store.list("adapters/")}
    training.run(her, *(replace(r, offload=True) for r in recipes), restart=True)
    assert her.backbone.offload(False), "it stays away until it is asked for again"
    assert {name: her.store.read(name) for name in her.store.list("adapters/")} == before and len(before) == 4


@pytest.mark.recipe
def test_four_outfits_of_the_large_family_on_a_card_of_12_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    """The goal, as it is told: what fits there is found, and what does not is said to need more."""
    source: Any = Shipped("stable_diffusion_xl")
    sketch = stable_diffusion_xl.build(Sketch(source), Placement(torch.device("meta"), torch.bfloat16, torch.device("cuda")))
    monkeypatch.setattr(fitting, "has_small", lambda: True)
    config = replace(training.recipes(8, 0, 1)[1], rows=1, targets="attention")
    rungs = tuple(fitting._rung(sketch, config, 4, s) for s in fitting._ladder(torch.device("cuda")))
    found = Room("a card", 12 * GIB, sketch.size_px, 4, rungs[0], rungs)
    assert found.together is rungs[1] and rungs[0].together_bytes > 30 * GIB and rungs[-1].together_bytes < 8 * GIB
    assert fitting.lines(found)[1:] == ["all together fit with --recompute"]


def test_the_first_options_that_fit_are_taken_and_none_where_none_does() -> None:
    rungs = (fitting.Rung("", 40, 20), fitting.Rung("--recompute", 12, 9), fitting.Rung("--recompute --offload", 8, 3))

    def room(budget: int) -> fitting.Room:
        return fitting.Room("a card", budget, 1024, 4, rungs[0], rungs)

    assert room(40).together == rungs[0] and room(39).together == rungs[1] and room(8).least == rungs[2]
    assert room(7).together is None and room(2).least is None
