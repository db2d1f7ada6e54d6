"""The figures of the picture room, on data that it makes itself.

    python -m benchmarks.pictures [--parts sheets,masks] [--json FILE]

A part is a function from Settings to figures; a new one is one line in PARTS. All of them take hours, because two train adapters:
``--parts``, ``--characters``, ``--outfits`` and ``--probes`` choose less, and ``--small`` only shows that everything runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from benchmarks.pictures import captions_part, drafts_part, duplicates_part, intake, masked_training_part, masks_part, sheets
from benchmarks.pictures.settings import SMALL, Settings
from benchmarks.trust.written import write
from dressform.records import Figure

PARTS: dict[str, Callable[[Settings], dict[str, Figure]]] = {
    "sheets": sheets.measure,
    "intake": intake.measure,
    "captions": lambda settings: captions_part.run(settings.small),
    "duplicates": lambda settings: duplicates_part.run(settings.small),
    "masks": lambda settings: masks_part.run(settings.small),
    "masked_training": masked_training_part.measure,
    "drafts": drafts_part.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=_parts, default=list(PARTS), help=f"some of {', '.join(PARTS)}, with commas (default: all)")
    parser.add_argument("--small", action="store_true", help="as little as there can be, to see that it runs")
    for field in fields(Settings):
        if field.name != "small":
            parser.add_argument(f"--{field.name}", type=int)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    given = {f.name: v for f in fields(Settings) if f.name != "small" and (v := getattr(args, f.name)) is not None}
    settings = replace(SMALL if args.small else Settings(), **given)
    found: dict[str, Figure] = {}
    for name in args.parts:
        made = PARTS[name](settings)
        for figure, f in made.items():
            print(f"{figure:<44} {f.value:8.4f}   {f.low:8.4f} to {f.high:8.4f}   n={f.n}", flush=True)
        found |= made
        write(args.json, found, parts=args.parts, settings=asdict(settings))


def _parts(text: str) -> Sequence[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {unknown[0]!r}: use {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    main()
