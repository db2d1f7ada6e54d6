"""Step 1b: the two silent latent channels learn the colours that the other ten leave out.

    python -m recipes.layfigure.recolour_vae --work WORK [--minutes 12]

After step 1 the latents' covariance has two eigenvalues near zero, and violet, grey and green skin come back from the decoder
alike. Here the encoder learns to say, in those two directions, the part of each cell's mean colour that no linear function
of the other ten tells; in the ten it stays as it was, so that a denoiser made with it has two channels to learn and no more.
The decoder has to be finished again afterwards. Rewrites WORK/vae.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from dressform.backbones import precision
from recipes.layfigure import log
from recipes.layfigure.half_vae import fit
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
    held = max(1, args.pool // 40)
    axes = torch.linalg.eigh(torch.cov(old.movedim(1, -1).reshape(-1, old.shape[1]).T))[1]

    def loss_at(step: int) -> Tensor:
        rows = torch.randint(args.pool - held, (args.batch,), generator=torch.Generator().manual_seed(step))
        with precision.autocast(torch.device("cpu")):
            z = vae.encode(in_range(stack[rows])).latent_dist.mean
        return ((z.float() - wanted[rows]).square() * weight[rows]).mean()

    def report(step: int, loss: float, seconds: float, average: AutoencoderKL) -> None:
        error = (latents_of(average, stack[-held:]) - wanted[-held:]).movedim(1, -1) @ axes
        rms = error.square().mean((0, 1, 2)).sqrt()
        silent, living = [round(float(e), 3) for e in rms[:SILENT]], round(float(rms[SILENT:].square().mean().sqrt()), 4)
        log.append(args.work / "recolour.jsonl", step=step, loss=loss, silent=silent, living=living, seconds=seconds)

    fit(vae, [vae.encoder, vae.quant_conv], loss_at, args.minutes, args.lr, report).save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
