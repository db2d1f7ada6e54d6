"""Is every tampering seen? Flips, truncations, swaps, plants, removals and roll-backs of a vault's files.

    python -m benchmarks.trust.tampering [--trials 10000] [--json FILE]

Each trial harms a fresh copy in one way and then reads everything. It survives (a failure of the vault) where all names
come back with no error, and the harm was not to a file that no row knows. Stated: 100 % are seen.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from dressform.errors import DressformError
from dressform.vault import keys, vault
from dressform.vault.check import check


def _objects(root: Path) -> list[Path]:
    return sorted(p for p in (root / "obj").rglob("*") if p.is_file())


def flip(root: Path, rng: random.Random) -> str:
    """One bit of any object or key file."""
    file = rng.choice([*_objects(root), *(root / "keys").glob("*.age")])
    data = bytearray(file.read_bytes())
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)
    file.write_bytes(data)
    return f"bit of byte {at} of {file.name}"


def truncate(root: Path, rng: random.Random) -> str:
    file = rng.choice(_objects(root))
    data = file.read_bytes()
    file.write_bytes(data[: rng.randrange(len(data))])
    return f"{file.name} cut off"


def swap(root: Path, rng: random.Random) -> str:
    a, b = rng.sample(_objects(root), 2)
    one, other = a.read_bytes(), b.read_bytes()
    a.write_bytes(other)
    b.write_bytes(one)
    return f"{a.name} and {b.name} exchanged"


def remove(root: Path, rng: random.Random) -> str:
    file = rng.choice(_objects(root))
    file.unlink()
    return f"{file.name} removed"


def _change_rows(root: Path, *statements: tuple[str, tuple[bytes, ...]]) -> None:
    import sqlite3

    db = sqlite3.connect(root / "index.db")
    for text, values in statements:
        db.execute(text, values)
    db.commit()
    db.close()


def _rows(root: Path) -> list[tuple[bytes, bytes]]:
    import sqlite3

    db = sqlite3.connect(root / "index.db")
    found = db.execute("select tag, sealed from row").fetchall()
    db.close()
    return found


def index_flip(root: Path, rng: random.Random) -> str:
    tag, sealed = rng.choice(_rows(root))
    data = bytearray(sealed)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    _change_rows(root, ("update row set sealed = ? where tag = ?", (bytes(data), tag)))
    return "a row changed"


def index_swap(root: Path, rng: random.Random) -> str:
    (a, one), (b, other) = rng.sample(_rows(root), 2)
    change = "update row set sealed = ? where tag = ?"
    _change_rows(root, (change, (other, a)), (change, (one, b)))
    return "two rows exchanged"


def index_remove(root: Path, rng: random.Random) -> str:
    _change_rows(root, ("delete from row where tag = ?", (rng.choice(_rows(root))[0],)))
    return "a row removed"


def index_plant(root: Path, rng: random.Random) -> str:
    _change_rows(root, ("insert into row values (?, ?)", (rng.randbytes(32), rng.choice(_rows(root))[1])))
    return "a row planted"


def index_older(root: Path, rng: random.Random) -> str:
    """One row and its object put back from before a change: each valid by itself."""
    older = root.parent / "older"
    tag, sealed = rng.choice(_rows(older))
    for file in _objects(older):
        to = root / file.relative_to(older)
        if not to.exists():
            to.parent.mkdir(exist_ok=True)
            shutil.copy(file, to)
    _change_rows(root, ("update row set sealed = ? where tag = ?", (sealed, tag)))
    return "a row put back from an older copy"


HARMS: tuple[Callable[[Path, random.Random], str], ...] = (flip, truncate, swap, remove, index_flip, index_swap, index_remove, index_plant)


def harm(root: Path, rng: random.Random) -> str:
    """Harm a vault in one random way; says what was done."""
    chosen = rng.choice(HARMS + ((index_older,) if (root.parent / "older").exists() else ()))
    return f"{chosen.__name__}: {chosen(root, rng)}"


def survives(root: Path, identity: str) -> bool:
    """True where everything opens as if nothing had happened."""
    try:
        opened = vault.open_(root, identity)
    except DressformError:
        return False
    try:
        return check(opened, read_data=True).whole
    finally:
        opened.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    unseen: list[str] = []
    kinds: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        identity = keys.new_identity()
        first = vault.create(Path(place) / "vault", {"owner": keys.recipient_of(identity)})
        for i in range(20):
            first.write(f"pictures/{i}.png", rng.randbytes(rng.randrange(1, 3000)))
        first.close()
        shutil.copytree(first.root, Path(place) / "older")
        now = vault.open_(first.root, identity)
        for i in range(20):
            now.write(f"pictures/{i}.png", rng.randbytes(rng.randrange(1, 3000)))
        now.close()
        for _ in range(args.trials):
            copy = Path(place) / "copy"
            shutil.copytree(first.root, copy)
            what = harm(copy, rng)
            kinds[what.split(":")[0]] += 1
            if survives(copy, identity):
                unseen.append(what)
            shutil.rmtree(copy)
    seen = 1 - len(unseen) / args.trials
    print(f"{args.trials} trials: {seen:.2%} seen", dict(kinds), unseen[:5])
    if args.json:
        figure = {"value": seen, "n": args.trials, "low": max(0.0, seen - 3 / args.trials), "high": seen}
        args.json.write_text(json.dumps({"figures": {"tampering_seen": figure}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
