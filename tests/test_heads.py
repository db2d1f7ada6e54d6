"""Heads of silhouettes, which say how many figures stand where no gap is seen; and the seam between two that touch."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dressform.pictures import figures
from dressform.pictures.backdrop import line_strength
from dressform.pictures.heads import heads


def silhouette(*middles: int, ears: bool = False) -> np.ndarray:
    """Figures 200 pixels tall around these columns, shoulder to shoulder; with ears that reach the next head."""
    image = Image.new("1", (max(middles) + 60, 200))
    paint = ImageDraw.Draw(image)
    for x in middles:
        paint.ellipse((x - 19, 0, x + 19, 40), fill=1)
        paint.rectangle((x - 7, 38, x + 7, 56), fill=1)
        paint.rectangle((x - 40, 55, x + 40, 200), fill=1)
        if ears:
            paint.rectangle((x - 40, 16, x + 40, 22), fill=1)
    return np.asarray(image)


@pytest.mark.parametrize("ears", [False, True])
@pytest.mark.parametrize("middles", [(50,), (50, 130), (50, 130, 210)])
def test_each_head_is_found_though_shoulders_and_ears_touch(middles: tuple[int, ...], ears: bool) -> None:
    found = heads(silhouette(*middles, ears=ears))
    assert len(found) == len(middles) and all(abs(a - b) <= 2 for a, b in zip(found, middles, strict=True))


def test_a_raised_hand_is_no_head_and_nothing_has_none() -> None:
    body = silhouette(50).copy()
    body[0:60, 92:104] = True
    assert heads(body) == heads(silhouette(50)) and heads(np.zeros((50, 20), bool)) == []


def test_a_seam_follows_a_line_that_turns_sharply() -> None:
    """An elbow in front of a neighbour: the line around it runs level for many pixels, and the seam goes with it."""
    price = np.ones((200, 80))
    price[:70, 20] = price[70, 20:41] = price[70:130, 40] = price[130, 20:41] = price[130:, 20] = 0.05
    seam = figures._seam(price, figures._Stretch(22, 5, 75))
    assert seam is not None and set(seam[:69]) == {20} and set(seam[71:129]) == {40} and set(seam[132:]) == {20}


def test_halves_of_several_whole_figures_hang_together_and_limbs_do_not() -> None:
    two = np.pad(silhouette(50), ((0, 0), (0, 20))), silhouette(50)
    assert figures._in_one(np.hstack(two))
    limbs = np.zeros((200, 120), bool)
    limbs[60:120, 10:40] = limbs[120:200, 80:110] = True
    assert not figures._in_one(limbs)


def test_the_outlines_of_two_that_touch_are_one_line() -> None:
    pixels = np.full((40, 60, 3), 150, np.uint8)
    pixels[:, 27:33] = 30
    assert (line_strength(pixels)[:, 27:33] == 1).all() and not line_strength(pixels)[:, :26].any()
