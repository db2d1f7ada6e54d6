"""Is a picture sharp at the size it is learned at? Lines of a drawing bend the grey steeply; blur takes just that away."""

from __future__ import annotations

import numpy as np
from PIL import Image

SOFT_BELOW = 0.35
_STRONGEST = 99.7


def sharpness(pixels: np.ndarray, side: int) -> float:
    """The strong Laplacians (4-neighbour, in grey levels) over the picture's contrast, at most ``side`` pixels long.

    About 1 for a line drawing, near 0 for a blurred one; 1 for an empty picture, which has nothing to blur.
    """
    image = Image.fromarray(pixels).convert("L")
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    grey = np.asarray(image, dtype=np.float32)
    if min(grey.shape) < 3:
        return 1.0
    bend = np.abs(4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:])
    low, high = np.percentile(grey[::4, ::4] if min(grey.shape) >= 256 else grey, (0.5, 99.5))
    contrast = float(high - low)
    return float(np.percentile(bend[::2, ::2] if min(bend.shape) >= 256 else bend, _STRONGEST)) / contrast if contrast >= 8 else 1.0
