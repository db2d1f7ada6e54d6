"""A short whole journey as a user would run it, watched from outside: is anything readable left, does anything call out?

    python -m benchmarks.trust.journey [--json FILE]

Runs new, add, train, dress, lookbook and measure with a few steps, with the network taken away and under strace (see
workspace/offline_proof.py; where the system does not allow that, it stops and says so). Then every file that was written
(whatever the trace names and whatever is left in the home, temporary and working folders), except in looks/ and reports/, is
searched for words of the captions, rows of the pictures' pixels and names of the adapters' tensors. Stated: 0 hits, 0 connections
outside this machine.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from dressform.workspace import offline_proof

_CANARY = "quetzalcanary"
_CALLS = "network,open,openat,creat,rename,renameat,renameat2"
_WRITTEN = re.compile(r"open(?:at)?\((?:AT_FDCWD, )?\"([^\"]+)\", [^)]*O_(?:WRONLY|RDWR)")


def pictures(samples: Path, to: Path) -> list[bytes]:
    """Copies of the sample pictures with the canary in their captions; returns pixel rows to look for."""
    rows = []
    for name in ("neutral", "dress"):
        (to / name / "masks").mkdir(parents=True)
        for file in sorted((samples / name).glob("*.png"))[:4]:
            pixels = np.array(Image.open(file).convert("RGB"))
            pixels[60:64, 40:90] = np.random.default_rng(len(rows)).integers(0, 255, (4, 50, 3))  # rows found nowhere else
            Image.fromarray(pixels).save(to / name / file.name)
            rows += [pixels[61, 40:90].tobytes(), (to / name / file.name).read_bytes()[-200:-60]]
            (to / name / f"{file.stem}.txt").write_text(f"front view, {_CANARY} background")
            if (samples / name / "masks" / file.name).exists():
                shutil.copy(samples / name / "masks" / file.name, to / name / "masks" / file.name)
    return rows


def hits(files: list[Path], needles: list[bytes]) -> list[str]:
    """Files that hold a needle."""
    return [f"{file}: {needle[:24]!r}" for file in files for needle in needles if needle in file.read_bytes()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, default=Path("examples/aoi"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    alone, watch = offline_proof.cage(), offline_proof.tracer(_CALLS)
    with tempfile.TemporaryDirectory() as where:
        place = Path(where)
        (place / "work").mkdir()
        rows = pictures(args.samples.resolve(), place / "given")
        environment = offline_proof.at_home(place)
        steps = (
            ("new", "aoi", "--age", "24", "--yes"), ("add", "aoi", str(place / "given/neutral"), "--neutral"),
            ("add", "aoi", str(place / "given/dress"), "--outfit", "dress"), ("train", "aoi", "--steps", "4", "--despite-lint"),
            ("dress", "aoi", "--outfit", "dress", "--steps", "2"), ("lookbook", "aoi", "--steps", "2"),
            *([("measure", "aoi", "--each", "2", "--steps", "2")] if (files("dressform.pretrained") / "reader").is_dir() else []),
        )  # fmt: skip
        connections, written = set(), set()
        for i, step in enumerate(steps):
            trace = place / f"trace-{i}"
            command = [*alone, *watch, "-o", str(trace), sys.executable, "-m", "dressform.cli", *step]
            done = subprocess.run(command, cwd=place / "work", env=environment, capture_output=True, text=True)
            print(f"{step[0]:<9} exit {done.returncode}", flush=True)
            if done.returncode:
                sys.exit(done.stderr[-2000:])
            text = trace.read_text(errors="replace")
            connections |= offline_proof.outside(text)
            written |= {Path(place / "work", name) for name in _WRITTEN.findall(text)}
        left = [p for name in ("home", "tmp", "keys", "cache", "config", "work") for p in (place / name).rglob("*") if p.is_file()]
        everything = {p for p in [*left, *(w for w in written if w.is_file() and not str(w).startswith(("/dev", "/proc")))]}
        searched = sorted(p for p in everything if not {"looks", "reports"} & set(p.parts) and "trace-" not in p.name)
        gone = sorted(str(w) for w in written if not w.exists() and not str(w).startswith(("/dev", "/proc")))
        needles = [_CANARY.encode(), b"lora_down", b"to_q.lora", *rows]
        found = hits(searched, needles)
        finished = hits([p for p in left if {"looks", "reports"} & set(p.parts)], [_CANARY.encode(), *rows])
    print(f"{len(searched)} files searched for {len(needles)} needles: {len(found)} hits {found[:5]}")
    print(f"finished pictures and reports: {len(finished)} hits {finished[:3]}")
    print(f"written and gone again: {len(gone)}, for example {[g.rsplit('/', 1)[-1] for g in gone[:3]]}")
    print(f"connections outside this machine: {len(connections)} {sorted(connections)[:5]}")
    if args.json:
        figures = {
            "plaintext_hits": {"value": len(found) + len(finished), "n": len(searched), "low": 0, "high": len(found) + len(finished)},
            "connections": {"value": len(connections), "n": len(steps), "low": 0, "high": len(connections)},
        }
        args.json.write_text(json.dumps({"figures": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
