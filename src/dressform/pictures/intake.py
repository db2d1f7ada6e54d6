"""From a file that somebody gave to a clean picture: decoded by content, checked, turned upright, stripped.

Nothing of the file survives but its pixels, its mask and its caption.
"""

from __future__ import annotations

import hashlib
import io
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dressform.errors import BadInput, Refused
from dressform.pictures.container import examined
from dressform.pictures.rows import refuse_missing
from dressform.store import read_at_most

FILE_LIMIT_BYTES = 100_000_000
CAPTION_LIMIT_BYTES = 20_000
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
_CAMERA_TAGS = {271: "camera maker", 272: "camera model", 34853: "GPS position"}
_EXPOSURE_TAGS = {33434: "exposure time", 33437: "f-number"}
_EXIF_DIRECTORY = 0x8769  # where Exif 2.3 (section 4.6.3) keeps what the exposure was


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
    upright, camera = _opened(file, file.name)
    if original and camera:
        raise Refused(f"{file.name}: carries a {camera}, so it is a photograph; an original character has drawings only")
    if max(upright.size) < least_px:
        raise BadInput(f"{file.name}: {upright.width}x{upright.height} is too small, the base model needs {least_px} px")
    mask = _mask_file(file, upright.size)
    upright = _eight_bits(upright)
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


def _opened(file: Path, called: str) -> tuple[Image.Image, str]:
    """The decoded picture, upright, and what kind of camera metadata it carries ("" for none). Raises BadInput or StoreError."""
    data = read_at_most(file, FILE_LIMIT_BYTES)
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
            return ImageOps.exif_transpose(image), _camera(image)
    except Exception as error:  # a decoder may raise anything on a file made to break it
        raise BadInput(f"{called}: damaged or cut off ({' '.join(str(error).split())[:80]})") from error


def _camera(image: Image.Image) -> str:
    """The first kind of camera metadata that the picture carries; "" for none."""
    about = image.getexif()
    exposure = about.get_ifd(_EXIF_DIRECTORY)
    found = [what for tag, what in _CAMERA_TAGS.items() if tag in about]
    return next(iter(found + [what for tag, what in _EXPOSURE_TAGS.items() if tag in exposure]), "")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow's own conversion would turn nearly all of it white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))


def _caption(file: Path) -> str:
    text = file.with_suffix(".txt")
    if not text.is_file():
        return ""
    try:
        words = " ".join(read_at_most(text, CAPTION_LIMIT_BYTES).decode("utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise BadInput(f"{text.name}: not UTF-8 text; save the caption as UTF-8") from error
    if any(unicodedata.category(c) == "Cc" for c in words):
        raise BadInput(f"{text.name}: holds control characters, so it is no caption; write it as plain text")
    return words


def _mask_file(file: Path, size: tuple[int, int]) -> np.ndarray | None:
    beside = file.parent / "masks" / f"{file.stem}.png"
    if not beside.is_file():
        return None
    mask = _eight_bits(_opened(beside, f"masks/{beside.name}")[0])
    if mask.size != size:
        raise BadInput(f"masks/{beside.name}: {mask.width}x{mask.height}, but its picture is {size[0]}x{size[1]}")
    return np.asarray(mask.convert("L")) > 127
