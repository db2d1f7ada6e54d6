"""One sealed blob: AES-256-GCM with its meaning authenticated beside it (docs/format/vault-v1.md)."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dressform.errors import Tampered

MAGIC = b"DFV1"
NONCE_BYTES = 12
KEY_BYTES = 32
OVERHEAD_BYTES = len(MAGIC) + NONCE_BYTES + 16
"""How much longer a sealed blob is than what it seals: magic, nonce and tag."""


def new_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def derived(key: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"dressform-vault|1|" + purpose.encode()).derive(key)


def meaning(vault_id: str, *words: str) -> bytes:
    """The associated data: what a blob is and where it belongs. A blob moved elsewhere does not open."""
    return "|".join(("dressform-vault", "1", vault_id, *words)).encode()


def seal(key: bytes, plain: bytes, what: bytes) -> bytes:
    """MAGIC, nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_BYTES)
    return MAGIC + nonce + AESGCM(key).encrypt(nonce, plain, what)


def unseal(key: bytes, sealed: bytes, what: bytes) -> bytes:
    """The bytes that were sealed. Raises Tampered for anything else, whatever was changed."""
    head = len(MAGIC) + NONCE_BYTES
    if sealed[: len(MAGIC)] != MAGIC or len(sealed) < OVERHEAD_BYTES:
        raise Tampered("a sealed file is cut off or is not one of this vault")
    try:
        return AESGCM(key).decrypt(sealed[len(MAGIC) : head], sealed[head:], what)
    except InvalidTag:
        raise Tampered("a sealed file was changed or exchanged since it was written") from None
