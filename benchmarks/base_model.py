"""How well the embedded base model draws what is asked, and how well the reader reads.

    python -m benchmarks.base_model [--prompts 1000] [--steps 20] [--json FILE]

Prompts describe held-out identity x held-out garment pairs in random scenes, drawn by the embedded model alone and
read back. The reader is judged on true renders of held-out dolls over every background, and on the same renders after
the autoencoder. An attribute counts where the true render of the doll shows it.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from dressform import backbones
from dressform.adapters.stack import AdapterStack
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.layfigure.captions import caption
from dressform.layfigure.doll import VOCABULARY, Doll, attributes
from dressform.layfigure.render import render
from dressform.layfigure.visible import visible
from dressform.layfigure.world import held_out_doll
from dressform.measure import reader as reading
from dressform.measure.statistics import share
from dressform.records import Figure

ASKED = ("kind", "colour", "pattern", "skin", "hair_colour", "hair_style", "ears", "build", "height", "view", "pose", "background")


def figures(dolls: list[Doll], shown: list[frozenset[str]], found: list[reading.Reading]) -> dict[str, Figure]:
    """One figure for each attribute over the dolls that show it, and one for all of ASKED at once."""
    right = [{n: r.words.get(n) == attributes(d)[n] for n in s} for d, s, r in zip(dolls, shown, found, strict=True)]
    each = {n: share(row[n] for row in right if n in row) for n in VOCABULARY}
    return each | {"all_at_once": share(all(row.get(n, True) for n in ASKED) for row in right)}


def table(title: str, found: dict[str, Figure]) -> None:
    print(f"\n{title}")
    for name, f in found.items():
        print(f"  {name:<12} {f.value:7.2%}   {f.low:7.2%} to {f.high:7.2%}   n={f.n}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path, help="write the first 32 pictures as a sheet")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    dolls = [held_out_doll(rng) for _ in range(args.prompts)]
    renders = [render(d) for d in dolls]
    shown = [visible(d, r) for d, r in zip(dolls, renders, strict=True)]
    truth = torch.from_numpy(np.stack([r.picture for r in renders])).permute(0, 3, 1, 2)
    base, reader = backbones.load("layfigure"), reading.load()
    results = {"reader": figures(dolls, shown, reader.read(truth))}
    table("reader on true renders of held-out dolls", results["reader"])
    round_trip = torch.cat([base.decode(base.encode_pictures(part)) for part in truth.split(32)])
    results["reader_after_autoencoder"] = figures(dolls, shown, reader.read(round_trip))
    table("reader after the autoencoder (the noise floor)", results["reader_after_autoencoder"])

    began = time.monotonic()
    rows = [Row(caption(d), args.seed + i, ()) for i, d in enumerate(dolls)]
    stack = AdapterStack({}, [])
    drawn = draw(base, stack, rows, SampleConfig(args.steps, args.guidance, 32), lambda n: print(f"\r{n} drawn", end="", flush=True))
    results["base_model"] = figures(dolls, shown, reader.read(drawn))
    table(f"base model, {args.steps} steps, guidance {args.guidance}, {time.monotonic() - began:.0f} s", results["base_model"])
    if args.picture:
        save_sheet(drawn[:32], args.picture)
    if args.json:
        named = {f"{part}.{name}": asdict(f) for part, rows_ in results.items() for name, f in rows_.items()}
        args.json.write_text(json.dumps({"figures": named, "steps": args.steps, "seed": args.seed}, indent=1) + "\n")


def save_sheet(pictures: torch.Tensor, file: Path, columns: int = 8) -> None:
    """A contact sheet of uint8 pictures [n, 3, h, w]."""
    from PIL import Image

    n, _, h, w = pictures.shape
    grid = pictures.view(n // columns, columns, 3, h, w).permute(0, 3, 1, 4, 2).reshape(n // columns * h, columns * w, 3)
    Image.fromarray(grid.numpy()).save(file)


if __name__ == "__main__":
    main()
