"""What stands behind figures: a cloud without an outline goes, whatever figures show of theirs."""

from __future__ import annotations

import numpy as np
import pytest

from dressform.pictures.backdrop import line_strength
from dressform.pictures.clouds import without_clouds

GROUND, FIGURE, CLOUD = (60, 62, 70), (150, 110, 80), (210, 210, 220)


def figure_before_a_cloud(outline: tuple[int, int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """A picture and what is not ground in it; three pixels of outline around the figure, with a way in at her side."""
    pixels, mask = np.empty((200, 160, 3), np.uint8), np.zeros((200, 160), bool)
    pixels[:] = GROUND
    pixels[30:80, 100:145] = CLOUD
    pixels[40:190, 50:110] = FIGURE if outline is None else outline
    pixels[43:187, 53:107] = FIGURE
    mask[40:190, 50:110] = mask[30:80, 105:145] = True
    return pixels, mask


@pytest.mark.parametrize("outline", [(20, 14, 12), (48, 40, 44), (120, 40, 40)], ids=["plain", "faint", "only another colour"])
def test_a_cloud_goes_and_a_figure_stays_whole_though_her_outline_is_faint(outline: tuple[int, int, int]) -> None:
    pixels, mask = figure_before_a_cloud(outline)
    found = without_clouds(pixels, mask, line_strength(pixels))
    assert found[40:190, 50:107].all() and not found[32:78, 113:143].any() and not (found & ~mask).any()


def test_a_figure_without_an_outline_stays_alone_or_before_a_cloud() -> None:
    pixels, mask = figure_before_a_cloud(None)
    assert np.array_equal(without_clouds(pixels, mask, line_strength(pixels)), mask)
    mask[:, 110:] = False
    pixels[~mask] = GROUND
    assert np.array_equal(without_clouds(pixels, mask, line_strength(pixels)), mask)
