"""Step 1: the autoencoder of the embedded base model, trained from scratch on dolls.

    python -m recipes.layfigure.train_vae --work WORK [--minutes 35]

Resumable: run the same command again and it goes on from the last checkpoint in WORK.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from dressform.backbones import precision
from dressform.layfigure.canvas import LABELS
from dressform.layfigure.render import render
from dressform.layfigure.world import training_doll
from recipes.layfigure import log

CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (16, 48, 96, 128),
    "layers_per_block": 1,
    "latent_channels": 12,
    "norm_num_groups": 1,  # more groups than colours would normalise the colours away
    "mid_block_add_attention": False,
    "sample_size": 128,
}


CLOTH = ("garment", "garment_trim", "footwear")

SMALL = CONFIG | {
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (16, 48, 96),
    "latent_channels": 6,
}


def start_as_identity(vae: AutoencoderKL) -> None:
    """Zero each residual block's last convolution: the network starts as a plain chain of convolutions."""
    for module in vae.modules():
        if isinstance(module, ResnetBlock2D):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)


def grow(vae: AutoencoderKL, smaller: AutoencoderKL) -> int:
    """Take over the outer levels of an autoencoder with one level less; returns how many tensors fitted.

    Encoder levels keep their number, decoder levels move up by one. Only the new inner level starts from nothing.
    """
    ours, theirs = vae.state_dict(), smaller.state_dict()
    taken = 0
    for name, value in theirs.items():
        level = re.match(r"decoder\.up_blocks\.(\d+)\.", name)
        to = name.replace(f"up_blocks.{level[1]}", f"up_blocks.{int(level[1]) + 1}", 1) if level else name
        if to in ours and ours[to].shape == value.shape and "mid_block" not in name:
            ours[to] = value
            taken += 1
    vae.load_state_dict(ours)
    return taken


def pictures(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """(uint8 [count, 3, 128, 128], labels uint8 [count, 128, 128])."""
    rng = random.Random(seed)
    drawn = [render(training_doll(rng)) for _ in range(count)]
    stack = torch.from_numpy(np.stack([r.picture for r in drawn])).permute(0, 3, 1, 2).contiguous()
    return stack, torch.from_numpy(np.stack([r.labels for r in drawn]))


IMPORTANCE = torch.tensor([0.4 if name == "background" else 2.0 if name in CLOTH else 4.0 for name in LABELS])
"""What an error weighs, by label: faces, hands and hair are few pixels and say who she is."""


def batch(stack: Tensor, labels: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of upright 128x64 crops near the figure: ([size, 3, 128, 64] in -1..1, weight [size, 1, 128, 64])."""
    rows = torch.randint(len(stack), (size,), generator=generator)
    wide = torch.rand((), generator=generator) < 0.25
    left = int(torch.randint(0, 65, (), generator=generator)) if wide else 8 * int(torch.randint(2, 7, (), generator=generator))
    x = stack[rows, :, :, left : left + 64].float().div_(127.5).sub_(1)
    weight = IMPORTANCE[labels[rows, None, :, left : left + 64].int()]
    return x.to(memory_format=torch.channels_last), weight


def loss_of(vae: AutoencoderKL, x: Tensor, weight: Tensor, noise: Tensor) -> Tensor:
    """Weighted L1 + L2 + edge L1 + a small KL; the decoder also sees slightly noisy latents, as it will in use."""
    with precision.autocast(x.device):
        dist = vae.encode(x).latent_dist
        z = dist.mean + dist.std * noise
        y = vae.decode(z).sample
    error = y.float() - x
    edge_x = (error.diff(dim=-1).abs() * weight[..., 1:]).mean()
    edge_y = (error.diff(dim=-2).abs() * weight[..., 1:, :]).mean()
    mean, logvar = dist.mean.float(), dist.logvar.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).mean()
    return ((error.abs() + 2.0 * error.square()) * weight).mean() + 0.5 * (edge_x + edge_y) + 4e-4 * kl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=35.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pool", type=int, default=12000)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--small", action="store_true", help="three levels (4 x 4 pixels a cell): the first stage")
    parser.add_argument("--grow-from", type=Path, help="the folder of the first stage")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    state_file = args.work / "vae.pt"

    torch.manual_seed(0)
    vae = AutoencoderKL(**(SMALL if args.small else CONFIG)).to(args.device, memory_format=torch.channels_last)
    start_as_identity(vae)
    if args.grow_from:
        print("taken over:", grow(vae, AutoencoderKL.from_pretrained(args.grow_from)), "tensors", flush=True)
    average = torch.optim.swa_utils.AveragedModel(vae, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(vae.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=1e-4)
    step, spent = 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        vae.load_state_dict(state["vae"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    stack, labels = pictures(args.pool, seed=step)

    noise_shape = (args.batch, 6, 32, 16) if args.small else (args.batch, 12, 16, 8)
    budget, last_save = args.minutes * 60, time.monotonic()
    while spent < budget:
        began = time.monotonic()
        progress = spent / budget
        lr = args.lr * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = lr
        generator = torch.Generator().manual_seed(step)
        x, weight = batch(stack, labels, args.batch, generator)
        noise = torch.randn(noise_shape, generator=generator)
        loss = loss_of(vae, x.to(args.device), weight.to(args.device), noise.to(args.device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update_parameters(vae)
        step += 1
        if step % 50 == 0:
            log.append(args.work / "vae.jsonl", step=step, loss=round(loss.item(), 5), seconds=round(spent, 1))
        spent += time.monotonic() - began if step > 1 else 0.0
        if time.monotonic() - last_save > 180 or spent >= budget:
            part = state_file.with_suffix(".part")
            torch.save({"vae": vae.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(),
                        "step": step, "spent": spent}, part)  # fmt: skip
            part.rename(state_file)
            last_save = time.monotonic()
    average.module.save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
