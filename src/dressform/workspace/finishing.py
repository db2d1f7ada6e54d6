"""How a finished picture leaves the vault: rebuilt from its pixels, signed, written in one piece."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dressform.dress import infotext, provenance
from dressform.dress.provenance import Credentials, Seen
from dressform.errors import BadInput
from dressform.pictures import intake
from dressform.store import Store, read_at_most, write_atomically
from dressform.vault import owner

_PLACE = "provenance/credentials"


def make_credentials(store: Store, name: str) -> None:
    """A signing key for one character, sealed with her; the anchor to verify by lies beside the person's key."""
    store.write(_PLACE, provenance.new_credentials().to_bytes())
    keep_anchor(store, name)


def keep_anchor(store: Store, name: str) -> None:
    """Lay the anchor to verify her pictures by beside the person's key, where it is not there and she has one."""
    anchor = credentials(store).anchor if _PLACE in store else None
    if anchor and all(known.read_bytes() != anchor for known in _anchors().glob("*.pem")):
        write_atomically(_anchors() / f"{name}.pem", anchor)


def credentials(store: Store) -> Credentials:
    """The signing key of a character."""
    return provenance.credentials_from(store.read(_PLACE))


def png(image: Image.Image, told: str = "") -> bytes:
    """The pixels alone as a PNG, and with them how the picture was made, where that is given."""
    about, out = PngInfo(), io.BytesIO()
    if told:
        about.add_text(infotext.KEY, told)
    Image.fromarray(np.asarray(image.convert("RGB"))).save(out, "PNG", pnginfo=about)
    return out.getvalue()


def finished(pixels: np.ndarray | Image.Image, signer: Credentials, told: str = "") -> bytes:
    """Uint8 pixels [h, w, 3] as a signed PNG with nothing else in it but the infotext, where that is given."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    return provenance.signed(png(image, told), signer)


def verify(file: Path) -> Seen:
    """What a picture says of itself, and whether one of this person's characters signed it. Raises BadInput or StoreError."""
    data = read_at_most(file, intake.FILE_LIMIT_BYTES)
    anchors = b"".join(p.read_bytes() for p in sorted(_anchors().glob("*.pem")))
    try:
        seen = provenance.inspect(data, anchors)
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from error
    return replace(seen, claims=(*seen.claims, "it tells how it was drawn (infotext)")) if infotext.told(data) else seen


def _anchors() -> Path:
    return owner.home() / "anchors"
