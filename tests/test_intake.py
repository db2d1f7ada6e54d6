from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dressform.errors import BadInput, DressformError, Refused
from dressform.pictures import container, intake


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
    if where == "exposure":
        exif.get_ifd(0x8769)[33434] = 0.01
    else:
        exif[271] = "Camera Works"
    Image.new("RGB", (64, 64)).save(file, exif=exif)
    return file


@pytest.mark.parametrize("where", ["maker", "exposure"])
def test_a_photograph_is_refused_for_an_original_character_only(tmp_path: Path, where: str) -> None:
    file = _photograph(tmp_path / "photo.jpg", where)
    with pytest.raises(Refused, match=f"{where}.*photograph"):
        intake.decode(file, 64, original=True)
    assert intake.decode(file, 64, original=False).pixels.shape == (64, 64, 3)


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


def test_the_alpha_channel_is_a_garment_mask(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (10, 20, 30, 0))
    image.paste((200, 0, 0, 255), (0, 0, 64, 16))
    image.save(tmp_path / "a.png")
    decoded = intake.decode(tmp_path / "a.png", 64, True)
    assert decoded.mask is not None and decoded.mask.mean() == 0.25


def test_a_caption_in_another_encoding_is_named(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes("前".encode("shift-jis"))
    with pytest.raises(DressformError, match="UTF-8"):
        intake.decode(file, 64, True)


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
