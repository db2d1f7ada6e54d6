"""Step 1c: the decoder alone, once more, on whole pictures: true colours, clean backgrounds, forgiving of latents a little off.

    python -m recipes.layfigure.finish_decoder --work WORK [--minutes 10]

The encoder stays as it is, so latents and a denoiser made with it remain valid. Rewrites WORK/vae.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from dressform.backbones import precision
from recipes.layfigure import log
from recipes.layfigure.half_vae import fit
from recipes.layfigure.recolour_vae import cell_colours, in_range, latents_of
from recipes.layfigure.train_vae import IMPORTANCE, pictures

OFF = 0.08
"""Noise added to latents, in parts of their standard deviation: what a sampler leaves behind."""


def loss_of(vae: AutoencoderKL, z: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1 + L2 + edge L1 of the decoded latents z against pictures x in -1..1, and L1 + L2 of each cell's mean colour.

    Without the last, a skin that is even but of the wrong hue costs no more than grain.
    """
    with precision.autocast(x.device):
        y = vae.decode(z).sample
    error = y.float() - x
    edges = (error.diff(dim=-1).abs() * weight[..., 1:]).mean() + (error.diff(dim=-2).abs() * weight[..., 1:, :]).mean()
    colour, share = cell_colours(error), cell_colours(weight)
    colours = ((colour.abs() + 4.0 * colour.square()) * share).mean()
    return ((error.abs() + 2.0 * error.square()) * weight).mean() + 0.5 * edges + 2.0 * colours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--pool", type=int, default=5000)
    parser.add_argument("--lr", type=float, default=6e-4)
    args = parser.parse_args()
    torch.manual_seed(0)
    stack, labels = pictures(args.pool, seed=77)
    importance = IMPORTANCE.clone()
    importance[0] = 1.5
    vae = AutoencoderKL.from_pretrained(args.work / "vae", torch_dtype=torch.float32).to(memory_format=torch.channels_last)
    latents = latents_of(vae, stack)

    def loss_at(step: int) -> Tensor:
        rows = torch.randint(len(stack), (args.batch,), generator=torch.Generator().manual_seed(step))
        z = latents[rows]
        z = z + OFF * z.std() * torch.randn_like(z)
        return loss_of(vae, z, in_range(stack[rows]), importance[labels[rows, None].int()])

    def report(step: int, loss: float, seconds: float, _average: AutoencoderKL) -> None:
        log.append(args.work / "decoder.jsonl", step=step, loss=loss, seconds=seconds)

    fit(vae, [vae.decoder, vae.post_quant_conv], loss_at, args.minutes, args.lr, report).save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
