"""What an error in the latents does to the picture, as a 12 x 12 matrix: the denoiser's loss counts errors by it.

A plain mean over the channels counts all directions alike. But of the twelve, the decoder hardly answers to two, and most to those
that say how light a cell is; and what tells violet skin from grey, or white trim from pink, is a small step along a few of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from dressform.layfigure.doll import Doll
from dressform.layfigure.render import render

_ALL, _SEEN, _COLOUR = 0.3, 0.4, 0.3
"""Shares of the trace: every direction alike, what the decoder makes of a single wrong cell, and a cell's mean colour."""
_STEP = 0.15


def of_latents(vae: AutoencoderKL, latents: Tensor, dolls: Sequence[Doll], scaling: float) -> Tensor:
    """A symmetric [c, c] matrix with trace c, from latents [n, c, h, w] as the VAE gave them and the dolls they show."""
    drawn = torch.from_numpy(np.stack([render(doll).picture for doll in dolls])).permute(0, 3, 1, 2).float() / 127.5 - 1
    z, c = latents.float(), latents.shape[1]
    parts = (torch.eye(c), _gain(vae, z[:24], scaling), _colour(z * scaling, nn.functional.avg_pool2d(drawn, 8)))
    return sum((share * c / part.trace() * part for share, part in zip((_ALL, _SEEN, _COLOUR), parts, strict=True)), torch.zeros(c, c))


def error(off: Tensor, metric: Tensor) -> Tensor:
    """off [n, c, h, w] to [n, c, h, w], whose mean over c is off' metric off / c: the plain square where the metric is the identity."""
    return off * nn.functional.conv2d(off, metric[:, :, None, None])


@torch.no_grad()
def _gain(vae: AutoencoderKL, z: Tensor, scaling: float) -> Tensor:
    """Products of the changes in the picture that a step along each channel makes in one cell of ten."""
    draw = torch.Generator().manual_seed(0)
    where = torch.rand(len(z), *z.shape[2:], generator=draw) < 0.1
    step = _STEP * where * (torch.rand(where.shape, generator=draw) < 0.5).float().mul(2).sub(1)
    before = vae.decode(z).sample
    changes = []
    for channel in range(z.shape[1]):
        moved = z.clone()
        moved[:, channel] += step / scaling
        changes.append((vae.decode(moved).sample - before).flatten())
    seen = torch.stack(changes)
    return seen @ seen.T


def _colour(z: Tensor, colours: Tensor) -> Tensor:
    """Products of the least-squares map from a cell's latent to its mean colour [n, 3, h, w].

    Each main axis of the colours counts by its own spread: that between green and magenta is a fraction of that of light.
    """
    design, wanted = (x.movedim(1, -1).flatten(0, 2).double() for x in (z, colours))
    spread, axes = torch.linalg.eigh(torch.cov(wanted.T))
    wanted = (wanted - wanted.mean(0)) @ axes / spread.sqrt()
    found = torch.linalg.lstsq(design - design.mean(0), wanted).solution.float()
    return found @ found.T
