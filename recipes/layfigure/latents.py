"""The training set of the denoiser as it lies in the work folder: what ``make_latents`` wrote, read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from dressform.layfigure.canvas import LABELS
from dressform.layfigure.doll import Doll, Garment, Identity, Scene

IMPORTANCE = {"background": 0.5, "garment": 2.0, "garment_trim": 2.0, "footwear": 2.0, "hair": 4.0}
"""What an error weighs by what a pixel shows; skin, face, ears and mark, which say who she is in a few cells, weigh 6."""
_HERS, _USUAL_PX, _MOST = ("skin", "face", "ears"), 270, 4.0
"""Of a doll who shows fewer pixels of these than is usual, each weighs more in proportion, up to so many times."""


@dataclass(frozen=True)
class Data:
    """latents bf16 [n, 12, 16, 16]; weights f32 [n, 1, 16, 16], what an error in each cell weighs; the dolls.

    ``places``: where to draw from. Dolls in the neutral layer stand there twice, for every identity adapter begins with it.
    """

    latents: Tensor
    weights: Tensor
    dolls: list[Doll]
    places: Tensor


def read_doll(line: str) -> Doll:
    row = json.loads(line)
    worn = Garment(**row["garment"]) if row["garment"] else None
    return Doll(Identity(**row["identity"]), worn, Scene(**row["scene"]))


def read_data(work: Path) -> Data:
    """All latent files in WORK, scaled to unit standard deviation by the VAE's scaling factor."""
    importance = torch.tensor([IMPORTANCE.get(label, 6.0) for label in LABELS])
    latents, weights, dolls = [], [], []
    for file in sorted(work.glob("latents-*.safetensors")):
        part = load_file(file)
        latents.append(part["latents"])
        weights += [_weights(some, importance) for some in part["shares"].split(5000)]
        lines = (work / f"dolls-{file.stem.split('-')[1]}.jsonl").read_text().splitlines()
        dolls += [read_doll(line) for line in lines]
    places = [i for i, doll in enumerate(dolls) for _ in range(1 if doll.garment else 2)]
    return Data(torch.cat(latents), torch.cat(weights), dolls, torch.tensor(places))


def _weights(shares: Tensor, importance: Tensor) -> Tensor:
    """[n, 1, 16, 16] from how many of a cell's 64 pixels carry each label: uint8 [n, labels, 16, 16]."""
    hers = [LABELS.index(name) for name in _HERS]
    shown = shares[:, hers].sum((1, 2, 3), dtype=torch.int64)
    each = importance.repeat(len(shares), 1)
    each[:, hers] *= (_USUAL_PX / shown.clamp_min(1)).clamp(1.0, _MOST)[:, None]
    return torch.einsum("nkhw,nk->nhw", shares / 64, each)[:, None]


def read_shares(work: Path) -> Tensor:
    """How many of a cell's 64 pixels carry each label: uint8 [n, labels, 16, 16], in the order of ``read_data``."""
    return torch.cat([load_file(file)["shares"] for file in sorted(work.glob("latents-*.safetensors"))])


def scaling_for(data: Data, start: Path | None) -> float:
    """To unit spread; or what a pipeline folder was trained with: channels that have not changed must look the same to it."""
    if start is None:
        return 1.0 / data.latents[:4096].float().std().item()
    return float(json.loads((start / "vae" / "config.json").read_text())["scaling_factor"])
