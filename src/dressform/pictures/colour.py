"""Any kind of decoded picture as upright 8-bit sRGB, with what was done to it and what of it could not be trusted."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from dressform.errors import BadInput, Refused

_CAMERA_TAGS = {271: "camera maker", 272: "camera model", 34853: "GPS position"}
_EXPOSURE_TAGS = {
    33434: "exposure time", 33437: "f-number", 34855: "film speed", 37386: "focal length",
    42034: "lens", 42035: "lens maker", 42036: "lens",
}  # fmt: skip
_OF_A_CAMERA = re.compile(rb"(?:tiff:(?:Make|Model)|exif:(?:FNumber|ExposureTime|ISOSpeedRatings|FocalLength|GPS\w+)|aux:Lens\w*)\b")
"""What cameras write into XMP (XMP specification, part 2); drawing programs do not."""
_EXIF_DIRECTORY = 0x8769  # where Exif 2.3 (section 4.6.3) keeps what the exposure was
_ORIENTATION = 0x0112
_PROFILE_LIMIT_BYTES = 8 << 20
_SAME_COLOUR = 3  # of 255: sRGB profiles of different makers differ by rounding
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip


@dataclass(frozen=True)
class Plain:
    """RGB pixels uint8 [h, w, 3], opacity uint8 [h, w] (None: all opaque), what was done, and what to look at."""

    pixels: np.ndarray
    alpha: np.ndarray | None
    done: tuple[str, ...]
    warnings: tuple[str, ...]


def plain(image: Image.Image, original: bool) -> Plain:
    """The picture as it is meant to be seen.

    Raises Refused for camera metadata where the character is an original (that is a photograph of a person), and
    BadInput where an original's metadata cannot be read, so that it cannot be told from a photograph.
    """
    image, turned, warnings = _upright(image, original)
    done = [turned] if turned else []
    image, converted, warned = _srgb(_eight_bits(image))
    done += [converted] if converted else []
    warnings += [warned] if warned else []
    if _may_be_clear(image):
        whole = np.asarray(image.convert("RGBA"))
        if whole[..., 3].min() < 255:
            return Plain(whole[..., :3], whole[..., 3], tuple(done), tuple(warnings))
        return Plain(whole[..., :3], None, tuple(done), tuple(warnings))
    return Plain(np.asarray(image.convert("RGB")), None, tuple(done), tuple(warnings))


def on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """What a viewer shows of a transparent picture on white paper: uint8 [h, w, 3]."""
    share = alpha[..., None].astype(np.uint16)
    return ((pixels * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def hides_nothing(pixels: np.ndarray, alpha: np.ndarray) -> bool:
    """True where nothing is drawn under what is transparent: the picture is a cut-out, not a picture with a mask."""
    beneath = pixels[alpha == 0]
    return len(beneath) == 0 or bool((beneath == beneath[0]).all())


def _upright(image: Image.Image, original: bool) -> tuple[Image.Image, str, list[str]]:
    try:
        about = image.getexif()
        exposure = about.get_ifd(_EXIF_DIRECTORY)
        orientation = about.get(_ORIENTATION, 1)
    except Exception as error:  # whatever a broken block of metadata raises
        if original:
            raise BadInput("its metadata cannot be read, so it cannot be told from a photograph; save it again without them") from error
        return image, "", ["its metadata cannot be read; taken as it lies"]
    found = [what for tag, what in _CAMERA_TAGS.items() if tag in about]
    found += [what for tag, what in _EXPOSURE_TAGS.items() if tag in exposure]
    found += ["camera's notes in XMP"] * bool(_OF_A_CAMERA.search(_xmp(image)))
    if original and found:
        raise Refused(f"carries a {found[0]}, so it is a photograph; an original character has drawings only")
    if orientation == 1:
        return image, "", []
    if type(orientation) is int and orientation in _TURNS:
        return image.transpose(_TURNS[orientation]), "turned upright", []
    return image, "", [f"its orientation {str(orientation)[:20]!r} is none; taken as it lies"]


def _may_be_clear(image: Image.Image) -> bool:
    return "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa")


def _xmp(image: Image.Image) -> bytes:
    said = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return said.encode() if isinstance(said, str) else bytes(said)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow's own conversion would turn nearly all of it white. The clear colour goes with it."""
    clear = image.info.get("transparency")
    if not image.mode.startswith("I"):
        if isinstance(clear, tuple) and max(clear) > 255:  # of a picture of 16 bits, which Pillow has read as 8
            image.info["transparency"] = tuple(value >> 8 for value in clear)
        return image
    deep = np.asarray(image).astype(np.uint32)
    eight = Image.fromarray((deep >> 8).clip(0, 255).astype(np.uint8))
    if isinstance(clear, int):
        eight.putalpha(Image.fromarray(np.where(deep == clear, 0, 255).astype(np.uint8)))
    eight.info = {k: v for k, v in image.info.items() if k == "icc_profile"}
    return eight


def _srgb(image: Image.Image) -> tuple[Image.Image, str, str]:
    """(the picture in sRGB, what was converted, what went wrong). A profile that cannot be used is left aside."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image, "from CMYK" if image.mode == "CMYK" else "", ""
    alpha = image.convert("RGBA").getchannel("A") if _may_be_clear(image) else None
    try:
        if len(profile) > _PROFILE_LIMIT_BYTES:
            raise ValueError("too long")
        own = ImageCms.getOpenProfile(io.BytesIO(profile))
        called = " ".join(ImageCms.getProfileDescription(own).split())[:40]
        if image.mode != "CMYK" and _is_srgb(own):
            return image, "", ""
        grey = str(getattr(own.profile, "xcolor_space", "")).strip() == "GRAY"
        flat = image.convert("L" if grey else "CMYK" if image.mode == "CMYK" else "RGB")  # a profile speaks of colours alone
        seen = ImageCms.profileToProfile(flat, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert seen is not None
        if alpha is not None:
            seen.putalpha(alpha)
        return seen, f"from {called or image.mode}", ""
    except Exception:  # noqa: BLE001 - whatever a broken profile raises
        return image, "", "its colour profile cannot be used; its colours are taken as sRGB"


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """True where it leaves greys and pure colours of every strength as they are: its name says nothing of its curve."""
    if str(getattr(profile.profile, "xcolor_space", "")).strip() != "RGB":
        return False
    ramp = np.arange(256, dtype=np.uint8)
    tried = np.stack([ramp[:, None] * np.array(which, np.uint8) for which in ((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))])
    seen = ImageCms.profileToProfile(Image.fromarray(tried), profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return bool(np.abs(np.asarray(seen).astype(int) - tried).max() <= _SAME_COLOUR)
