"""The vault key, wrapped with age (c2sp.org/age) for one person each."""

from __future__ import annotations

import pyrage

from dressform.errors import BadInput, Locked

SCRYPT_LOG_N_LIMIT = 20
"""A key file that asks for more is refused before it is opened: one with 23 took 47 s and 8.4 GB, and 20 takes 1 GB.
age's own tool writes 18; pyrage aims at one second and writes 19 or 20 on a fast machine."""
FILE_LIMIT_BYTES = 64 * 1024
"""A key file has some hundred bytes; a longer one is not read."""


def new_identity() -> str:
    """A fresh age identity, ``AGE-SECRET-KEY-1…``."""
    return str(pyrage.x25519.Identity.generate())


def recipient_of(identity: str) -> str:
    """The public half, ``age1…``. Raises BadInput for what is no age identity."""
    return str(identity_of(identity).to_public())


def wrap(secret: bytes, recipient: str) -> bytes:
    """The secret, encrypted to one person. Raises BadInput for what is no age recipient."""
    try:
        return pyrage.encrypt(secret, [pyrage.x25519.Recipient.from_str(recipient)])
    except pyrage.RecipientError:
        raise BadInput(f"{recipient[:12]}…: not an age recipient; it begins with age1 and comes from the other person's key") from None


def unwrap(wrapped: bytes, identity: str) -> bytes:
    """The secret. Raises Locked where this identity does not open it."""
    refuse_costly(wrapped)
    try:
        return pyrage.decrypt(wrapped, [identity_of(identity)])
    except pyrage.DecryptError:
        raise Locked("this key does not open the vault; use the key it was made with, or the recovery key") from None


def wrap_with_passphrase(secret: bytes, passphrase: str) -> bytes:
    """The secret behind a passphrase (age's scrypt)."""
    return pyrage.passphrase.encrypt(secret, passphrase)


def unwrap_with_passphrase(wrapped: bytes, passphrase: str) -> bytes:
    """The secret. Raises Locked for a wrong passphrase, or on a machine so busy that age will not try."""
    refuse_costly(wrapped)
    try:
        return pyrage.passphrase.decrypt(wrapped, passphrase)
    except pyrage.DecryptError as error:
        if "Excessive work" in str(error):  # age times this machine, and refuses what would take it too long
            raise Locked("this machine is too busy to open the key file; nothing was opened, so try again when it is quieter") from None
        raise Locked("wrong passphrase; nothing was opened") from None


def refuse_costly(wrapped: bytes) -> None:
    """Raises BadInput for a key file whose header would take the machine's memory, before anything is computed."""
    head, found, _ = wrapped[:FILE_LIMIT_BYTES].partition(b"\n---")
    if not found or not head.startswith(b"age-encryption.org/v1\n"):
        raise BadInput("a key file is damaged: it has no age header; restore it from a backup")
    for line in head.split(b"\n"):
        words = line.split(b" ")
        if words[:2] == [b"->", b"scrypt"]:
            cost = words[3] if len(words) == 4 else b""
            if not (cost.isdigit() and len(cost) <= 2 and int(cost) <= SCRYPT_LOG_N_LIMIT):
                raise BadInput(f"a key file asks for scrypt work over 2^{SCRYPT_LOG_N_LIMIT}: not one of ours; restore it from a backup")


def identity_of(text: str) -> pyrage.x25519.Identity:
    """An age identity as text, read. Raises BadInput for what is none."""
    try:
        return pyrage.x25519.Identity.from_str(text.strip())
    except pyrage.IdentityError:
        raise BadInput("not a key: it is one line that begins with AGE-SECRET-KEY-1") from None
