"""Step 1c: the decoder alone, once more, on whole pictures: true colours, clean backgrounds, forgiving of latents a little off.

    python -m recipes.layfigure.finish_decoder --work WORK [--minutes 10]

The encoder stays as it is, so latents and a denoiser made with it remain valid. Rewrites WORK/vae.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from dressform.backbones import precision
from recipes.layfigure import log
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
    trained = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    vae.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    average = torch.optim.swa_utils.AveragedModel(vae, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(trained, lr=args.lr, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
    step, began, losses = 0, time.monotonic(), []
    while (progress := (time.monotonic() - began) / (args.minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        rows = torch.randint(len(stack), (args.batch,), generator=torch.Generator().manual_seed(step))
        x, z = in_range(stack[rows]), latents[rows]
        z = z + OFF * z.std() * torch.randn_like(z)
        loss = loss_of(vae, z, x, importance[labels[rows, None].int()])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update_parameters(vae)
        losses.append(loss.item())
        step += 1
        if step % 50 == 0:
            log.append(args.work / "decoder.jsonl", step=step, loss=round(sum(losses) / len(losses), 5),
                       seconds=round(time.monotonic() - began, 1))  # fmt: skip
            losses.clear()
    average.module.save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
