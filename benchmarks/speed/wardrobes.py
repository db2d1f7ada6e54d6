"""Wardrobes to time: random latents and masks of the right shape. Speed does not depend on the values."""

from __future__ import annotations

import torch

from dressform.adapters.stack import Adapter
from dressform.backbones.protocol import Backbone
from dressform.records import AdapterInfo
from dressform.train.config import TrainConfig
from dressform.train.data import TrainingSet
from dressform.train.loop import Job


def adapter(base: Backbone, name: str, config: TrainConfig, filled: bool = False) -> Adapter:
    """A new adapter; ``filled`` gives it something to say."""
    info = AdapterInfo("outfit", name, name, config.rank, config.alpha, config.targets, base.sha256)
    made = Adapter(info, base.target_layers(config.targets))
    if filled:
        for up in made.up:
            up.data.normal_(std=0.01)
    return made


def pictures(base: Backbone, name: str, count: int = 12) -> TrainingSet:
    """A random set of ``count`` pictures with captions of the usual length."""
    side = base.size_px // base.cell_px
    channels = base.latent_channels
    text = base.encode_text([f"her, her_{name}, side view, waving, park background"]).expand(count, -1, -1)
    mask = torch.zeros(count, 1, side, side, device=text.device)
    mask[:, :, side // 4 : side // 2, side // 4 : side // 2] = 1
    latents = torch.randn(count, channels, side, side, device=text.device)
    return TrainingSet(tuple(f"{name}-{i}" for i in range(count)), latents, text, mask, text)


def jobs(base: Backbone, count: int, config: TrainConfig) -> list[Job]:
    """``count`` outfits."""
    return [Job(adapter(base, f"outfit{i}", config), pictures(base, f"outfit{i}")) for i in range(count)]
