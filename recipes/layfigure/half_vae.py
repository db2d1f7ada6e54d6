"""The loop of steps 1b and 1c: some parts of the autoencoder are trained for a while, and the others stay as they are."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

_REPORT_EVERY_STEPS = 50


def fit(
    vae: AutoencoderKL, parts: Sequence[nn.Module], loss_at: Callable[[int], Tensor], minutes: float, lr: float,
    report: Callable[[int, float, float, AutoencoderKL], None],
) -> AutoencoderKL:  # fmt: skip
    """Train ``parts`` of ``vae`` on ``loss_at(step)``, and return the moving average of the whole.

    The learning rate warms up over 50 steps and falls along a cosine. ``report`` gets the steps done, the mean loss since the
    last report, the seconds spent, and the average.
    """
    vae.requires_grad_(False)
    trained = [parameter.requires_grad_(True) for part in parts for parameter in part.parameters()]
    average = torch.optim.swa_utils.AveragedModel(vae, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
    step, began, losses = 0, time.monotonic(), []
    while (progress := (time.monotonic() - began) / (minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        loss = loss_at(step)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update_parameters(vae)
        losses.append(loss.item())
        step += 1
        if step % _REPORT_EVERY_STEPS == 0:
            report(step, round(sum(losses) / len(losses), 5), round(time.monotonic() - began, 1), average.module)
            losses.clear()
    return average.module
