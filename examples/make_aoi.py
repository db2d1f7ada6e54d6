"""Draws the sample character's pictures: a held-out identity, five unseen garment designs, a dozen pictures each.

python examples/make_aoi.py
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PIL import Image

from dressform.layfigure.captions import NEUTRAL, scene_tags
from dressform.layfigure.doll import Doll, Garment, Scene
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, random_scene

OUTFITS = {"swimsuit": "swimsuit-a", "dress": "dress-a", "pilot": "uniform-a", "everyday": "shirt-b", "armour": "armour-a"}


def draw(folder: Path, worn: Garment | None, seed: int, count: int = 12) -> None:
    """One set of pictures with captions, and masks where a garment is worn."""
    rng = random.Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = random_scene(rng)
        scenes += [] if scene in scenes else [scene]
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    for i, scene in enumerate(scenes):
        drawn = render(Doll(HELD_OUT_IDENTITIES["aoi"], worn, scene))
        tags = scene_tags(scene) if worn else [NEUTRAL, *scene_tags(scene)]
        Image.fromarray(np.ascontiguousarray(drawn.picture)).save(folder / f"{i:02}.png", optimize=True)
        (folder / f"{i:02}.txt").write_text(", ".join(tags) + "\n")
        if worn:
            Image.fromarray(drawn.garment_mask).save(folder / "masks" / f"{i:02}.png", optimize=True)
    if not worn:
        (folder / "masks").rmdir()


def main() -> None:
    root = Path(__file__).parent / "aoi"
    draw(root / "neutral", None, seed=0)
    for i, (name, design) in enumerate(OUTFITS.items()):
        draw(root / name, HELD_OUT_DESIGNS[design], seed=i + 1)


if __name__ == "__main__":
    main()
