"""Picture sets of a doll as a person would bring them: a folder of pictures, captions beside them, masks of what is learned."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from dressform.layfigure.accessories import Accessory, render_with
from dressform.layfigure.captions import NEUTRAL, garment_tag, scene_tags
from dressform.layfigure.doll import Doll, Garment, Identity
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, SCENES, distinct_scenes

AOI_WEARS = {"swimsuit": "swimsuit-a", "dress": "dress-a", "pilot": "uniform-a", "everyday": "shirt-b", "armour": "armour-a"}
"""The sample character's outfits, and their designs."""

_SEEN_SHARE = 1 / 1024
"""Of the picture: less of an accessory teaches nothing of it (from behind, nobody wears glasses)."""


def draw(folder: Path, who: Identity, worn: Garment | None, count: int, seed: int, size: int = 128) -> None:
    """Write ``count`` pictures of one doll in distinct scenes into ``folder``, the same for the same seed.

    ``00.png`` (size x size), ``00.txt`` (how she is seen, in tags; never who she is) and, where a garment is worn,
    ``masks/00.png`` (white where the garment is).
    """
    for i, scene in enumerate(distinct_scenes(random.Random(seed), count)):
        drawn = render(Doll(who, worn, scene), size)
        tags = scene_tags(scene) if worn else [NEUTRAL, *scene_tags(scene)]
        _write(folder, i, drawn.picture, tags, drawn.garment_mask if worn else None)


def draw_aoi(folder: Path) -> None:
    """The sample character, whom no model was trained on: ``neutral`` and a folder for each outfit, a dozen pictures each."""
    aoi = HELD_OUT_IDENTITIES["aoi"]
    draw(folder / "neutral", aoi, None, 12, seed=0)
    for i, (name, design) in enumerate(AOI_WEARS.items()):
        draw(folder / name, aoi, HELD_OUT_DESIGNS[design], 12, seed=i + 1)


def draw_accessory(
    folder: Path, who: Identity, accessory: Accessory, worn: Garment | None, count: int, seed: int, size: int = 128
) -> None:  # fmt: skip
    """The same for an accessory, in scenes that show it: masks of it alone, and captions that say what she wears beside it."""
    scenes = distinct_scenes(random.Random(seed), SCENES)
    drawn = ((scene, render_with(Doll(who, worn, scene), accessory, size)) for scene in scenes)
    shown = ((scene, one) for scene, one in drawn if one.mask.mean() >= _SEEN_SHARE)
    for i, (scene, one) in enumerate(islice(shown, count)):
        _write(folder, i, one.picture, [garment_tag(worn), *scene_tags(scene)], one.mask)


def _write(folder: Path, i: int, picture: np.ndarray, tags: list[str], mask: np.ndarray | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(picture)).save(folder / f"{i:02}.png", optimize=True)
    (folder / f"{i:02}.txt").write_text(", ".join(tags) + "\n")
    if mask is not None:
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / "masks" / f"{i:02}.png", optimize=True)
