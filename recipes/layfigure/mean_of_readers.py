"""Step 4b: one reader from several that were trained on from the same weights: the mean of their weights (Wortsman et al. 2022).

    python -m recipes.layfigure.mean_of_readers --work WORK FOLDER[:SHARE] FOLDER[:SHARE] ...

Each FOLDER holds reader.safetensors. Writes WORK/reader, with the accuracy of the mean on held-out dolls.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from dressform.measure.reader import ReaderNet
from recipes.layfigure.train_reader import card_of, material, save


def mean(files: dict[Path, float]) -> dict[str, Tensor]:
    """The weighted mean of the tensors in these files, in float32."""
    total, found = sum(files.values()), {}
    for file, share in files.items():
        for name, value in load_file(file).items():
            part = value.float() * (share / total)
            found[name] = found[name] + part if name in found else part
    return found


def given(text: str) -> tuple[Path, float]:
    """FOLDER or FOLDER:SHARE, as typed."""
    folder, _, share = text.partition(":")
    return Path(folder), float(share or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("readers", type=given, nargs="+")
    parser.add_argument("--pool", type=int, default=50000)
    parser.add_argument("--held", type=int, default=1500, help="held-out dolls to validate on")
    parser.add_argument("--seed", type=int, default=11, help="which dolls are drawn")
    args = parser.parse_args()
    net = ReaderNet().to(memory_format=torch.channels_last)
    net.load_state_dict(mean({folder / "reader.safetensors": share for folder, share in args.readers}))
    card = card_of(net, material(args.work, args.pool, args.held, args.seed).held, args.work)
    save(net, card, args.work / "reader")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
