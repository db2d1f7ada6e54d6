"""Draws the sample character's pictures.

python examples/make_aoi.py
"""

from __future__ import annotations

from pathlib import Path

from dressform.layfigure.samples import draw_aoi

if __name__ == "__main__":
    draw_aoi(Path(__file__).parent / "aoi")
