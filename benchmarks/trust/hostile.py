"""Is every hostile file refused, quickly and in little memory?

    python -m benchmarks.trust.hostile [--family NAME] [--json FILE]

Each file is made in code, then read in a process of its own by the function that a command would use. Counted: whether an error
of the house came back in one line, the seconds until it did, and the memory it took beyond what was there before (the peak
that Linux keeps). Stated: each is refused in under 1 s and under 300 MB.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from benchmarks.trust.vectors import Vectors, adapters, house, pictures
from dressform import backbones
from dressform.adapters import files, foreign
from dressform.consent.ledger import Ledger
from dressform.dress import provenance
from dressform.errors import BadInput, DressformError
from dressform.measure.statistics import share
from dressform.pictures import intake
from dressform.store import read_at_most
from dressform.vault import keys, vault
from dressform.vault.check import check
from dressform.workspace import character_file

SECONDS, MEGABYTES = 1.0, 300.0
_GUARD_BYTES, _GUARD_SECONDS = 4 << 30, 60


@dataclass(frozen=True)
class Outcome:
    """What became of one file. ``said`` is the error's text, or what happened instead."""

    name: str
    refused: bool
    said: str
    seconds: float
    megabytes: float


# how each kind of file is read ----------------------------------------------------------------------
def _adapter(file: Path) -> None:
    data = file.read_bytes()
    files.targets_of(data)
    files.from_bytes(data, adapters.LAYERS, adapters.BASE)


def _foreign(file: Path) -> None:
    foreign.read(read_at_most(file, foreign.FILE_LIMIT_BYTES), "dressform-layfigure-v1", adapters.LAYERS)


def _key(file: Path) -> None:
    keys.unwrap_with_passphrase(read_at_most(file, keys.FILE_LIMIT_BYTES), "a passphrase")


def _vault(root: Path) -> None:
    if not check(vault.open_(root, house.IDENTITY), read_data=True).whole:
        raise BadInput("the vault is not whole")


def _signed(file: Path) -> None:
    """``verify`` says what a picture is; only "ours" would be believed."""
    seen = provenance.inspect(file.read_bytes(), house.CREDENTIALS.anchor)
    if seen.state != "ours":
        raise BadInput(seen.state)


FAMILIES: dict[str, tuple[Callable[[Path], object], Vectors]] = {
    "picture": (lambda file: intake.decode(file, 32, original=True), pictures.VECTORS),
    "adapter": (_adapter, adapters.VECTORS),
    "foreign adapter": (_foreign, adapters.FOREIGN),
    "key": (_key, house.KEYS),
    "vault": (_vault, house.VAULTS),
    "ledger": (lambda file: Ledger(file, house.OWNER.public_key().public_bytes_raw()).entries(), house.LEDGERS),
    "character": (character_file.read, house.CHARACTERS),
    "base model": (backbones.load, house.BASE_MODELS),
    "signed picture": (_signed, house.SIGNED),
}


# measuring ------------------------------------------------------------------------------------------
def outcomes(family: str) -> Iterator[Outcome]:
    """Every file of a family, made, read and measured in turn."""
    read, vectors = FAMILIES[family]
    for name, write in vectors.items():
        folder = Path(tempfile.mkdtemp())
        try:
            made = Path(_apart(lambda write=write, folder=folder: str(write(folder)), guarded=False))
            yield Outcome(f"{family}: {name}", **json.loads(_apart(lambda made=made: _measured(read, made), guarded=True)))
        finally:
            shutil.rmtree(folder)


def _measured(read: Callable[[Path], object], file: Path) -> str:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, began = _kilobytes("VmRSS"), time.perf_counter()
    try:
        read(file)
        refused, said = False, "it was taken"
    except DressformError as error:
        refused, said = "\n" not in str(error) and len(str(error)) < 1000, str(error)
    except BaseException as error:  # noqa: BLE001 - whatever else comes is the finding
        refused, said = False, f"{type(error).__name__}: {error}"
    took = time.perf_counter() - began
    return json.dumps({"refused": refused, "said": said[:1000], "seconds": took, "megabytes": (_kilobytes("VmHWM") - before) / 1024})


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def _apart(work: Callable[[], str], guarded: bool) -> str:
    """What ``work`` returns in a process of its own, which shares all that is imported already."""
    out_of, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(out_of)
            if guarded:
                limit = _kilobytes("VmSize") * 1024 + _GUARD_BYTES
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
                signal.alarm(_GUARD_SECONDS)
            with os.fdopen(into, "w") as pipe:
                pipe.write(work())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out_of) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    dead = {"refused": False, "said": f"the process died ({status})", "seconds": float(_GUARD_SECONDS), "megabytes": 0.0}
    return said or json.dumps(dead)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES, action="append")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    Image.init()
    gc.freeze()  # or the first collection of each process copies all that is imported, and that is measured
    found: list[Outcome] = []
    for family in args.family or FAMILIES:
        for one in outcomes(family):
            found.append(one)
            well = one.refused and one.seconds < SECONDS and one.megabytes < MEGABYTES
            print(f"{'ok ' if well else 'ILL'} {one.seconds:6.3f} s {one.megabytes:6.1f} MB  {one.name}: {one.said[:110]}", flush=True)
    slow, large = max(found, key=lambda o: o.seconds), max(found, key=lambda o: o.megabytes)
    figures = {
        "refused": share(o.refused for o in found),
        "under_one_second": share(o.seconds < SECONDS for o in found),
        "under_300_megabytes": share(o.megabytes < MEGABYTES for o in found),
    }
    print(f"{len(found)} hostile files, refused: {sum(o.refused for o in found)}")
    print(f"longest {slow.seconds:.3f} s ({slow.name}), most memory {large.megabytes:.1f} MB ({large.name})")
    if args.json:
        named = {n: asdict(f) for n, f in figures.items()}
        args.json.write_text(json.dumps({"figures": named, "files": [asdict(o) for o in found]}, indent=1) + "\n")
    sys.exit(not all(o.refused for o in found))


if __name__ == "__main__":
    main()
