"""Near-duplicates: how many changed copies are found, and how often two scenes of one doll are taken for one.

    python -m benchmarks.pictures.duplicates_part [--small]

Copies of held-out dolls: JPEG at quality 60, half the size, 3 % cropped away, another tone. Beside them, every pair of eight
distinct scenes of the same doll. Seeds of development are below 1000, those here above.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from PIL import Image, ImageEnhance

from dressform.layfigure.doll import Doll
from dressform.layfigure.render import render
from dressform.layfigure.world import distinct_scenes, held_out_doll
from dressform.measure.statistics import share
from dressform.pictures.duplicates import NEAR, distance, fingerprint
from dressform.records import Figure

FINAL_SEED = 7300


def jpeg(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=60)
    return Image.open(out).convert("RGB")


def halved(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def cropped(image: Image.Image) -> Image.Image:
    edge = round(image.width * 0.015)
    return image.crop((edge, edge, image.width - edge, image.height - edge))


def toned(image: Image.Image) -> Image.Image:
    return ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(0.9)).enhance(1.2)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {"jpeg": jpeg, "resize": halved, "crop": cropped, "colour": toned}


@dataclass(frozen=True)
class Distances:
    """How far each kind of copy, and each other scene, lies from its picture."""

    copies: dict[str, list[float]]
    scenes: list[float]


def measured(dolls: int, seed: int) -> Distances:
    """Distances over ``dolls`` held-out dolls of 256 px."""
    rng = random.Random(seed)
    copies: dict[str, list[float]] = {name: [] for name in CHANGES}
    scenes: list[float] = []
    for _ in range(dolls):
        prints = []
        for drawn in _scenes_of(held_out_doll(rng), rng):
            own = fingerprint(drawn)
            for name, change in CHANGES.items():
                copies[name].append(distance(own, fingerprint(np.asarray(change(Image.fromarray(drawn))))))
            prints.append(own)
        scenes += [distance(a, b) for a, b in combinations(prints, 2)]
    return Distances(copies, scenes)


def _scenes_of(doll: Doll, rng: random.Random) -> Iterator[np.ndarray]:
    for scene in distinct_scenes(rng, 8):
        yield np.ascontiguousarray(render(replace(doll, scene=scene), 256).picture)


def run(small: bool) -> dict[str, Figure]:
    """Shares found for each change, and the share of pairs of different scenes that were taken for one."""
    found = measured(4 if small else 40, FINAL_SEED)
    figures = {f"duplicates_found_{name}": share(d <= NEAR for d in distances) for name, distances in found.copies.items()}
    return figures | {"duplicates_false": share(d <= NEAR for d in found.scenes)}


if __name__ == "__main__":
    from benchmarks.pictures._alone import main

    main(run)
