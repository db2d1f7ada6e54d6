"""Draws the sample character's pictures: a held-out identity, five unseen garment designs, a dozen pictures each.

python examples/make_aoi.py
"""

from __future__ import annotations

from pathlib import Path

from dressform.layfigure.samples import draw
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES

OUTFITS = {"swimsuit": "swimsuit-a", "dress": "dress-a", "pilot": "uniform-a", "everyday": "shirt-b", "armour": "armour-a"}


def main() -> None:
    root, aoi = Path(__file__).parent / "aoi", HELD_OUT_IDENTITIES["aoi"]
    draw(root / "neutral", aoi, None, 12, seed=0)
    for i, (name, design) in enumerate(OUTFITS.items()):
        draw(root / name, aoi, HELD_OUT_DESIGNS[design], 12, seed=i + 1)


if __name__ == "__main__":
    main()
