"""From a file that somebody gave to a clean picture: decoded by content, checked, turned upright, stripped.

Nothing of the file survives but its pixels, its mask and its caption.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dressform.errors import BadInput, Refused

PIXEL_LIMIT = 64_000_000
FORMATS = ("PNG", "JPEG", "WEBP")
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
_CAMERA_TAGS = {271: "camera maker", 272: "camera model", 34853: "GPS position", 33434: "exposure time"}


@dataclass(frozen=True)
class Decoded:
    """A checked picture: RGB pixels uint8 [h, w, 3], the garment mask bool [h, w] or None, and its caption."""

    pixels: np.ndarray
    mask: np.ndarray | None
    caption: str

    @property
    def id(self) -> str:
        """Name by content: the same pixels are the same picture."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()[:20]


def candidates(given: Path) -> Iterator[Path]:
    """The picture files of a folder (not those in ``masks/``), or the file itself. Raises BadInput."""
    if given.is_file():
        yield given
        return
    if not given.is_dir():
        raise BadInput(f"{given}: no such file or folder")
    found = sorted(p for p in given.iterdir() if p.is_file() and p.suffix.lower() not in (".txt", ".md", ".json", ".toml"))
    if not any(p.suffix.lower() in _SUFFIXES for p in found):
        raise BadInput(f"{given}: no pictures in this folder; put PNG, JPEG or WebP files there")
    yield from found


def decode(file: Path, least_px: int, original: bool) -> Decoded:
    """Read one picture with the caption (``NAME.txt``) and mask (``masks/NAME.png``, or alpha) beside it.

    Raises BadInput where it is no whole still picture of at least ``least_px``, and Refused for camera metadata
    where the character is an original: that is a photograph of a person.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _opened(file)
        try:
            image.load()
            if original:
                _refuse_photographs(file, image)
            upright = ImageOps.exif_transpose(image)
        except (OSError, SyntaxError, ValueError, MemoryError) as error:
            raise BadInput(f"{file.name}: damaged or cut off ({error})") from error
    if max(upright.size) < least_px:
        raise BadInput(f"{file.name}: {upright.width}x{upright.height} is too small, the base model needs {least_px} px")
    mask = _mask_file(file, upright.size)
    if mask is None and upright.mode in ("RGBA", "LA", "PA") and (alpha := np.asarray(upright.convert("RGBA"))[..., 3]).min() < 128:
        mask = alpha >= 128
    return Decoded(np.asarray(upright.convert("RGB")), mask, _caption(file))


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


def png(array: np.ndarray) -> bytes:
    """A bare PNG of uint8 pixels or a bool mask."""
    out = io.BytesIO()
    Image.fromarray(array.astype(np.uint8) * 255 if array.dtype == bool else array).save(out, "PNG")
    return out.getvalue()


def from_png(data: bytes) -> np.ndarray:
    """The pixels of a PNG that ``png`` made."""
    return np.asarray(Image.open(io.BytesIO(data)))


def _corner(size: tuple[int, int], side: int) -> tuple[int, int]:
    return (side - size[0]) // 2, (side - size[1]) // 2


def _opened(file: Path) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(file.read_bytes()), formats=FORMATS)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"{file.name}: not a PNG, JPEG or WebP picture") from error
    if image.width * image.height > PIXEL_LIMIT:
        raise BadInput(f"{file.name}: {image.width}x{image.height} is over {PIXEL_LIMIT // 1_000_000} million pixels")
    if getattr(image, "is_animated", False):
        raise BadInput(f"{file.name}: an animation; give still pictures")
    return image


def _refuse_photographs(file: Path, image: Image.Image) -> None:
    found = [what for tag, what in _CAMERA_TAGS.items() if tag in image.getexif()]
    if found:
        raise Refused(f"{file.name}: carries a {found[0]}, so it is a photograph; an original character has drawings only")


def _caption(file: Path) -> str:
    text = file.with_suffix(".txt")
    if not text.is_file():
        return ""
    try:
        return " ".join(text.read_text(encoding="utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise BadInput(f"{text.name}: not UTF-8 text; save the caption as UTF-8") from error


def _mask_file(file: Path, size: tuple[int, int]) -> np.ndarray | None:
    beside = file.parent / "masks" / f"{file.stem}.png"
    if not beside.is_file():
        return None
    try:
        mask = Image.open(beside, formats=("PNG",)).convert("L")
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"masks/{beside.name}: not a whole PNG picture") from error
    if mask.size != size:
        raise BadInput(f"masks/{beside.name}: {mask.width}x{mask.height}, but its picture is {size[0]}x{size[1]}")
    return np.asarray(mask) > 127
