"""Draws the two turnaround sheets that the tutorial follows: a held-out identity, and the same in an unseen kimono.

python -m examples.make_petra
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from benchmarks.pictures.making_sheets import turnaround
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES


def main() -> None:
    folder = Path(__file__).parent / "petra"
    for name, worn in (("neutral", None), ("kimono", HELD_OUT_DESIGNS["kimono-b"])):
        sheet = turnaround(HELD_OUT_IDENTITIES["petra"], worn, seed=6)
        Image.fromarray(sheet.pixels).save(folder / f"{name}-sheet.png", optimize=True)


if __name__ == "__main__":
    main()
