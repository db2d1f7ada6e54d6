"""Hostile files of the house's own: key files, vaults, ledgers, the character's card, base models, signed pictures."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.trust.vectors import Vectors, file_of
from benchmarks.trust.vectors.pictures import SIGNATURE, chunk, png
from dressform.consent.ledger import Ledger
from dressform.dress import provenance
from dressform.vault import keys, vault

IDENTITY = keys.new_identity()
OWNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
CREDENTIALS = provenance.new_credentials()
_AGE = b"age-encryption.org/v1\n"


# key files ------------------------------------------------------------------------------------------
def scrypt(cost: bytes) -> bytes:
    return _AGE + b"-> scrypt c2FsdHNhbHRzYWx0c2FsdA " + cost + b"\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n" + bytes(48)


def _key(data: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    return file_of("owner.key.age", data)


KEYS: Vectors = {
    "scrypt 2^23": _key(scrypt(b"23")),
    "scrypt 2^63": _key(scrypt(b"63")),
    "scrypt 2^99": _key(scrypt(b"99")),
    "scrypt with a cost of words": _key(scrypt(b"-1")),
    "scrypt with two costs": _key(scrypt(b"10 23")),
    "two scrypt stanzas": _key(scrypt(b"23").replace(b"\n---", b"\n-> scrypt c2FsdHNhbHRzYWx0c2FsdA 23\n" + b"A" * 43 + b"\n---")),
    "empty": _key(b""),
    "cut": _key(scrypt(b"10")[:60]),
    "not age": _key(b"-----BEGIN OPENSSH PRIVATE KEY-----\n"),
    "a later age": _key(scrypt(b"10").replace(b"/v1", b"/v2")),
    "stanzas without end": _key(lambda: _AGE + b"-> X25519 aaaa\nAAAA\n" * 1000),
    "a hundred megabytes": _key(lambda: _AGE + bytes(100 << 20)),
}


# vaults ---------------------------------------------------------------------------------------------
def _card(data: bytes | Callable[[str], bytes]) -> Callable[[Path], Path]:
    """A vault with another VAULT.json; a function makes it from the right one."""

    def write(folder: Path) -> Path:
        root = _vault(folder)
        file = root / "VAULT.json"
        file.write_bytes(data if isinstance(data, bytes) else data(file.read_text()))
        return root

    return write


def _vault(folder: Path) -> Path:
    made = vault.create(folder / "vault", {"owner": keys.recipient_of(IDENTITY)})
    made.write("pictures/0.png", bytes(1000))
    made.close()
    return made.root


def _index(*statements: str) -> Callable[[Path], Path]:
    """A vault whose index somebody else has worked on."""

    def write(folder: Path) -> Path:
        root = _vault(folder)
        db = sqlite3.connect(root / "index.db")
        for statement in statements:
            db.execute(statement)
        db.commit()
        db.close()
        return root

    return write


def _file(name: str, change: Callable[[Path], object]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        root = _vault(folder)
        change(next(p for p in sorted(root.glob(name)) if p.is_file()))
        return root

    return write


def _grown(file: Path) -> None:
    with file.open("r+b") as out:
        out.truncate(20 << 30)


_ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select i as tag, i as sealed from n"

VAULTS: Vectors = {
    "card of a newer version": _card(lambda text: text.replace('"version": 1', '"version": 2').encode()),
    "card of version -1": _card(lambda text: text.replace('"version": 1', '"version": -1').encode()),
    "card of no JSON": _card(b"{"),
    "card that is a list": _card(b"[]"),
    "card in no encoding": _card(b"\xff\xfe\xfd"),
    "card nested": _card(b"[" * 4000),
    "card of a hundred megabytes": _card(bytes(100 << 20)),
    "card whose id is a number": _card(lambda text: json.dumps(json.loads(text) | {"id": 7}).encode()),
    "card whose id leaves the folder": _card(lambda text: json.dumps(json.loads(text) | {"id": "../../../tmp/x"}).encode()),
    "card of another vault": _card(lambda text: json.dumps(json.loads(text) | {"id": "ab" * 16}).encode()),
    "index of noise": _file("index.db", lambda file: file.write_bytes(b"noise" * 1000)),
    "index cut": _file("index.db", lambda file: file.write_bytes(file.read_bytes()[:5000])),
    "index that is a question without end": _index("drop table row", f"create view row as {_ENDLESS}"),
    "index with a trigger": _index("create trigger t after insert on row begin delete from row; end"),
    "index with rows of numbers": _index("insert into row values (1, 2)"),
    "index with rows of words": _index("update row set sealed = 'words'"),
    "index with a row of a hundred megabytes": _index("update row set sealed = zeroblob(100000000)"),
    "index without a head": _index("delete from head"),
    "key of scrypt 2^23": _file("keys/*.age", lambda file: file.write_bytes(scrypt(b"23"))),
    "key of a hundred megabytes": _file("keys/*.age", lambda file: file.write_bytes(bytes(100 << 20))),
    "object of twenty gigabytes": _file("obj/*/*", _grown),
}


# ledgers --------------------------------------------------------------------------------------------
def _lines(change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    """A ledger of one signed line, changed."""

    def write(folder: Path) -> Path:
        file = folder / "consent.jsonl"
        Ledger(file, OWNER.public_key().public_bytes_raw()).append(OWNER, "narrow", datetime(2026, 1, 1, tzinfo=UTC), prohibit=["publish"])
        file.write_bytes(change(file.read_bytes()))
        return file

    return write


def _swapped(field: str, value: object) -> Callable[[bytes], bytes]:
    return lambda line: json.dumps(json.loads(line) | {field: value}, separators=(",", ":"), sort_keys=True).encode() + b"\n"


LEDGERS: Vectors = {
    "not canonical": _lines(lambda line: line.replace(b":", b": ", 1)),
    "fields in another order": _lines(lambda line: b'{"zz":1,' + line[1:]),
    "a field more": _lines(_swapped("also", 1)),
    "a later version": _lines(_swapped("v", 2)),
    "another kind": _lines(_swapped("kind", "everything")),
    "a scope that is none": _lines(_swapped("prohibit", ["all"])),
    "scopes that are a number": _lines(_swapped("prohibit", 7)),
    "another key": _lines(_swapped("key", "00" * 32)),
    "a wrong signature": _lines(_swapped("sig", "A" * 86 + "==")),
    "a signature that is none": _lines(_swapped("sig", "?")),
    "a time that is none": _lines(_swapped("at", "yesterday")),
    "cut": _lines(lambda line: line[:-20]),
    "the same line twice": _lines(lambda line: line * 2),
    "an empty line": _lines(lambda line: b"\n" + line),
    "a list": _lines(lambda line: b"[]\n"),
    "noise": _lines(lambda line: b"\xff\x00\xfe\n"),
    "nested a million deep": _lines(lambda line: b"[" * 1_000_000 + b"\n"),
    "a number of a million digits": _lines(lambda line: b'{"v":' + b"9" * 1_000_000 + b"}\n"),
    "a line of twenty megabytes": _lines(lambda line: b'{"v":"' + b"a" * (20 << 20) + b'"}\n'),
    "three hundred thousand fields": _lines(lambda line: b"{" + b",".join(b'"%d":1' % i for i in range(300_000)) + b"}\n"),
    "a file of a hundred megabytes": _lines(lambda line: line + b"a" * (100 << 20) + b"\n"),
}  # fmt: skip


# the character's card -------------------------------------------------------------------------------
_CARD = """format = 1
name = "aoi"
trigger = "aoi"
kind = "original"
age = 24
base_model = "layfigure"
description = ""
outfits = [{name = "dress", trigger = "aoi_dress"}]
"""


def _toml(old: str, new: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "character.toml").write_text(_CARD.replace(old, new))
        return folder

    return write


CHARACTERS: Vectors = {
    "age 17": _toml("24", "17"),
    "age that is no number": _toml("24", "nan"),
    "age without end": _toml("24", "inf"),
    "age in words": _toml("24", '"24"'),
    "no age": _toml("age = 24\n", ""),
    "an outfit that leaves the folder": _toml('"dress"', '"../../dress"'),
    "another kind": _toml("original", "photograph"),
    "nested a hundred thousand deep": _toml("24", "[" * 100_000),
    "ten megabytes": _toml("24", "24 # " + "a" * (10 << 20)),
    "no TOML": _toml("format = 1", "format"),
}


# base models ----------------------------------------------------------------------------------------
def _base(index: bytes) -> Callable[[Path], Path]:
    """A base model's folder with this index, and pickled weights."""

    def write(folder: Path) -> Path:
        (folder / "model_index.json").write_bytes(index)
        for part in ("unet", "vae", "text_encoder"):
            (folder / part).mkdir()
            (folder / part / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))
            (folder / part / "config.json").write_text("{}")
        return folder

    return write


BASE_MODELS: Vectors = {
    "pickled weights": _base(b'{"_class_name": "StableDiffusionPipeline"}'),
    "another class": _base(b'{"_class_name": "os.system"}'),
    "an index of no JSON": _base(b"{"),
    "an index that is a list": _base(b"[]"),
    "an index nested deep": _base(b"[" * 500_000),
    "an index of ten megabytes": _base(b" " * (10 << 20)),
}


# signed pictures ------------------------------------------------------------------------------------
def _signed(change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    return file_of("look.png", lambda: change(provenance.signed(png(), CREDENTIALS)))


def _manifest(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The picture with other bytes in the chunk that holds its manifest, and a right checksum over them."""

    def write(data: bytes) -> bytes:
        at = data.index(b"caBX")
        length = int.from_bytes(data[at - 4 : at], "big")
        return data[: at - 4] + chunk(b"caBX", change(data[at + 4 : at + 4 + length])) + data[at + 8 + length :]

    return write


SIGNED: Vectors = {
    "unsigned": file_of("look.png", png()),
    "someone else's": file_of("look.png", lambda: provenance.signed(png(), provenance.new_credentials())),
    "other pixels": _signed(lambda data: data.replace(b"IDAT", b"IDAT", 1)[:-80] + bytes([data[-80] ^ 1]) + data[-79:]),
    "a manifest cut in half": _signed(_manifest(lambda body: body[: len(body) // 2])),
    "an empty manifest": _signed(_manifest(lambda body: b"")),
    "a manifest of noise": _signed(_manifest(lambda body: b"noise" * 1000)),
    "a manifest with one bit changed": _signed(_manifest(lambda body: body[:2000] + bytes([body[2000] ^ 1]) + body[2001:])),
    "boxes nested deep": _signed(_manifest(lambda body: b"".join((8 * i).to_bytes(4, "big") + b"jumb" for i in range(20_000, 0, -1)))),
    "a signature alone": file_of("look.png", SIGNATURE),
    "a gif": file_of("look.png", b"GIF89a" + bytes(30)),
    "ours, on another picture": _signed(lambda data: data.replace(data[8:33], png(width=63)[8:33])),
}
