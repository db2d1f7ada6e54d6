"""Glasses, hats and bags on dolls: exact masks, and nothing else changed."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dressform.layfigure import samples
from dressform.layfigure.accessories import KINDS, Accessory, render_with
from dressform.layfigure.doll import COLOURS, POSES, VIEWS, Doll, Scene
from dressform.layfigure.render import GARMENT_RGB, render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, training_doll

AOI = HELD_OUT_IDENTITIES["aoi"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [64, 128])
def test_outside_its_mask_a_doll_with_an_accessory_is_the_doll_without(kind: str, size: int) -> None:
    rng = random.Random(1)
    for _ in range(6):
        doll = training_doll(rng)
        bare, worn = render(doll, size), render_with(doll, Accessory(kind, rng.choice(COLOURS)), size)
        assert np.array_equal(worn.picture[~worn.mask], bare.picture[~worn.mask]) and np.array_equal(worn.labels, bare.labels)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_seen_from_every_side_but_glasses_from_behind_and_stays_inside_the_picture(kind: str) -> None:
    people = itertools.cycle(HELD_OUT_IDENTITIES.values())
    for view in VIEWS:
        for pose in POSES:
            mask = render_with(Doll(next(people), None, Scene(view, pose)), Accessory(kind, "red")).mask
            hidden = (kind, view) == ("glasses", "back")
            assert mask.any() != hidden, (kind, view, pose)
            assert not mask[0].any() and not mask[:, 0].any() and not mask[:, -1].any(), (kind, view, pose)


@pytest.mark.parametrize("colour", ["red", "yellow"])
def test_it_has_its_colour(colour: str) -> None:
    drawn = render_with(Doll(AOI, HELD_OUT_DESIGNS["dress-a"], Scene()), Accessory("hat", colour))
    colours, counts = np.unique(drawn.picture[drawn.mask], axis=0, return_counts=True)
    assert colours[counts.argmax()].tolist() == list(GARMENT_RGB[colour])


def test_a_picture_set_shows_it_in_every_picture_and_names_what_is_worn_beside_it(tmp_path: Path) -> None:
    samples.draw_accessory(tmp_path / "bare", AOI, Accessory("glasses", "black"), None, 5, seed=3, size=64)
    samples.draw_accessory(tmp_path / "worn", AOI, Accessory("bag", "red"), HELD_OUT_DESIGNS["coat-a"], 2, seed=3, size=64)
    masks = [np.asarray(Image.open(f)) for f in sorted((tmp_path / "bare" / "masks").iterdir())]
    texts = [f.read_text() for f in sorted((tmp_path / "bare").glob("*.txt"))]
    assert len(masks) == len(texts) == len(list((tmp_path / "bare").glob("*.png"))) == 5 and all(m.sum() >= 4 for m in masks)
    assert all(t.startswith("neutral layer, ") and "glasses" not in t and "back view" not in t for t in texts)
    assert "coat, " in (tmp_path / "worn" / "01.txt").read_text()
