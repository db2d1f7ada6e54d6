"""Aspect-ratio buckets: pictures grouped by shape into sizes of about one area, so that each is cropped as little as can be.

After NovelAI (2022) and kohya: sd-scripts ``library/model_util.make_bucket_resolutions``. Sizes are (height, width) in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

Size = tuple[int, int]
_STEPS_A_SIDE, _LONGEST = 16, 2
"""A side grows in sixteenths of the base model's (64 px of 1024), up to twice as long: from 1 : 4 to 4 : 1."""


def sizes(side_px: int, multiple_px: int) -> tuple[Size, ...]:
    """The buckets of a base model whose square pictures have ``side_px``; every side a multiple, no area above the square's."""
    step = multiple_px * math.ceil(side_px / _STEPS_A_SIDE / multiple_px)
    found = {(side_px, side_px)}
    for long in range(side_px, _LONGEST * side_px + 1, step):
        short = side_px * side_px // long // step * step
        found |= {(long, short), (short, long)} if short else set()
    return tuple(sorted(found))


def nearest(size: Size, among: Sequence[Size]) -> Size:
    """The bucket that a picture of this size loses least in; of equals, the larger."""
    height, width = size

    def lost(bucket: Size) -> tuple[float, int]:
        return abs(math.log(height * bucket[1] / (width * bucket[0]))), -bucket[0] * bucket[1]

    return min(among, key=lost)


def fitted(pixels: np.ndarray, bucket: Size) -> np.ndarray:
    """The picture made as small as fills the bucket, what stands over cropped away evenly: uint8 [h, w, 3]."""
    return _cropped(Image.fromarray(pixels), bucket, Image.Resampling.LANCZOS)


def fitted_mask(mask: np.ndarray, bucket: Size) -> np.ndarray:
    """The mask moved as ``fitted`` moves its picture: bool [h, w]."""
    return _cropped(Image.fromarray(mask.astype(np.uint8) * 255), bucket, Image.Resampling.NEAREST) > 127


def frame(size: Size, bucket: Size) -> tuple[int, int, int, int, int, int]:
    """What happened to a picture of this size: its height and width, rows and columns cropped at the top and left, the bucket's size."""
    height, width = _filling(size, bucket)
    return *size, (height - bucket[0]) // 2, (width - bucket[1]) // 2, *bucket


def _filling(size: Size, bucket: Size) -> Size:
    """The picture's size when it just covers the bucket."""
    scale = max(b / s for s, b in zip(size, bucket, strict=True))
    height, width = (max(b, round(s * scale)) for s, b in zip(size, bucket, strict=True))
    return height, width


def _cropped(image: Image.Image, bucket: Size, how: Image.Resampling) -> np.ndarray:
    size = image.height, image.width
    height, width = _filling(size, bucket)
    _, _, top, left, *_ = frame(size, bucket)
    resized = image if size == (height, width) else image.resize((width, height), how)
    return np.asarray(resized.crop((left, top, left + bucket[1], top + bucket[0])))
