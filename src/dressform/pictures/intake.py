"""From a picture that somebody gave to a clean one: decoded by content, checked, turned upright, its colours converted.

What is learned from is its pixels, its mask and its caption. The file as it was given is kept sealed beside them.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dressform.errors import BadInput, Refused
from dressform.pictures import colour, sources
from dressform.pictures.archive import FILE_LIMIT_BYTES as FILE_LIMIT_BYTES
from dressform.pictures.container import examined
from dressform.pictures.png import from_png as from_png
from dressform.pictures.png import png as png
from dressform.pictures.rows import refuse_missing
from dressform.pictures.sharpness import SOFT_BELOW, sharpness
from dressform.pictures.sources import Item

LEAST_MASK, MOST_MASK = 0.0005, 0.9
"""The shares of a picture that a garment's or accessory's mask may cover."""


@dataclass(frozen=True)
class Decoded:
    """A checked picture: RGB pixels uint8 [h, w, 3], the garment mask bool [h, w] or None, and its caption.

    ``what`` says what it was ("JPEG 640x480, turned upright"), ``original`` are the bytes as they were given.
    """

    pixels: np.ndarray
    mask: np.ndarray | None
    caption: str
    what: str = ""
    warnings: tuple[str, ...] = ()
    original: bytes = b""

    @property
    def id(self) -> str:
        """Name by content: the same pixels are the same picture."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()[:20]


def decode(given: Item | Path, least_px: int, original: bool, neutral: bool = False) -> Decoded:
    """Read one picture with the caption and mask beside it; an alpha channel with something drawn under what is transparent is a
    dressed picture's mask where no file is.

    Raises BadInput where it is no whole still picture of at least ``least_px``, and Refused for camera metadata
    where the character is an original: that is a photograph of a person.
    """
    item = sources.one(given) if isinstance(given, Path) else given
    data = item.read()
    seen, kind = _opened(data, item.called, original)
    height, width = seen.pixels.shape[:2]
    if max(width, height) < least_px:
        raise BadInput(f"{item.called}: {width}x{height} is too small, the base model needs {least_px} px")
    mask = _mask_of(item, (width, height))
    pixels, alpha, warned = seen.pixels, seen.alpha, seen.warnings
    if alpha is not None:
        opaque = alpha >= 128
        if not alpha.any():
            raise BadInput(f"{item.called}: all of it is transparent; save it with something to be seen")
        if neutral or colour.hides_nothing(pixels, alpha):  # a cut-out: what is seen is all of her, and no garment's mask
            pixels = colour.on_white(pixels, alpha)
        elif mask is None and LEAST_MASK <= opaque.mean() <= MOST_MASK:
            mask = opaque
        elif mask is None and not opaque.all():
            pixels = colour.on_white(pixels, alpha)
            warned = (*warned, f"{opaque.mean():.0%} of it is opaque, so that is no garment's mask; taken on white")
    pixels = np.ascontiguousarray(pixels)
    if sharpness(pixels, least_px) < SOFT_BELOW:
        warned = (*warned, f"soft at {least_px} px: a sharper picture teaches more")
    what = ", ".join([f"{kind} {width}x{height}", *seen.done])
    return Decoded(pixels, mask, item.caption(), what, warned, data)


def fitted(pixels: np.ndarray, side: int) -> np.ndarray:
    """The whole picture in a square of ``side``, padded with its border's colour: uint8 [side, side, 3]."""
    image = Image.fromarray(pixels)
    small = ImageOps.contain(image, (side, side), Image.Resampling.LANCZOS) if image.size != (side, side) else image
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = Image.new("RGB", (side, side), tuple(int(v) for v in np.median(border, axis=0)))
    paper.paste(small, _corner(small.size, side))
    return np.asarray(paper)


def fitted_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """The mask moved as ``fitted`` moves its picture: bool [side, side]."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    small = ImageOps.contain(image, (side, side), Image.Resampling.NEAREST) if image.size != (side, side) else image
    paper = Image.new("L", (side, side), 0)
    paper.paste(small, _corner(small.size, side))
    return np.asarray(paper) > 127


def _corner(size: tuple[int, int], side: int) -> tuple[int, int]:
    return (side - size[0]) // 2, (side - size[1]) // 2


def _opened(data: bytes, called: str, original: bool) -> tuple[colour.Plain, str]:
    """The decoded picture as it is meant to be seen, and its kind. Raises BadInput or Refused."""
    try:
        found = examined(data)
        if found.kind == "PNG":
            refuse_missing(data)
    except BadInput as error:
        raise BadInput(f"{called}: {error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=(found.kind,))
            image.load()
            return colour.plain(image, original), found.kind
    except BadInput as error:
        raise BadInput(f"{called}: {error}") from error
    except Refused as error:
        raise Refused(f"{called}: {error}") from error
    except Exception as error:  # a decoder may raise anything on a file made to break it
        raise BadInput(f"{called}: damaged or cut off ({' '.join(str(error).split())[:80]})") from error


def _mask_of(item: Item, size: tuple[int, int]) -> np.ndarray | None:
    data = item.mask()
    if data is None:
        return None
    called = f"masks/{Path(item.mask_path or '').name}"
    seen, _ = _opened(data, called, False)
    height, width = seen.pixels.shape[:2]
    if (width, height) != size:
        raise BadInput(f"{called}: {width}x{height}, but its picture is {size[0]}x{size[1]}")
    pixels = seen.pixels if seen.alpha is None else seen.pixels * (seen.alpha[..., None] > 127)
    found = np.asarray(Image.fromarray(pixels).convert("L")) > 127
    if not LEAST_MASK <= found.mean() <= MOST_MASK:
        raise BadInput(f"{called}: covers {found.mean():.0%} of the picture; it is to be white where the garment is, and black elsewhere")
    return found
