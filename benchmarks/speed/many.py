"""Does a training start as fast, and in as little memory, with ten thousand pictures as with a hundred?

    python -m benchmarks.speed.many [--counts 100 10000] [--json FILE]

A sealed vault is filled with so many drawings of one lay figure in random clothes and scenes, and with what the base model would make of
them (random latents and one caption a hundred pictures: neither cost depends on the values). They are looked at once, for the
report that ``train`` begins with, and encoded once. Then, in a process of its own, everything that ``train`` does before its
first step, the report with it, is timed with both kept, and twenty steps are read. Stated: 10 seconds, and at most 2 GiB more
memory than with a hundred pictures.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import torch

from dressform.backbones.text import Text
from dressform.layfigure.doll import Doll
from dressform.layfigure.render import render
from dressform.layfigure.world import random_garment, random_identity, random_scene
from dressform.pictures import intake
from dressform.records import Picture
from dressform.train.data import Shares, rows_at
from dressform.vault import keys, vault
from dressform.workspace import datasets, looking
from dressform.workspace.workspace import Workspace

BASE = "layfigure"
SEED = 1
_STEPS, _ROWS, _BATCH = 20, 6, 500


def fill(root: Path, count: int) -> str:
    """A vault with ``count`` neutral pictures, nothing encoded yet; the key that opens it."""
    identity = keys.new_identity()
    store = vault.create(root, {"owner": keys.recipient_of(identity)})
    rng = random.Random(SEED)
    who = random_identity(rng)
    for first in range(0, count, _BATCH):
        batch = {}
        for i in range(first, min(count, first + _BATCH)):
            row = Picture(f"{i:064x}", None, f"front view, place {i % (count // 100 or 1)}", 128, 128, False, f"{i}.png")
            drawn = render(Doll(who, random_garment(rng), random_scene(rng)), 128).picture
            batch |= {f"pictures/{row.id}.png": intake.png(drawn), f"pictures/{row.id}.json": json.dumps(asdict(row)).encode()}
        store.write_all(batch)
    store.close()
    return identity


class _Known:
    """A base model that encodes every picture as the same random latents, at once: only the cache's own work is left."""

    def __init__(self, size_px: int = 128, cell_px: int = 8) -> None:
        self.sha256, self.size_px, self.cell_px = "0" * 64, size_px, cell_px
        self.device, self.square = torch.device("cpu"), True
        self._latents, self._text = torch.randn(1, 8, size_px // cell_px, size_px // cell_px), torch.randn(1, 64, 192)

    def encode_pictures(self, pictures: torch.Tensor) -> torch.Tensor:
        return self._latents.expand(len(pictures), -1, -1, -1)

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        return self._text.expand(len(texts), -1, -1)

    def length(self, text: Text) -> int:
        return self._text.shape[1]


def opened(root: Path, identity: str) -> Workspace:
    """The vault as a character, without the ceremony that a benchmark does not need."""
    from dressform.records import Character

    found = Workspace.__new__(Workspace)
    found.root, found.store = root, vault.open_(root, identity)
    found.character = Character("aoi", "aoi", "original", 24, BASE)
    found.__dict__["backbone"] = _Known()
    found.__dict__["gate"] = SimpleNamespace(permitted=lambda assets: {"caption": tuple(assets)})
    found.__dict__["quarantined"] = frozenset  # nothing
    return found


def start(root: Path, identity: str) -> dict[str, float]:
    """Seconds until the first row is at hand, of these the report's; seconds of a step's rows; and the process's peak memory."""
    began, worked = time.perf_counter(), time.process_time()
    her = opened(root, identity)
    looking.findings(her)
    report = time.perf_counter() - began
    pictures = her.pictures(every=True)
    given = datasets.material(her, pictures, datasets.identity_pictures(pictures, "auto"))
    given.identity.digest  # noqa: B018 (the mark of a run needs it)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    empty = her.backbone.encode_text([""])
    began = time.perf_counter()
    for step in range(_STEPS):
        rows_at(given.identity, empty, 0, step, _ROWS, Shares(0.1, 0.5))
    reading = (time.perf_counter() - began) / _STEPS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "start_seconds": seconds, "start_cpu_seconds": cpu, "report_seconds": report, "rows_seconds": reading, "peak_bytes": peak,
    }  # fmt: skip


def measured(count: int) -> dict[str, float]:
    """The figures for ``count`` pictures: the cache is built, then everything is opened again in a new process."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "vault"
        identity = fill(root, count)
        began = time.perf_counter()
        first = start(root, identity)
        building = time.perf_counter() - began - first["report_seconds"]
        command = [sys.executable, "-m", "benchmarks.speed.many", "--start", str(root)]
        done = subprocess.run(command, input=identity, capture_output=True, text=True, check=True)
        return json.loads(done.stdout) | {"cache_seconds": building, "look_seconds": first["report_seconds"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.start:
        print(json.dumps(start(args.start, sys.stdin.read())))
        return
    found = {count: measured(count) for count in args.counts}
    least = found[args.counts[0]]
    for count, f in found.items():
        more = (f["peak_bytes"] - least["peak_bytes"]) / 2**20
        print(
            f"{count:>6} pictures: starts in {f['start_seconds']:.1f} s ({f['start_cpu_seconds']:.1f} of its own work, "
            f"{f['report_seconds']:.1f} the report), "
            f"rows of a step {1000 * f['rows_seconds']:.1f} ms, {f['peak_bytes'] / 2**20:.0f} MiB ({more:+.0f}), "
            f"looked at in {f['look_seconds']:.0f} s, cache built in {f['cache_seconds']:.0f} s"
        )
    if args.json:
        args.json.write_text(json.dumps({"pictures": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
