"""The person's own key: where it is kept, and how it is found again.

One age identity for one person, whatever the number of characters. It lies in a file that only she can read, behind
a passphrase, or in the system's keyring; the key she signs consent with is derived from it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import platformdirs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dressform.errors import BadInput, Locked, StoreError
from dressform.store import read_at_most, write_atomically
from dressform.vault import keys
from dressform.vault.sealing import derived

Ask = Callable[[str], str]
"""Puts a question to the person and gives her secret answer; never echoed, never an argument."""

_KEYRINGS = ("keyring.backends.SecretService", "keyring.backends.kwallet", "keyring.backends.macOS", "keyring.backends.Windows")
_SERVICE, _ACCOUNT = "dressform", "owner"


@dataclass(frozen=True)
class Owner:
    """One person's age identity. Printing it shows the public half alone."""

    identity: str

    @property
    def recipient(self) -> str:
        return keys.recipient_of(self.identity)

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """The Ed25519 key that signs her ledgers."""
        return Ed25519PrivateKey.from_private_bytes(derived(self.identity.strip().encode(), "consent signing"))

    def __repr__(self) -> str:
        return f"Owner({self.recipient})"


def home() -> Path:
    """Where the person's keys lie: $DRESSFORM_HOME, or the system's place for settings."""
    given = os.environ.get("DRESSFORM_HOME")
    return Path(given) if given else platformdirs.user_config_path("dressform")


def exists() -> bool:
    """True where the person has a key already."""
    return _key_file().exists() or _sealed_file().exists() or _given() is not None or _in_keyring() is not None


def behind_passphrase() -> bool:
    """True where the key is kept behind a passphrase."""
    return _sealed_file().exists()


def make() -> Owner:
    """Make the person's key, in a file that only she can read. Raises BadInput where there is one."""
    if exists():
        raise BadInput(f"{home()}: you have a key already")
    owner = Owner(keys.new_identity())
    _write_private(_key_file(), owner.identity)
    return owner


def load(ask: Ask | None = None) -> Owner:
    """The person's key, from the first place that has it: a file descriptor or file named in the environment, an
    unlocked session, her key file, the keyring, or behind her passphrase.

    Raises Locked where there is none, or a passphrase is needed and nobody can be asked.
    """
    if (given := _given()) is not None:
        return Owner(given)
    for file in (_session_file(), _key_file()):
        if file is not None and file.exists():
            return Owner(_read_private(file))
    if (kept := _in_keyring()) is not None:
        return Owner(kept)
    if not _sealed_file().exists():
        raise Locked(f"no key in {home()}: restore it from your backup, or use: dressform vault recover")
    if ask is None:
        raise Locked("your key is behind a passphrase: run dressform vault unlock first")
    return _unsealed(ask)


def unlock(ask: Ask) -> None:
    """Keep the key at hand until ``lock`` or the end of the login session. Raises BadInput where there is no such place."""
    file = _session_file()
    if file is None:
        raise BadInput("this system keeps no private folder for a login session (XDG_RUNTIME_DIR); you will be asked each time")
    _write_private(file, load(ask).identity)


def lock() -> bool:
    """Forget the session's key; True where there was one."""
    file = _session_file()
    found = [one for one in (file, file.with_name("owner.key")) if one.exists()] if file else []  # the second is of earlier versions
    for one in found:
        one.unlink()
    return bool(found)


def protect_with_passphrase(ask: Ask) -> None:
    """Move the key behind a passphrase. Raises BadInput for an empty or mistyped one; then nothing changes."""
    _refuse_given("--passphrase")
    owner = load(ask)
    first = ask("new passphrase")
    if len(first) < 8 or first != ask("the same again"):
        raise BadInput("the two passphrases must agree and have at least 8 characters; nothing was changed")
    write_atomically(_sealed_file(), keys.wrap_with_passphrase(owner.identity.encode(), first), mode=0o600)
    _key_file().unlink(missing_ok=True)


def protect_with_keyring(ask: Ask | None = None) -> None:
    """Move the key into the system's keyring.

    Raises BadInput where only an insecure one is there, where it holds another key of hers, or for a home of one's own; then
    nothing changes.
    """
    if os.environ.get("DRESSFORM_HOME"):
        raise BadInput("the keyring keeps the key of your usual home alone, and DRESSFORM_HOME names another: use a passphrase instead")
    _refuse_given("--keyring")
    ring = _keyring()
    if ring is None:
        raise BadInput("no keyring of the system answers (Secret Service, KWallet, macOS or Windows): use a passphrase instead")
    identity = load(ask).identity
    if ring.get_password(_SERVICE, _ACCOUNT) not in (None, identity):
        raise BadInput("the keyring holds another key of dressform's already: use a passphrase instead, or move that key away first")
    ring.set_password(_SERVICE, _ACCOUNT, identity)
    if ring.get_password(_SERVICE, _ACCOUNT) != identity:
        raise BadInput("the keyring did not keep the key: use a passphrase instead; nothing was changed")
    for file in (_key_file(), _sealed_file()):
        file.unlink(missing_ok=True)


def _refuse_given(option: str) -> None:
    """Raises BadInput where the environment names a key: it would be put in the place of the one that is kept here."""
    if _given() is not None:
        raise BadInput(f"{option}: DRESSFORM_KEY_FILE or DRESSFORM_KEY_FD names another key than the one kept in {home()}; unset it first")


def restore(identity: str) -> Owner:
    """Put a key where it is found again. Raises BadInput where there is one already."""
    keys.recipient_of(identity)
    if exists():
        raise BadInput(f"{home()}: you have a key already; move it away first")
    _write_private(_key_file(), identity.strip())
    return Owner(identity.strip())


def _given() -> str | None:
    if descriptor := os.environ.get("DRESSFORM_KEY_FD"):
        try:
            return _behind(int(descriptor)).decode().strip()
        except (OSError, ValueError) as error:
            raise Locked(f"DRESSFORM_KEY_FD={descriptor}: no key can be read there ({error})") from error
    if file := os.environ.get("DRESSFORM_KEY_FILE"):
        return _read_private(Path(file))
    return None


def _behind(descriptor: int) -> bytes:
    """What an open file holds, from its beginning; or a pipe, which can be read once."""
    try:
        return os.pread(descriptor, keys.FILE_LIMIT_BYTES, 0)
    except OSError as error:
        if error.errno != errno.ESPIPE:
            raise
    return _piped(descriptor)


@cache
def _piped(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as pipe:
        return pipe.read(keys.FILE_LIMIT_BYTES)


def _unsealed(ask: Ask) -> Owner:
    return Owner(keys.unwrap_with_passphrase(read_at_most(_sealed_file(), keys.FILE_LIMIT_BYTES), ask("passphrase")).decode())


def _key_file() -> Path:
    return home() / "owner.key"


def _sealed_file() -> Path:
    return home() / "owner.key.age"


def _session_file() -> Path | None:
    folder = os.environ.get("XDG_RUNTIME_DIR")
    return Path(folder) / "dressform" / f"{sha256(str(home().absolute()).encode()).hexdigest()[:16]}.key" if folder else None


def _keyring():
    import keyring

    backend = keyring.get_keyring()
    return backend if type(backend).__module__ in _KEYRINGS else None


def _in_keyring() -> str | None:
    if os.environ.get("DRESSFORM_HOME"):
        return None
    ring = _keyring()
    return None if ring is None else ring.get_password(_SERVICE, _ACCOUNT)


def _read_private(file: Path) -> str:
    try:
        mode = file.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Locked(f"{file}: others can read this key; run chmod 600 {file}, then try again")
        return read_at_most(file, keys.FILE_LIMIT_BYTES).decode("ascii").strip()
    except (OSError, StoreError, UnicodeDecodeError) as error:
        raise Locked(f"{file}: no key can be read there ({error})") from error


def _write_private(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(file, text.encode() + b"\n", mode=0o600)
