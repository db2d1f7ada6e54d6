"""Open a dressform vault without dressform (docs/format/vault-v1.md).

    pip install cryptography pyrage
    python open_vault.py VAULT KEY-FILE OUTPUT-FOLDER

KEY-FILE holds an age identity: the owner's, another person's, or the recovery key.
"""

import base64
import hashlib
import hmac
import json
import sqlite3
import sys
from pathlib import Path

import pyrage
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def unseal(key, blob, *words):
    """'DFV1', 12 bytes nonce, ciphertext and tag; the words are authenticated beside it."""
    assert blob[:4] == b"DFV1", "not a sealed blob"
    return AESGCM(key).decrypt(blob[4:16], blob[16:], "|".join(("dressform-vault", "1", *words)).encode())


def derived(key, purpose):
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"dressform-vault|1|" + purpose).derive(key)


def vault_key(vault, identity):
    for wrapped in sorted((vault / "keys").glob("*.age")):
        try:
            return pyrage.decrypt(wrapped.read_bytes(), [identity])
        except pyrage.DecryptError:
            continue
    sys.exit("this key does not open the vault")


def open_vault(vault, identity):
    """Yields (name, bytes) for everything in the vault, after checking that no row is missing or planted."""
    vault_id = json.loads((vault / "VAULT.json").read_text())["id"]
    key = vault_key(vault, identity)
    rows_key, sum_key = derived(key, b"rows"), derived(key, b"sum")
    db = sqlite3.connect(vault / "index.db")
    rows = db.execute("select tag, sealed from row").fetchall()
    _, total = json.loads(unseal(rows_key, db.execute("select sealed from head").fetchone()[0], vault_id, "head"))
    found = sum(int.from_bytes(hmac.digest(sum_key, tag + sealed, hashlib.sha256), "big") for tag, sealed in rows)
    assert found % 2**256 == int(total, 16), "a row is missing, planted or from an older copy"
    for tag, sealed in rows:
        row = json.loads(unseal(rows_key, sealed, vault_id, "row", tag.hex()))
        blob = (vault / "obj" / row["object"][:2] / row["object"]).read_bytes()
        yield row["name"], unseal(base64.b64decode(row["key"]), blob, vault_id, row["object"], row["kind"])


def main():
    vault, key_file, out = (Path(word) for word in sys.argv[1:4])
    identity = pyrage.x25519.Identity.from_str(key_file.read_text().strip())
    for name, data in open_vault(vault, identity):
        file = out / name
        assert out.resolve() in file.resolve().parents, "a name that leaves the folder"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


if __name__ == "__main__":
    main()
