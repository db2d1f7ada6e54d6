"""The lookbook's picture: every name whole, and no larger than a picture may be."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageDraw

from dressform.dress.lookbook import sheet

VIEWS = ("front", "back")


@pytest.mark.parametrize(("cell", "side"), [(128, 256), (256, 512), (1024, 512)])
def test_small_looks_are_enlarged_and_large_ones_are_not(cell: int, side: int) -> None:
    looks = {("dress", view): np.full((cell, cell, 3), 90, np.uint8) for view in VIEWS}
    drawn = np.asarray(sheet(looks, ["dress"], VIEWS, "aoi"))
    assert ((drawn == 90).all(-1).sum(0) > 0).sum() == side * len(VIEWS)


def test_long_names_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    name, left = "school-uniform-of-the-summer-of-2026", []
    real = ImageDraw.ImageDraw.text

    def text(pen, at, words, *rest, **more):
        if words == name:
            left.append(at[0] - more["font"].getlength(words))
        return real(pen, at, words, *rest, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    sheet({(name, view): np.zeros((128, 128, 3), np.uint8) for view in VIEWS}, [name], VIEWS, "aoi")
    assert left and left[0] >= 0
