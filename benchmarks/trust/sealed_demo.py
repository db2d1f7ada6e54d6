"""How much longer does the demo's journey take sealed than on a plain folder?

    python -m benchmarks.trust.sealed_demo [--steps 20] [--rounds 5] [--json FILE]

Making her, taking the sample pictures in, training, and the lookbook, the same actions in turns on a vault and on a
DirectoryStore. Fewer steps than the demo's weigh the storing more, so the demo itself loses less. Stated: at most 1.10.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path

from benchmarks.speed.timing import Turns, ratio
from dressform.dress.sampler import SampleConfig
from dressform.store import DirectoryStore
from dressform.vault import owner
from dressform.workspace import creating, dressing, training, workspace
from dressform.workspace.creating import Asked
from dressform.workspace.workspace import Workspace

SAMPLES = Path(__file__).parents[2] / "examples" / "aoi"


@contextmanager
def sealed(root: Path) -> Iterator[Workspace]:
    creating.create(root, Asked("aoi", 24))
    with workspace.opened(root) as her:
        yield her


@contextmanager
def plain(root: Path) -> Iterator[Workspace]:
    store = DirectoryStore(root.with_name(f"{root.name}-store"))
    creating.create(root, Asked("aoi", 24), store)
    yield Workspace(root, store, owner.load())


def journey(her: Workspace, steps: int) -> None:
    for folder in sorted(p for p in SAMPLES.iterdir() if p.is_dir()):
        her.add([folder], None if folder.name == "neutral" else folder.name)
    training.run(her, *training.recipes(16, 0, steps))
    dressing.lookbook(her, 0, SampleConfig(4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["DRESSFORM_HOME"] = str(Path(place) / "keys")
        number = count()

        def once(made) -> None:  # type: ignore[no-untyped-def]
            with made(Path(place) / f"{made.__name__}-{next(number)}") as her:
                journey(her, args.steps)

        seconds = Turns(args.rounds).seconds({"sealed": lambda: once(sealed), "plain": lambda: once(plain)})
    found = ratio(seconds["sealed"], seconds["plain"])
    print(f"sealed / plain: {found.value:.3f} ({found.low:.3f} to {found.high:.3f}, {found.n} rounds, {args.steps} steps)")
    if args.json:
        args.json.write_text(json.dumps({"figures": {"sealed_over_plain": asdict(found)}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
