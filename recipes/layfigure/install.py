"""Step 5: put the trained base model and reader into the package.

python -m recipes.layfigure.install --work WORK
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

PRETRAINED = Path(__file__).parents[2] / "src" / "dressform" / "pretrained"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    for source, name in (("base", "layfigure"), ("reader", "reader")):
        target = PRETRAINED / name
        if not (args.work / source).is_dir():
            print("skipped", source, "(not in the work folder)")
            continue
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(args.work / source, target)
        for config in target.rglob("*.json"):
            _forget_where(config)
        print(target.name, sum(f.stat().st_size for f in target.rglob("*") if f.is_file()) // 1000, "kB")


def _forget_where(config: Path) -> None:
    """diffusers writes down the folder that a part was read from."""
    said = json.loads(config.read_text())
    if said.pop("_name_or_path", None) is not None:
        config.write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    main()
