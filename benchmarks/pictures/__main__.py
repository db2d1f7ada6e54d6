"""The figures of the picture room, on data that it makes itself.

    python -m benchmarks.pictures [--part sheets] [--seed 800000] [--sheets 200] [--json FILE]

A part is a module with ``measure(settings) -> dict[str, Figure]``; a new one is one line in PARTS.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks.pictures import captions_part, duplicates_part, intake, masks_part, sheets
from benchmarks.pictures.settings import Settings
from benchmarks.trust.written import write
from dressform.records import Figure

PARTS: dict[str, Callable[[Settings], dict[str, Figure]]] = {
    "sheets": sheets.measure,
    "intake": intake.measure,
    "captions": lambda _settings: captions_part.run(small=False),
    "duplicates": lambda _settings: duplicates_part.run(small=False),
    "masks": lambda _settings: masks_part.run(small=False),
}


def main() -> None:
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="one part alone; may be given again")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--sheets", type=int, default=default.sheets)
    parser.add_argument("--pictures", type=int, default=default.pictures)
    parser.add_argument("--processes", type=int, default=default.processes)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    settings = Settings(args.seed, args.sheets, args.pictures, args.processes)
    found: dict[str, Figure] = {}
    for name in args.part or PARTS:
        found |= PARTS[name](settings)
    for name, f in found.items():
        print(f"{name:<36} {f.value:8.4f}   {f.low:8.4f} to {f.high:8.4f}   n={f.n}", flush=True)
    write(args.json, found, seed=settings.seed)


if __name__ == "__main__":
    main()
