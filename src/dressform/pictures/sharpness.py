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
    by = 2 if min(grey.shape) >= 258 else 1  # one place in four tells as much of a large picture
    middle = (slice(1, -1, by), slice(1, -1, by))
    bend = np.abs(4 * grey[middle] - grey[:-2:by, middle[1]] - grey[2::by, middle[1]] - grey[middle[0], :-2:by] - grey[middle[0], 2::by])
    low, high = np.percentile(grey[::4, ::4] if min(grey.shape) >= 256 else grey, (0.5, 99.5))
    contrast = float(high - low)
    return float(np.percentile(bend, _STRONGEST)) / contrast if contrast >= 8 else 1.0
