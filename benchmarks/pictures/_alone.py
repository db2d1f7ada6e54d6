"""What a part of the benchmark does when it is run by itself: prints its figures, and writes them where asked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from dressform.records import Figure


def main(run: Callable[[bool], dict[str, Figure]]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", help="a few dolls, to see that it runs")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    found = run(args.small)
    for name, figure in found.items():
        print(f"{name:<36} {figure.value:7.2%}   {figure.low:7.2%} to {figure.high:7.2%}   n={figure.n}", flush=True)
    if args.json:
        args.json.write_text(json.dumps({"figures": {name: asdict(f) for name, f in found.items()}}, indent=1) + "\n")
