"""Finished pictures say what they are, and carry nothing of what they were made from."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dressform.dress import provenance
from dressform.errors import BadInput


@pytest.fixture(scope="module")
def credentials() -> provenance.Credentials:
    return provenance.credentials_from(provenance.new_credentials().to_bytes())


def picture(size: int = 64) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (size, size, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_a_signed_picture_is_ours_and_the_same_pixels(credentials: provenance.Credentials) -> None:
    plain = picture()
    signed = provenance.signed(plain, credentials)
    seen = provenance.inspect(signed, credentials.anchor)
    assert seen.state == "ours"
    assert {"drawn by a model", "training and data mining: not allowed", "ingredients: 0"} < set(seen.claims)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(signed))), np.asarray(Image.open(io.BytesIO(plain))))
    assert len(signed) - len(plain) < 8000


def test_no_picture_is_inside_the_picture(credentials: provenance.Credentials) -> None:
    signed = provenance.signed(picture(), credentials)
    assert signed.count(b"IHDR") == 1 and b"\xff\xd8\xff" not in signed.split(b"caBX")[1][:2] and b"thumbnail" not in signed


def test_another_persons_picture_is_not_ours(credentials: provenance.Credentials) -> None:
    theirs = provenance.signed(picture(), provenance.new_credentials())
    assert provenance.inspect(theirs, credentials.anchor).state == "someone else's"
    assert provenance.inspect(theirs, b"").state == "someone else's"


def test_a_changed_picture_is_seen_and_a_resaved_one_is_unsigned(credentials: provenance.Credentials) -> None:
    signed = bytearray(provenance.signed(picture(), credentials))
    signed[-200] ^= 1
    assert provenance.inspect(bytes(signed), credentials.anchor).state == "changed"
    assert provenance.inspect(picture(), credentials.anchor).state == "unsigned"
    assert provenance.inspect(picture(), b"").state == "unsigned", "where this person has no character at all"


def test_what_is_no_picture_is_refused(credentials: provenance.Credentials) -> None:
    with pytest.raises(BadInput, match="PNG, JPEG or WebP"):
        provenance.inspect(b"GIF89a", credentials.anchor)
