"""How much slower is reading sealed pictures than reading and decoding plain ones?

    python -m benchmarks.trust.reading [--pictures 60] [--rounds 7] [--json FILE]

Both read 1024 x 1024 PNG files (lay-figure dolls with paper grain, so that they are as hard to decode as drawings) and decode
them. The two take turns within a round. Stated: at least 95 % of the plain speed.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from dressform.layfigure.render import render
from dressform.layfigure.world import training_doll
from dressform.store import DirectoryStore, Store
from dressform.vault import keys, vault


def seconds(store: Store, names: list[str]) -> float:
    began = time.perf_counter()
    for name in names:
        np.asarray(Image.open(io.BytesIO(store.read(name))))
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rng, grain = random.Random(0), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        plain = DirectoryStore(Path(place) / "plain")
        sealed = vault.create(Path(place) / "sealed", {"owner": keys.recipient_of(keys.new_identity())})
        names = [f"pictures/{i}.png" for i in range(args.pictures)]
        for name in names:
            pixels = render(training_doll(rng), 1024).picture.astype(np.int16) + grain.integers(-3, 4, (1024, 1024, 1))
            out = io.BytesIO()
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "PNG")
            plain.write(name, out.getvalue())
            sealed.write(name, out.getvalue())
        ratios = []
        for _ in range(args.rounds):
            a, b = seconds(plain, names), seconds(sealed, names)
            ratios.append(a / b)
    middle = statistics.median(ratios)
    print(f"sealed speed / plain speed: median {middle:.1%}, {min(ratios):.1%} to {max(ratios):.1%} over {args.rounds} rounds")
    if args.json:
        figure = {"value": middle, "n": args.rounds, "low": min(ratios), "high": max(ratios)}
        args.json.write_text(json.dumps({"figures": {"sealed_reading_speed": figure}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
