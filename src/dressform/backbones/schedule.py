"""How noise is added and taken away again, and what a denoiser is asked for: noise, v, or the velocity of a flow.

Diffusion:  x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) n,  a_t the product of the alphas (Ho et al. 2020), SNR_t = a_t / (1 - a_t).
Flow:       x_t = (1 - s) x_0 + s n,  velocity n - x_0 (Lipman et al. 2022; Liu et al. 2022), s = (t + 1) / 1000.
Zero terminal SNR: Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from dressform.backbones.protocol import Guided
from dressform.errors import BadInput

Prediction = Literal["epsilon", "v_prediction"]
_BETAS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
_STEPS = ("steps_offset", "set_alpha_to_one", "timestep_spacing", "prediction_type", "rescale_betas_zero_snr")
_KNOWN = {"beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2"), "timestep_spacing": ("leading", "linspace", "trailing")}
"""What diffusers' DDIMScheduler takes."""
_TIMES = 1000


def min_snr_weight(snr: Tensor, gamma: float, prediction: Prediction) -> Tensor:
    """Weight [n] of a row's loss by its signal-to-noise ratio [n] (Hang et al. 2023, "Min-SNR", section 3.4).

    The loss on x_0 is weighed with min(SNR, gamma); stated for the noise that is min(SNR, gamma) / SNR, and for v
    min(SNR, gamma) / (SNR + 1).
    """
    if prediction == "epsilon":
        return (gamma / snr).clamp_max(1.0)  # min(snr, gamma) / snr, and its limit 1 at an SNR of 0
    return snr.clamp_max(gamma) / (snr + 1)


class Diffusion:
    """The schedule of a scheduler_config.json, sampled with DDIM (Song et al. 2020). Raises BadInput for one that is not known."""

    shift = 1.0

    def __init__(self, config: Mapping[str, Any], device: torch.device) -> None:
        said = {key: config[key] for key in (*_BETAS, *_STEPS) if config.get(key) is not None}
        if (
            config.get("sigma_data") is not None
            or str(config.get("_class_name")).startswith("EDM")
            or config.get("timestep_type") == "continuous"
        ):
            raise BadInput(
                "base model: its scheduler is of the EDM kind (Karras et al. 2022, CosXL), whose noise levels are not known here"
            )
        prediction = said.get("prediction_type", "epsilon")
        if prediction not in ("epsilon", "v_prediction"):
            raise BadInput(f"base model: its scheduler predicts {str(prediction)[:40]!r}; noise (epsilon) and v are known")
        if said.get("num_train_timesteps", _TIMES) != _TIMES:
            raise BadInput(f"base model: its scheduler has {said['num_train_timesteps']} times, {_TIMES} are known")
        for key, known in _KNOWN.items():
            if said.get(key, known[0]) not in known:
                raise BadInput(f"base model: its scheduler has {key} {str(said[key])[:40]!r}; {', '.join(known)} are known")
        if len(said.get("trained_betas", range(_TIMES))) != _TIMES:
            raise BadInput(f"base model: its scheduler has {len(said['trained_betas'])} trained_betas, not {_TIMES}")
        if said.get("rescale_betas_zero_snr"):
            if prediction == "epsilon":
                raise BadInput("base model: zero terminal SNR with noise prediction: at pure noise nothing could be learned; it needs v")
            said["timestep_spacing"] = "trailing"  # any other spacing never begins at pure noise (Lin et al., section 3.3)
        self.prediction: Prediction = prediction
        self._said, self._device = said, device

    @cached_property
    def scheduler(self) -> Any:
        """diffusers' own, made when it is first asked: what only reads words need not wait for diffusers."""
        from diffusers import DDIMScheduler

        return DDIMScheduler(**{**self._said, "clip_sample": False})

    @cached_property
    def alpha_bar(self) -> Tensor:
        return self.scheduler.alphas_cumprod.to(self._device)

    def snr(self, t: Tensor) -> Tensor:
        """Signal-to-noise ratio [n] at whole times t [n]."""
        a = self.alpha_bar[t]
        return a / (1 - a)

    def add_noise(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        a, s = self._coefficients(t)
        return a * latents + s * noise

    def target(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        if self.prediction == "epsilon":
            return noise
        a, s = self._coefficients(t)
        return a * noise - s * latents  # v, Salimans & Ho 2022

    def loss_weight(self, t: Tensor, gamma: float) -> Tensor:
        return min_snr_weight(self.snr(t), gamma, self.prediction)

    def sample(self, noise: Tensor, guided: Guided, steps: int) -> Tensor:
        self.scheduler.set_timesteps(steps)
        x = noise * self.scheduler.init_noise_sigma
        for t in self.scheduler.timesteps[:steps]:  # rounding gives "trailing" one time too many at 61 steps and some others
            x = self.scheduler.step(guided(x, t.expand(len(x)).to(x.device)), t, x).prev_sample
        return x

    def _coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        a = self.alpha_bar[t].view(-1, 1, 1, 1)
        return a.sqrt(), (1 - a).sqrt()


class Flow:
    """Rectified flow with the shift of a scheduler_config.json, sampled by Euler's steps (Esser et al. 2024, section 5.3.2)."""

    def __init__(self, config: Mapping[str, Any], patch_cells: int) -> None:
        self.shift = float(config.get("shift", 1.0))
        self._by_size = bool(config.get("use_dynamic_shifting", False))
        self._shifts = float(config.get("base_shift", 0.5)), float(config.get("max_shift", 1.15))
        self._tokens = int(config.get("base_image_seq_len", 256)), int(config.get("max_image_seq_len", 4096))
        self._patch_cells = patch_cells

    @staticmethod
    def level(t: Tensor) -> Tensor:
        """The share of noise s [n, 1, 1, 1] at times t [n]: 1 at t = 999."""
        return ((t.float() + 1) / _TIMES).view(-1, 1, 1, 1)

    def add_noise(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        s = self.level(t)
        return (1 - s) * latents + s * noise

    def target(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        return noise - latents

    def loss_weight(self, t: Tensor, gamma: float) -> Tensor:
        return torch.ones(len(t), device=t.device)

    def levels(self, steps: int, height: int, width: int) -> list[float]:
        """The shares of noise that sampling goes through, from 1 to 0: ``steps`` + 1 numbers, for latents of that size."""
        even = [1 - i / steps for i in range(steps)]
        shift = self.shift
        if self._by_size:
            (low, high), (few, many) = self._shifts, self._tokens
            tokens = (height // self._patch_cells) * (width // self._patch_cells)
            shift = math.exp(low + (high - low) * (tokens - few) / (many - few))
        return [*(shift * s / (1 + (shift - 1) * s) for s in even), 0.0]

    def sample(self, noise: Tensor, guided: Guided, steps: int) -> Tensor:
        levels, x = self.levels(steps, *noise.shape[-2:]), noise
        for here, there in pairwise(levels):
            t = torch.full((len(x),), here * _TIMES - 1, device=x.device)
            x = x + (there - here) * guided(x, t)
        return x
