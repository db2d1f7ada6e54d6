"""Picture sets of a doll as a person would bring them: a folder of pictures, captions beside them, garment masks."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PIL import Image

from dressform.layfigure.captions import NEUTRAL, scene_tags
from dressform.layfigure.doll import Doll, Garment, Identity
from dressform.layfigure.render import render
from dressform.layfigure.world import distinct_scenes


def draw(folder: Path, who: Identity, worn: Garment | None, count: int, seed: int, size: int = 128) -> None:
    """Write ``count`` pictures of one doll in distinct scenes into ``folder``, the same for the same seed.

    ``00.png`` (size x size), ``00.txt`` (how she is seen, in tags; never who she is) and, where a garment is worn,
    ``masks/00.png`` (white where the garment is).
    """
    (folder / "masks" if worn else folder).mkdir(parents=True, exist_ok=True)
    for i, scene in enumerate(distinct_scenes(random.Random(seed), count)):
        drawn = render(Doll(who, worn, scene), size)
        tags = scene_tags(scene) if worn else [NEUTRAL, *scene_tags(scene)]
        Image.fromarray(np.ascontiguousarray(drawn.picture)).save(folder / f"{i:02}.png", optimize=True)
        (folder / f"{i:02}.txt").write_text(", ".join(tags) + "\n")
        if worn:
            Image.fromarray(drawn.garment_mask).save(folder / "masks" / f"{i:02}.png", optimize=True)
