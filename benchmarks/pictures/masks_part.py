"""Automatic garment masks against the renderer's exact ones: mean intersection over union, on held-out dolls and designs.

    python -m benchmarks.pictures.masks_part [--small] [--json FILE] [--sheet FILE.png]

(a) the reader's label map, refined by colour; (b) the embedded base model's own attention to the garment's words, refined by
colour, as it would be done on any base model of this kind. Developed on dolls that are not held out; seeds here are others.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dressform import backbones
from dressform.layfigure.captions import garment_tag, identity_tags, scene_tags
from dressform.layfigure.doll import Doll
from dressform.layfigure.render import Render, render
from dressform.layfigure.world import held_out_doll
from dressform.measure import reader as reading
from dressform.pictures import masks
from dressform.records import Figure
from dressform.workspace import masking

FINAL_SEED = 7100


def run(small: bool) -> dict[str, Figure]:
    """Mean IoU of both ways."""
    by_reader, by_words = masked(FINAL_SEED, *((40, 16) if small else (200, 100)))
    return {"mask_iou_reader": mean([v for v, _, _ in by_reader]), "mask_iou_words": mean([v for v, _, _ in by_words])}


Judged = tuple[float, Render, np.ndarray]


def masked(seed: int, by_reader: int, by_words: int) -> tuple[list[Judged], list[Judged]]:
    """IoU, the true render and the found mask, for that many dolls each way; the second use the first's dolls."""
    rng, reader, base = random.Random(seed), reading.load(), backbones.load("layfigure")
    dolls = [held_out_doll(rng) for _ in range(max(by_reader, by_words))]
    drawn = [render(d) for d in dolls]
    squares = torch.from_numpy(np.stack([d.picture for d in drawn])).permute(0, 3, 1, 2)
    first = [m for part in squares[:by_reader].split(32) for m in masking.by_reader(part, reader)]
    second = []
    for doll, square in zip(dolls[:by_words], squares[:by_words], strict=True):
        second.append(masking.by_words(base, square, _tags(doll), [garment_tag(doll.garment)]))
    return _judged(drawn, first), _judged(drawn, second)


def _tags(doll: Doll) -> list[str]:
    return [*identity_tags(doll.identity), garment_tag(doll.garment), *scene_tags(doll.scene)]


def _judged(drawn: Sequence[Render], found: Sequence[np.ndarray]) -> list[Judged]:
    return [(masks.overlap(one, d.garment_mask), d, one) for d, one in zip(drawn, found, strict=False)]


def mean(values: Sequence[float]) -> Figure:
    """The mean with its 95 % interval from the standard error."""
    n, centre = len(values), float(np.mean(values))
    half = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else 1.0
    return Figure(centre, n, max(0.0, centre - half), min(1.0, centre + half))


def sheet(judged: Sequence[Judged], file: Path) -> None:
    """Pictures above, found masks tinted below, the worst first."""
    worst = sorted(judged, key=lambda row: row[0])[:16]
    columns = [np.concatenate([d.picture, masks.overlaid(d.picture, m)]) for _, d, m in worst]
    Image.fromarray(np.concatenate(columns, axis=1)).save(file)


if __name__ == "__main__":
    if "--sheet" in sys.argv:
        for name, judged in zip(("reader", "words"), masked(FINAL_SEED, 64, 32), strict=True):
            sheet(judged, Path(sys.argv[sys.argv.index("--sheet") + 1]).with_suffix(f".{name}.png"))
    else:
        from benchmarks.pictures._alone import main

        main(run)
