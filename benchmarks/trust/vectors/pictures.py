"""Hostile pictures: bombs, half files, animations, things that are no picture, and what lies beside a picture."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.trust.vectors import Vectors, file_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MEGABYTE = 1 << 20


def chunk(name: bytes, body: bytes = b"") -> bytes:
    """One PNG chunk with its right checksum."""
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def header(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    return chunk(b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, colour, 0, 0, 0]))


def png(*between: bytes, width: int = 64, height: int = 64, bits: int = 8, colour: int = 2, pixels: bytes | None = None) -> bytes:
    """A PNG with these chunks before its pixels; black where no compressed ``pixels`` are given."""
    rows = zlib.compress(bytes((1 + 3 * width) * height)) if pixels is None else pixels
    return SIGNATURE + header(width, height, bits, colour) + b"".join(between) + chunk(b"IDAT", rows) + chunk(b"IEND")


def zeros(count: int, level: int = 9) -> bytes:
    """That many zero bytes, compressed, without ever holding them."""
    packer, part = zlib.compressobj(level), bytes(MEGABYTE)
    return b"".join([*(packer.compress(part) for _ in range(count // MEGABYTE)), packer.compress(bytes(count % MEGABYTE)), packer.flush()])


def noise(kind: str, size: tuple[int, int] = (96, 96), **options: object) -> bytes:
    """A whole picture of random pixels, as Pillow writes it."""
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), (i, 0, 0)) for i in (0, 200)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


def with_exif(tag: int, value: object) -> bytes:
    exif = Image.Exif()
    exif[tag] = value
    return noise("JPEG", exif=exif)


def resized(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header states another size."""
    at = next(jpeg.index(m) for m in (b"\xff\xc0", b"\xff\xc2") if m in jpeg)
    return jpeg[: at + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + jpeg[at + 9 :]


def more_scans(times: int) -> bytes:
    """A progressive JPEG whose last layer comes again and again: each costs a pass over the whole picture."""
    whole = noise("JPEG", progressive=True)
    return whole[:-2] + whole[whole.rindex(b"\xff\xda") : -2] * times + b"\xff\xd9"


def riff(*parts: bytes) -> bytes:
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def part(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2)


def canvas(width: int, height: int, flags: int = 0) -> bytes:
    return part(b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def lossless(width: int, height: int, rest: bytes = bytes(64)) -> bytes:
    return part(b"VP8L", b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + rest)


def sparse(folder: Path) -> Path:
    """Twenty gigabytes that take no room on the disk."""
    file = folder / "sparse.png"
    with file.open("wb") as out:
        out.write(SIGNATURE)
        out.truncate(20 << 30)
    return file


def beside(data: bytes | Callable[[], bytes], *name: str) -> Callable[[Path], Path]:
    """A good picture with this beside it."""

    def write(folder: Path) -> Path:
        (folder / "a.png").write_bytes(png())
        place = folder.joinpath(*name)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data if isinstance(data, bytes) else data())
        return folder / "a.png"

    return write


_WEBP, _JPEG, _PNG = noise("WEBP"), noise("JPEG"), noise("PNG")
_BOMB = "a.png"

VECTORS: Vectors = {
    "png, 60000 x 60000 said": file_of(_BOMB, png(width=60000, height=60000, pixels=zlib.compress(b"\0"))),
    "png, two thousand million wide": file_of(_BOMB, png(width=(1 << 31) - 1, height=1, pixels=zlib.compress(b"\0"))),
    "png, 0 wide": file_of(_BOMB, png(width=0)),
    "png, 10000 x 10000 of one bit, whole": file_of(
        _BOMB, lambda: png(width=10000, height=10000, bits=1, colour=0, pixels=zeros(1251 * 10000))
    ),
    "png, largest allowed, pixels missing": file_of(_BOMB, png(width=6300, height=6300, colour=6, pixels=zlib.compress(bytes(1000)))),
    "png, largest allowed, last row missing": file_of(
        _BOMB, lambda: png(width=6300, height=6300, pixels=zeros((1 + 3 * 6300) * 6299))
    ),
    "png, largest allowed of 16 bits, half missing": file_of(
        _BOMB, lambda: png(width=6300, height=6300, bits=16, pixels=zeros((1 + 6 * 6300) * 3150))
    ),
    "png, iCCP bomb": file_of(_BOMB, lambda: png(chunk(b"iCCP", b"x\0\0" + zeros(512 * MEGABYTE)))),
    "png, zTXt bomb": file_of(_BOMB, lambda: png(chunk(b"zTXt", b"x\0\0" + zeros(512 * MEGABYTE)))),
    "png, iTXt bomb": file_of(_BOMB, lambda: png(chunk(b"iTXt", b"x\0\1\0\0\0" + zeros(512 * MEGABYTE)))),
    "png, a thousand texts of a megabyte": file_of(_BOMB, lambda: png(*[chunk(b"zTXt", b"x\0\0" + zeros(MEGABYTE - 1))] * 1000)),
    "png, a million empty chunks": file_of(_BOMB, lambda: png(*[chunk(b"teXt")] * 1_000_000)),
    "png, a chunk of four gigabytes said": file_of(_BOMB, SIGNATURE + header(64, 64) + b"\xff\xff\xff\xffIDAT" + bytes(99)),
    "png, cut in its header": file_of(_BOMB, _PNG[:20]),
    "png, cut in its pixels": file_of(_BOMB, _PNG[: len(_PNG) // 2]),
    "png, its end missing": file_of(_BOMB, _PNG[:-12]),
    "png, header checksum wrong": file_of(_BOMB, _PNG[:29] + b"\0\0\0\0" + _PNG[33:]),
    "png, pixel checksum wrong": file_of(_BOMB, _PNG[:200] + bytes([_PNG[200] ^ 1]) + _PNG[201:]),
    "png, a row too many": file_of(_BOMB, png(pixels=zlib.compress(bytes(193 * 65)))),
    "png, a bomb behind its pixels": file_of(_BOMB, lambda: png(pixels=zeros(512 * MEGABYTE))),
    "png, its packing cut": file_of(_BOMB, png(pixels=zlib.compress(bytes(193 * 64))[:-6])),
    "png, pixels are noise": file_of(_BOMB, png(pixels=np.random.default_rng(0).bytes(5000))),
    "png, no pixels": file_of(_BOMB, SIGNATURE + header(64, 64) + chunk(b"IEND")),
    "png, two headers": file_of(_BOMB, png(header(32, 32))),
    "png, impossible colours": file_of(_BOMB, png(bits=3, colour=5)),
    "png, animated": file_of(_BOMB, lambda: animation("PNG")),
    "png, animated with one frame": file_of(_BOMB, png(chunk(b"acTL", bytes([0, 0, 0, 1, 0, 0, 0, 0])))),
    "png, a zip behind it": file_of(_BOMB, png() + b"PK\x03\x04" + bytes(30)),
    "png, a web page behind it": file_of(_BOMB, png() + b"<html><script>1</script>"),
    "jpeg, 65535 x 65535 said": file_of("a.jpg", resized(_JPEG, 65535, 65535)),
    "jpeg, progressive, 65000 x 65000 said": file_of("a.jpg", resized(noise("JPEG", progressive=True), 65000, 65000)),
    "jpeg, no height": file_of("a.jpg", resized(_JPEG, 64, 0)),
    "jpeg, cut in the middle": file_of("a.jpg", _JPEG[: len(_JPEG) // 2]),
    "jpeg, its end missing": file_of("a.jpg", _JPEG[:-2]),
    "jpeg, three bytes": file_of("a.jpg", b"\xff\xd8\xff"),
    "jpeg, two headers": file_of("a.jpg", _JPEG[:2] + _JPEG[_JPEG.index(b"\xff\xc0") :][:19] + _JPEG[2:]),
    "jpeg, a part longer than the file": file_of("a.jpg", b"\xff\xd8\xff\xe1\xff\xff" + _JPEG[20:200]),
    "jpeg, a thousand layers": file_of("a.jpg", lambda: more_scans(1000)),
    "jpeg, fifty megabytes of padding": file_of("a.jpg", lambda: b"\xff\xd8" + b"\xff" * (50 * MEGABYTE)),
    "jpeg, camera maker": file_of("a.jpg", with_exif(271, "Camera Works")),
    "jpeg, position": file_of("a.jpg", with_exif(34853, {1: "N"})),
    "jpeg, a zip behind it": file_of("a.jpg", _JPEG + b"PK\x03\x04" + bytes(30)),
    "webp, 16384 x 16384 said": file_of("a.webp", riff(lossless(16384, 16384))),
    "webp, a canvas of 16 million squared": file_of("a.webp", riff(canvas(1 << 24, 1 << 24), lossless(64, 64))),
    "webp, largest allowed, noise inside": file_of("a.webp", riff(lossless(6300, 6300, np.random.default_rng(0).bytes(5000)))),
    "webp, canvas and picture differ": file_of("a.webp", riff(canvas(6000, 6000), lossless(64, 64))),
    "webp, cut in the middle": file_of("a.webp", _WEBP[: len(_WEBP) // 2]),
    "webp, cut, its length put right": file_of("a.webp", lambda: riff(part(b"VP8 ", _WEBP[20 : len(_WEBP) // 2]))),
    "webp, no picture inside": file_of("a.webp", riff(part(b"EXIF", bytes(40)))),
    "webp, animated": file_of("a.webp", lambda: animation("WEBP")),
    "webp, animated but for the flag": file_of("a.webp", riff(canvas(64, 64), part(b"ANMF", bytes(40)), lossless(64, 64))),
    "webp, a part longer than the file": file_of("a.webp", riff(b"VP8L\xff\xff\xff\x7f" + bytes(40))),
    "gif named .png": file_of("a.png", lambda: noise("GIF")),
    "gif, animated": file_of("a.gif", lambda: animation("GIF")),
    "bmp": file_of("a.bmp", lambda: noise("BMP")),
    "tiff named .jpg": file_of("a.jpg", lambda: noise("TIFF")),
    "ico": file_of("a.ico", lambda: noise("ICO")),
    "svg": file_of("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://192.0.2.1/'/></svg>"),
    "postscript named .png": file_of("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n"),
    "pdf named .jpg": file_of("a.jpg", b"%PDF-1.7\n" + _JPEG),
    "empty": file_of("a.png", b""),
    "text": file_of("a.png", b"this is no picture"),
    "a signature alone": file_of("a.png", SIGNATURE),
    "twenty gigabytes": sparse,
    "mask, 60000 x 60000 said": beside(png(width=60000, height=60000, pixels=zlib.compress(b"\0")), "masks", "a.png"),
    "mask, cut": beside(_PNG[: len(_PNG) // 2], "masks", "a.png"),
    "mask, another size": beside(png(width=32, height=32), "masks", "a.png"),
    "mask, text": beside(b"black and white", "masks", "a.png"),
    "caption, EUC-JP": beside("青いドレス".encode("euc-jp"), "a.txt"),
    "caption, UTF-16 without its mark": beside("front view".encode("utf-16-le"), "a.txt"),
    "caption, NULs": beside(b"front\0view", "a.txt"),
    "caption, terminal commands": beside(b"front \x1b[2J view", "a.txt"),
    "caption, a hundred megabytes": beside(lambda: b"front view " * (10 * MEGABYTE), "a.txt"),
}  # fmt: skip
