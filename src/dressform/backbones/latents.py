"""Pictures to latents of unit scale and back, by diffusers' AutoencoderKL."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dressform.backbones.folder import Source
from dressform.backbones.frozen import Part
from dressform.backbones.precision import Placement

_AT_ONCE_PX = 1 << 20
"""Pixels in one pass: the widest layers keep hundreds of numbers for each."""
_TILE_PX = 512


class Autoencoder:
    """The part "vae" of a source. Its weights stay in float32: they are small, and some overflow in half precision."""

    def __init__(self, source: Source, where: Placement) -> None:
        self._source, config = source, source.config("vae")
        self.part = Part(self._read, where.device, self._settle)
        self.cell_px = 2 ** (len(config["block_out_channels"]) - 1)
        self.latent_channels = int(config["latent_channels"])
        self._scale, self._shift = float(config["scaling_factor"]), float(config.get("shift_factor") or 0.0)
        self._tiled = False

    def _read(self) -> Any:
        from diffusers import AutoencoderKL

        return self._source.network("vae", AutoencoderKL, torch.float32)

    def encode(self, pictures: Tensor) -> Tensor:
        """uint8 [n, 3, h, w] -> float32 [n, c, h / cell_px, w / cell_px]."""
        x = pictures.float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)
        means = [self.part().encode(some).latent_dist.mean.float() for some in x.split(_at_once(*x.shape[-2:]))]
        return (torch.cat(means) - self._shift) * self._scale

    def decode(self, latents: Tensor) -> Tensor:
        """The way back, rounded to uint8."""
        height, width = (side * self.cell_px for side in latents.shape[-2:])
        return torch.cat([self._decoded(some) for some in latents.split(_at_once(height, width))])

    def _decoded(self, latents: Tensor) -> Tensor:
        x = self.part().decode(latents / self._scale + self._shift).sample
        return x.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)

    def tile(self, on: bool) -> None:
        self._tiled = on
        self.part.settle()

    def _settle(self, network: Any) -> None:
        if self._tiled:
            network.enable_tiling()
            network.tile_sample_min_size = min(_TILE_PX, network.tile_sample_min_size)  # XL's own are as large as its pictures
            network.tile_latent_min_size = network.tile_sample_min_size // self.cell_px
        else:
            network.disable_tiling()


def _at_once(height_px: int, width_px: int) -> int:
    """How many pictures of this size are encoded or decoded in one pass."""
    return max(1, _AT_ONCE_PX // (height_px * width_px))
