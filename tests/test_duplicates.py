from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.pictures.duplicates_part import CHANGES
from dressform.layfigure.doll import Doll, Scene
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, training_doll
from dressform.pictures import duplicates


def doll(scene: Scene, side: int = 128) -> np.ndarray:
    aoi = Doll(HELD_OUT_IDENTITIES["aoi"], HELD_OUT_DESIGNS["dress-a"], scene)
    return np.ascontiguousarray(render(aoi, side).picture)


SCENES = [Scene("front", "standing", "park"), Scene("front", "waving", "park"), Scene("back", "standing", "park"), Scene("side")]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_share_a_group_and_other_scenes_do_not(change: str) -> None:
    pictures = [doll(s) for s in SCENES]
    pictures.append(np.asarray(CHANGES[change](Image.fromarray(pictures[1]))))
    assert duplicates.groups([duplicates.fingerprint(p) for p in pictures]) == [(0,), (1, 4), (2,), (3,)]


def test_the_distance_is_nothing_to_itself_and_the_same_both_ways() -> None:
    one, other = (duplicates.fingerprint(doll(s)) for s in SCENES[:2])
    assert duplicates.distance(one, one) == pytest.approx(0, abs=1e-3)
    assert duplicates.distance(one, other) == pytest.approx(duplicates.distance(other, one), abs=1e-3)
    assert duplicates.distance(one, other) > duplicates.NEAR


def test_an_empty_picture_is_near_itself_alone() -> None:
    blank, drawn = np.full((64, 64, 3), 255, np.uint8), doll(SCENES[3], 64)
    prints = [duplicates.fingerprint(p) for p in (blank, blank.copy(), drawn)]
    assert duplicates.groups(prints) == [(0, 1), (2,)]


def test_groups_join_through_a_picture_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_laid_over", lambda a, others: np.array([abs(int(a.views) - int(b.views)) for b in others]))
    marked = [duplicates.Fingerprint(np.ones(4, bool), np.array(mark)) for mark in (0, 50, 2, 4, 51)]
    assert duplicates.groups(marked, near=2) == [(0, 2, 3), (1, 4)]


def test_among_many_the_same_are_found_as_by_comparing_each_with_each() -> None:
    rng = random.Random(5)
    drawn = [render(training_doll(rng), 64).picture for _ in range(60)]
    again = [(0.95 * p).astype(np.uint8) for p in drawn[7:30:5]]
    prints = [duplicates.fingerprint(p) for p in (*drawn, *again)]
    pairs = {(i, j) for i in range(len(prints)) for j in range(i) if duplicates.distance(prints[i], prints[j]) <= duplicates.NEAR}
    together = {(i, j) for group in duplicates.groups(prints) for i in group for j in group if j < i}
    assert pairs and pairs <= together and {(60 + k, i) for k, i in enumerate(range(7, 30, 5))} <= together


def test_the_sharpest_is_kept_and_a_small_copy_is_not_it() -> None:
    whole = Image.fromarray(doll(SCENES[0]))
    soft, small = whole.resize((48, 48)).resize((128, 128)), whole.resize((64, 64))
    assert duplicates.sharpest([np.asarray(i) for i in (soft, small, whole)]) == 2


@given(st.lists(st.integers(1, 5), max_size=12), st.integers(0, 30), st.integers(0, 1000))
def test_a_split_never_puts_near_duplicates_on_both_sides(sizes: list[int], held_out: int, seed: int) -> None:
    names = iter(f"p{i}" for i in range(sum(sizes)))
    near = [[next(names) for _ in range(size)] for size in sizes]
    found = duplicates.split(near, held_out, seed)
    assert sorted((*found.train, *found.held_out)) == sorted(name for group in near for name in group)
    assert len(found.held_out) <= held_out
    assert all(len({name in found.train for name in group}) == 1 for group in near)
    assert found == duplicates.split(near, held_out, seed)


def test_a_split_holds_out_as_many_as_whole_groups_allow() -> None:
    near = [["a"], ["b", "c"], ["d"], ["e"]]
    assert {len(duplicates.split(near, 2, seed).held_out) for seed in range(20)} == {2}
    assert len({duplicates.split(near, 2, seed).held_out for seed in range(20)}) > 1
