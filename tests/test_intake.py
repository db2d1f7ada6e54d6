from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter

from dressform.errors import BadInput, Refused
from dressform.pictures import container, intake
from tests import paper_dolls


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (64, 64), **options) -> Path:
    Image.new(mode, size, 100 if mode in ("L", "P", "I;16") else tuple([100] * len(Image.new(mode, (1, 1)).getbands()))).save(
        path, **options
    )
    return path


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [("a.png", "RGB", {}), ("a.jpg", "RGB", {}), ("a.webp", "RGB", {}), ("a.png", "L", {}), ("a.png", "P", {}), ("a.jpg", "CMYK", {})],
)
def test_still_pictures_are_taken_whatever_their_mode(tmp_path: Path, name: str, mode: str, options: dict[str, str]) -> None:
    decoded = intake.decode(save(tmp_path / name, mode, **options), 64, True)
    assert decoded.pixels.shape == (64, 64, 3) and decoded.mask is None


def bad_vectors(folder: Path) -> dict[str, Path]:
    whole = save(folder / "whole.png", size=(300, 300)).read_bytes()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    noise.save(folder / "noise.png")
    frames = [Image.new("RGB", (64, 64), (i, 0, 0)) for i in (0, 200)]
    frames[0].save(folder / "film.webp", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "film.png", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "a.gif")
    (folder / "text.png").write_text("this is no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes((folder / "noise.png").read_bytes()[:20000])
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0" + whole[:50])
    return {
        "not a PNG": folder / "text.png", "not a PNG, JPEG or WebP": folder / "a.gif", "not a": folder / "empty.png",
        "damaged or cut off": folder / "cut.png", "animation": folder / "film.webp", "an animation": folder / "film.png",
        "too small": save(folder / "small.png", size=(20, 31)), "damaged": folder / "cut.jpg",
    }  # fmt: skip


def test_what_cannot_be_used_is_refused_with_its_reason(tmp_path: Path) -> None:
    vectors = bad_vectors(tmp_path)
    assert len(vectors) == 8
    for reason, file in vectors.items():
        with pytest.raises(BadInput, match=reason) as caught:
            intake.decode(file, 64, True)
        assert file.name in str(caught.value) and "\n" not in str(caught.value)


def test_a_picture_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "PIXEL_LIMIT", 1000)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was decoded"))
    with pytest.raises(BadInput, match="million pixels"):
        intake.decode(save(tmp_path / "big.png"), 8, True)


def test_sixteen_bits_of_grey_keep_their_shades(tmp_path: Path) -> None:
    ramp = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    assert np.array_equal(intake.decode(tmp_path / "ramp.png", 64, True).pixels[..., 0], ramp >> 8)


def _photograph(file: Path, where: str) -> Path:
    exif = Image.Exif()
    more: dict[str, bytes] = {}
    if where == "XMP":
        more["xmp"] = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Make="Camera Works" tiff:Orientation="1"/></x:xmpmeta>'
    elif where == "maker":
        exif[271] = "Camera Works"
    else:
        exif.get_ifd(0x8769)[{"exposure": 33434, "film speed": 34855}[where]] = 1
    Image.new("RGB", (64, 64)).save(file, exif=exif, **more)
    return file


@pytest.mark.parametrize("where", ["maker", "exposure", "film speed", "XMP"])
def test_a_photograph_is_refused_for_an_original_character_only(tmp_path: Path, where: str) -> None:
    file = _photograph(tmp_path / "photo.jpg", where)
    with pytest.raises(Refused, match=f"{where}.*photograph"):
        intake.decode(file, 64, original=True)
    assert intake.decode(file, 64, original=False).pixels.shape == (64, 64, 3)


def test_what_a_drawing_program_writes_is_no_photograph(tmp_path: Path) -> None:
    said = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="1" exif:ColorSpace="1" xmp:CreatorTool="Painter"/></x:xmpmeta>'
    Image.new("RGB", (64, 64)).save(tmp_path / "a.jpg", xmp=said)
    assert intake.decode(tmp_path / "a.jpg", 64, original=True).pixels.shape == (64, 64, 3)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = tmp_path / "turned.jpg"
    Image.new("RGB", (64, 32)).save(file, exif=exif)
    assert intake.decode(file, 32, True).pixels.shape == (64, 32, 3)


def test_caption_and_mask_beside_the_picture_are_read(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("front view,\n waving\n", encoding="utf-8-sig")
    (tmp_path / "masks").mkdir()
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    mask.save(tmp_path / "masks" / "a.png")
    decoded = intake.decode(file, 64, True)
    assert decoded.caption == "front view, waving" and decoded.mask is not None and decoded.mask.mean() == 0.5
    Image.new("L", (63, 64)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(BadInput, match="63x64"):
        intake.decode(file, 64, True)


def test_an_alpha_channel_over_something_drawn_is_a_garment_mask_and_a_cut_out_is_none(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (10, 20, 30, 0))
    image.paste((200, 0, 0, 255), (0, 0, 64, 16))
    image.save(tmp_path / "cut-out.png")
    cut_out = intake.decode(tmp_path / "cut-out.png", 64, True)
    assert cut_out.mask is None and (cut_out.pixels[20:] == 255).all() and (cut_out.pixels[:16] == (200, 0, 0)).all()
    image.paste((90, 80, 70, 0), (0, 16, 64, 40))
    image.save(tmp_path / "masked.png")
    masked = intake.decode(tmp_path / "masked.png", 64, True)
    assert masked.mask is not None and masked.mask.mean() == 0.25 and (masked.pixels[20] == (90, 80, 70)).all()


def test_a_mask_that_is_no_garments_is_refused(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png")
    size = intake.decode(file, 64, True).pixels.shape[1::-1]
    (tmp_path / "masks").mkdir()
    for value in (0, 255):
        Image.new("L", size, value).save(tmp_path / "masks" / "a.png")
        with pytest.raises(BadInput, match=r"masks/a\.png: covers (0|100)% of the picture"):
            intake.decode(file, 64, True)
    half = Image.new("RGBA", size, (255, 255, 255, 0))
    half.paste((255, 255, 255, 255), (0, 0, 32, 16))
    half.save(tmp_path / "masks" / "a.png")
    decoded = intake.decode(file, 64, True)
    assert decoded.mask is not None and decoded.mask[:16, :32].all() and decoded.mask.sum() == 16 * 32


CAPTIONS = {
    "UTF-8": ("正面、立ち姿", "utf-8"), "UTF-8 with its mark": ("正面", "utf-8-sig"), "UTF-16": ("正面, façade", "utf-16"),
    "Shift-JIS": ("正面、青いドレスのTシャツ", "cp932"), "one kanji": ("前, 白", "cp932"),
    "German": ("ein Mädchenkostüm, größer", "latin-1"), "French": ("robe d'été, à côté", "latin-1"),
}  # fmt: skip
STRANGE = {
    "EUC-JP": "青いドレス".encode("euc-jp"), "Greek": "μπλε φόρεμα".encode("iso8859-7"), "Russian": "синее платье".encode("cp1251"),
    "half a mark": b"\xff\xfea", "UTF-16 without its mark": "front view".encode("utf-16-le"), "bytes": bytes(range(128, 250)),
}  # fmt: skip


@pytest.mark.parametrize("case", CAPTIONS)
def test_captions_are_read_in_the_encoding_they_are_in(tmp_path: Path, case: str) -> None:
    words, encoding = CAPTIONS[case]
    (tmp_path / "a.txt").write_bytes(words.encode(encoding))
    assert intake.decode(save(tmp_path / "a.png"), 64, True).caption == words


@pytest.mark.parametrize("case", STRANGE)
def test_a_caption_whose_encoding_cannot_be_told_is_named(tmp_path: Path, case: str) -> None:
    (tmp_path / "a.caption").write_bytes(STRANGE[case])
    with pytest.raises(BadInput, match=r"^a\.caption: .*(UTF-8|control characters)"):
        intake.decode(save(tmp_path / "a.png"), 64, True)


def test_fitting_keeps_the_whole_picture_and_moves_the_mask_with_it() -> None:
    pixels = np.full((100, 50, 3), 255, dtype=np.uint8)
    pixels[40:60, 20:30] = (255, 0, 0)
    mask = np.zeros((100, 50), dtype=bool)
    mask[40:60, 20:30] = True
    small, moved = intake.fitted(pixels, 64), intake.fitted_mask(mask, 64)
    assert small.shape == (64, 64, 3) and (small[0, 0] == 255).all()
    red = (small[..., 1] < 100) & (small[..., 0] > 200)
    assert (red & moved).sum() > 0.8 * red.sum() > 0
    assert np.array_equal(intake.fitted(small, 64), small)


def exchanged() -> bytes:
    """The profile of a colour space that is sRGB with red and blue exchanged."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = srgb.replace(b"rXYZ", b"tmpX").replace(b"bXYZ", b"rXYZ").replace(b"tmpX", b"bXYZ")
    return turned.replace("sRGB".encode("utf-16-be"), "ours".encode("utf-16-be"))


def test_colours_follow_the_profile_of_the_picture(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (64, 64), (220, 40, 30))
    image.save(tmp_path / "a.png", icc_profile=srgb)
    assert tuple(intake.decode(tmp_path / "a.png", 64, True).pixels[0, 0]) == (220, 40, 30)
    image.save(tmp_path / "b.png", icc_profile=exchanged())
    seen = intake.decode(tmp_path / "b.png", 64, True)
    assert seen.pixels[0, 0, 2] > 180 > 100 > seen.pixels[0, 0, 0] and "from ours" in seen.what
    image.save(tmp_path / "c.png", icc_profile=srgb[:200])
    seen = intake.decode(tmp_path / "c.png", 64, True)
    assert tuple(seen.pixels[0, 0]) == (220, 40, 30) and "colour profile" in seen.warnings[0]


def test_a_broken_orientation_is_said_and_the_picture_taken_as_it_lies(tmp_path: Path) -> None:
    for value in (0, 9, 60000):
        exif = Image.Exif()
        exif[274] = value
        Image.new("RGB", (64, 32)).save(tmp_path / "a.jpg", exif=exif)
        seen = intake.decode(tmp_path / "a.jpg", 32, True)
        assert seen.pixels.shape == (32, 64, 3) and "orientation" in seen.warnings[0]


def test_a_cut_out_stands_on_white_and_a_masked_picture_keeps_what_is_under_its_mask(tmp_path: Path) -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:48, 16:48] = (200, 0, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    assert tuple(intake.decode(tmp_path / "cut.png", 64, True, neutral=True).pixels[0, 0]) == (255, 255, 255)
    rgba[..., :3] = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
    Image.fromarray(rgba).save(tmp_path / "masked.png")
    dressed = intake.decode(tmp_path / "masked.png", 64, True)
    assert np.array_equal(dressed.pixels, rgba[..., :3]) and dressed.mask is not None and dressed.mask.sum() == 32 * 32
    neutral = intake.decode(tmp_path / "masked.png", 64, True, neutral=True)
    assert (neutral.pixels[0, 0] == 255).all() and neutral.mask is None


def test_a_palette_with_a_clear_colour_is_a_cut_out(tmp_path: Path) -> None:
    image = Image.new("P", (64, 64), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(1, (16, 16, 48, 48))
    image.save(tmp_path / "a.png", transparency=0)
    seen = intake.decode(tmp_path / "a.png", 64, True, neutral=True)
    assert tuple(seen.pixels[0, 0]) == (255, 255, 255) and tuple(seen.pixels[32, 32]) == (200, 0, 0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
def test_what_is_clear_stays_clear_where_colours_are_converted(tmp_path: Path, mode: str) -> None:
    rgb = np.full((64, 64, 3), 10, np.uint8)
    rgb[16:48, 16:48] = 200, 30, 0
    image = Image.fromarray(rgb)
    if mode == "RGBA":
        image.putalpha(Image.fromarray((rgb[..., 0] > 100).astype(np.uint8) * 255))
    if mode == "P":
        image = image.quantize(2)
    if mode == "LA":
        image = image.convert("LA")
        image.putalpha(Image.fromarray((rgb[..., 0] > 100).astype(np.uint8) * 255))
    clear = {"LA": {}, "RGB": {"transparency": (10, 10, 10)}, "RGBA": {}, "P": {"transparency": image.getpixel((0, 0))}}[mode]
    image.save(tmp_path / "a.png", icc_profile=exchanged(), **clear)
    seen = intake.decode(tmp_path / "a.png", 64, True, neutral=True)
    assert tuple(seen.pixels[0, 0]) == (255, 255, 255), "clear: the paper shows"
    assert "from ours" in seen.what and (mode == "LA" or seen.pixels[32, 32].argmax() == 2)


def test_a_clear_colour_of_sixteen_bits_stays_clear(tmp_path: Path) -> None:
    deep = np.full((64, 64), 0x1234, np.uint16)
    deep[16:48, 16:48] = 0x1200  # the same eight bits, and another colour
    Image.fromarray(deep).save(tmp_path / "a.png", transparency=0x1234)
    seen = intake.decode(tmp_path / "a.png", 64, True, neutral=True)
    assert tuple(seen.pixels[0, 0]) == (255, 255, 255) and tuple(seen.pixels[32, 32]) == (0x12, 0x12, 0x12)


def test_a_soft_picture_is_taken_with_a_warning(tmp_path: Path) -> None:
    image = Image.fromarray(paper_dolls.sheet(1, 200))
    image.save(tmp_path / "sharp.png")
    image.filter(ImageFilter.GaussianBlur(4)).save(tmp_path / "soft.png")
    assert not intake.decode(tmp_path / "sharp.png", 64, True).warnings
    assert "soft" in intake.decode(tmp_path / "soft.png", 260, True).warnings[0]


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 33, 3), (7, 250), (64, 64)])
def test_what_is_packed_comes_back(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(intake.from_png(intake.png(pixels)), pixels)
    assert np.array_equal(
        intake.from_png(intake.png(pixels[..., 0] > 99 if pixels.ndim == 3 else pixels > 99)) > 127,
        (pixels[..., 0] if pixels.ndim == 3 else pixels) > 99,
    )


def gamma_one(named: str) -> bytes:
    """A profile of sRGB's primaries and no curve, of that description: what drawing programs give their float documents."""
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for i in range(int.from_bytes(srgb[128:132], "big")):
        tag, at = bytes(srgb[132 + 12 * i : 136 + 12 * i]), int.from_bytes(srgb[136 + 12 * i : 140 + 12 * i], "big")
        if tag == b"rTRC":  # the others share it
            srgb[at : at + 12] = b"curv" + bytes(8)
    return bytes(srgb).replace("sRGB built-in".encode("utf-16-be"), named.ljust(13)[:13].encode("utf-16-be"))


@pytest.mark.parametrize("named", ["Linear", "sRGB-elle-V2"])
def test_a_linear_picture_is_converted_whatever_its_profile_is_called(tmp_path: Path, named: str) -> None:
    Image.new("RGB", (64, 64), (55, 55, 55)).save(tmp_path / "a.png", icc_profile=gamma_one(named))
    seen = intake.decode(tmp_path / "a.png", 64, True)
    assert 125 <= seen.pixels[0, 0, 0] <= 131 and f"from {named}" in seen.what


@pytest.mark.parametrize(("share", "masked"), [(0.9998, False), (0.5, True), (0.0002, False)])
def test_transparency_that_is_no_garments_is_no_mask(tmp_path: Path, share: float, masked: bool) -> None:
    rgb = np.random.default_rng(0).integers(0, 200, (100, 100, 3), np.uint8)
    alpha = np.zeros(10000, np.uint8)
    alpha[: round(share * 10000)] = 255
    Image.fromarray(np.dstack([rgb, alpha.reshape(100, 100)])).save(tmp_path / "a.png")
    seen = intake.decode(tmp_path / "a.png", 64, True)
    assert (seen.mask is not None) == masked and any("no garment's mask" in w for w in seen.warnings) != masked
    assert bool((seen.pixels[-1, -1] == 255).all()) != masked, "what is not a mask lies on white"


@pytest.mark.parametrize("neutral", [False, True])
def test_a_picture_of_which_nothing_is_seen_is_refused(tmp_path: Path, neutral: bool) -> None:
    rgb = np.random.default_rng(0).integers(0, 200, (100, 100, 3), np.uint8)
    Image.fromarray(np.dstack([rgb, np.zeros((100, 100), np.uint8)])).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="all of it is transparent"):
        intake.decode(tmp_path / "a.png", 64, True, neutral)
