"""Step 1b: the two silent latent channels learn the colours that the other ten leave out.

    python -m recipes.layfigure.recolour_vae --work WORK [--minutes 12]

After step 1 the latents' covariance has two eigenvalues near zero, and violet, grey and green skin come back from the decoder
alike. Here the encoder learns to say, in those two directions, the part of each cell's mean colour that no linear function
of the other ten tells; in the ten it stays as it was, so that a denoiser made with it has two channels to learn and no more.
The decoder has to be finished again afterwards. Rewrites WORK/vae.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from dressform.backbones import precision
from recipes.layfigure import log
from recipes.layfigure.train_vae import IMPORTANCE, pictures

SILENT = 2
SPREAD = 0.8
"""Standard deviation that the silent channels get, in latent units: about that of the others."""


@dataclass(frozen=True)
class Colours:
    """What the new latents are: ``kept @ z + spoken @ unsaid``, with ``unsaid`` linear in a cell's colour and in z.

    kept [12, 12] takes the silent directions out; from_colour [3, 12] and from_latent [12, 12] fill them; offset [12].
    """

    kept: Tensor
    from_colour: Tensor
    from_latent: Tensor
    offset: Tensor

    def of(self, z: Tensor, colour: Tensor) -> Tensor:
        """New latents [n, 12, h, w] from old ones and the mean colour of each cell [n, 3, h, w] in -1..1."""
        z, colour = z.movedim(1, -1), colour.movedim(1, -1)
        return (z @ (self.kept + self.from_latent) + colour @ self.from_colour + self.offset).movedim(-1, 1)


def cell_colours(x: Tensor) -> Tensor:
    """The mean colour of each 8 x 8 cell: [n, 3, h, w] to [n, 3, h / 8, w / 8]."""
    return nn.functional.avg_pool2d(x, 8)


def unsaid(z: Tensor, colour: Tensor) -> Colours:
    """Fit what the latents leave out: least squares of the colour on the living directions, then the residual's main axes."""
    flat, seen = z.movedim(1, -1).reshape(-1, z.shape[1]).double(), colour.movedim(1, -1).reshape(-1, 3).double()
    _, axes = torch.linalg.eigh(torch.cov(flat.T))
    silent, living = axes[:, :SILENT], axes[:, SILENT:]
    design = torch.cat([flat @ living, torch.ones(len(flat), 1, dtype=torch.float64)], 1)
    weights = torch.linalg.lstsq(design, seen).solution
    spread, directions = torch.linalg.eigh(torch.cov((seen - design @ weights).T))
    speak = directions[:, -SILENT:] / spread[-SILENT:].sqrt() * SPREAD @ silent.T
    from_latent, offset = -(living @ weights[:-1]) @ speak, -weights[-1] @ speak
    return Colours((living @ living.T).float(), speak.float(), from_latent.float(), offset.float())


def latents_of(vae: AutoencoderKL, stack: Tensor) -> Tensor:
    """Mean latents of uint8 pictures [n, 3, 128, 128], fifty at a time."""
    with torch.inference_mode(), precision.autocast(torch.device("cpu")):
        parts = stack.split(50)
        return torch.cat([vae.encode(in_range(x)).latent_dist.mean.float() for x in parts]).clone()


def in_range(stack: Tensor) -> Tensor:
    """uint8 to -1..1, channels last."""
    return stack.float().div_(127.5).sub_(1).to(memory_format=torch.channels_last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--pool", type=int, default=4000)
    parser.add_argument("--lr", type=float, default=1e-3)
    args = parser.parse_args()
    torch.manual_seed(0)
    stack, labels = pictures(args.pool, seed=55)
    vae = AutoencoderKL.from_pretrained(args.work / "vae", torch_dtype=torch.float32).to(memory_format=torch.channels_last)
    old = latents_of(vae, stack)
    colours = cell_colours(in_range(stack))
    wanted = unsaid(old, colours).of(old, colours)
    weight = nn.functional.avg_pool2d(IMPORTANCE[labels.int()][:, None], 8)
    checked = slice(args.pool - 100, None)

    vae.requires_grad_(False)
    trained = [*vae.encoder.parameters(), *vae.quant_conv.parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)
    average = torch.optim.swa_utils.AveragedModel(vae, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(trained, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    step, began, losses = 0, time.monotonic(), []
    while (progress := (time.monotonic() - began) / (args.minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        rows = torch.randint(args.pool - 100, (args.batch,), generator=torch.Generator().manual_seed(step))
        with precision.autocast(torch.device("cpu")):
            z = vae.encode(in_range(stack[rows])).latent_dist.mean
        loss = ((z.float() - wanted[rows]).square() * weight[rows]).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update_parameters(vae)
        losses.append(loss.item())
        step += 1
        if step % 50 == 0:
            error = (latents_of(average.module, stack[checked]) - wanted[checked]).movedim(1, -1)
            spread = torch.linalg.eigh(torch.cov(old.movedim(1, -1).reshape(-1, 12).T))[1]
            rms = (error @ spread).square().mean((0, 1, 2)).sqrt()
            log.append(args.work / "recolour.jsonl", step=step, loss=round(sum(losses) / len(losses), 5),
                       silent=[round(float(e), 3) for e in rms[:SILENT]], living=round(float(rms[SILENT:].square().mean().sqrt()), 4),
                       seconds=round(time.monotonic() - began, 1))  # fmt: skip
            losses.clear()
    average.module.save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
