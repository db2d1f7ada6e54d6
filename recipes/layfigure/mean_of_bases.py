"""Step 3b: one base model from several that were trained on from the same weights: the mean of their weights (Wortsman et al. 2022).

    python -m recipes.layfigure.mean_of_bases --work WORK FOLDER[:SHARE] FOLDER[:SHARE] ...

Each FOLDER is a pipeline folder with the same autoencoder. Writes WORK/base: denoiser and text encoder are the mean, all else the first's.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from recipes.layfigure.mean_of_readers import given, mean

_PARTS = ("unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("bases", type=given, nargs="+")
    args = parser.parse_args()
    target = args.work / "base"
    if target.exists():
        parser.error(f"{target}: there already; move it away first")
    shutil.copytree(args.bases[0][0], target)
    for part in _PARTS:
        found = mean({folder / part: share for folder, share in args.bases})
        save_file({name: value.to(torch.float16) for name, value in found.items()}, target / part, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
