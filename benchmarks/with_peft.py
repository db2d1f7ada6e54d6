"""A plain LoRA made by other people's software, to stand beside ours: PEFT's layers and diffusers' text-to-image training step.

Not our copy of it: PEFT's matrices, diffusers' scheduler for the noise and the target, a plain AdamW and a mean squared
error. Only the draws of rows and time steps and the learning rate are ours, so that both sides see the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import cast_training_params
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from torch.nn import functional

from dressform.backbones.assembled import Assembled
from dressform.train.config import TrainConfig
from dressform.train.data import Rows, TrainingSet, rows_at
from dressform.train.loop import lr_at


def as_cached(rows: Rows) -> Rows:
    """Latents and text embeddings from our caches, which diffusers' own scripts do not have."""
    return rows


def with_new_layers(base: Assembled, config: TrainConfig) -> nn.Module:
    """A copy of the denoiser with PEFT's layers in it, new ones in float32 (diffusers' ``cast_training_params``)."""
    targets = list(base.target_layers(config.targets))
    lora = LoraConfig(r=config.rank, lora_alpha=int(config.alpha), init_lora_weights=True, target_modules=targets)
    unet = inject_adapter_in_model(lora, copy.deepcopy(base.denoiser)).train()
    cast_training_params(unet)
    return unet


def trained(base: Assembled, data: TrainingSet, config: TrainConfig, encoded: Callable[[Rows], Rows] = as_cached) -> nn.Module:
    """A copy of the denoiser with PEFT's layers in it, trained for ``config.steps`` on ``data``.

    ``encoded`` may encode a step's pictures and captions anew, as ``train_text_to_image_lora.py`` of diffusers does.
    """
    torch.manual_seed(config.seed)
    unet = with_new_layers(base, config)
    train(base, unet, data, config, encoded)
    return unet


def train(base: Assembled, unet: nn.Module, data: TrainingSet, config: TrainConfig, encoded: Callable[[Rows], Rows] = as_cached) -> None:
    """Train what ``with_new_layers`` gave, in place."""
    learned = [p for p in unet.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    scheduler: Any = DDPMScheduler.from_config(base.schedule.scheduler.config)  # type: ignore[attr-defined]
    empty = base.encode_text([""])
    for step in range(config.steps):
        (rows,) = rows_at(data, empty, config.seed, step, config.rows, config.shares)
        rows = encoded(rows)
        noisy = scheduler.add_noise(rows.latents, rows.noise, rows.t)
        with base.autocast():
            predicted = base.asking.ask(unet, noisy, rows.t, rows.text)
        wanted = rows.noise if scheduler.config.prediction_type == "epsilon" else scheduler.get_velocity(rows.latents, rows.noise, rows.t)
        functional.mse_loss(predicted.float(), wanted.float()).backward()
        torch.nn.utils.clip_grad_norm_(learned, config.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = lr_at(config, step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
