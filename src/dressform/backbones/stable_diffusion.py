"""Stable Diffusion 1.x, and the embedded lay-figure model, which has the same architecture in miniature."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dressform.backbones import precision
from dressform.backbones.protocol import Guided
from dressform.errors import BadInput, StoreError
from dressform.store import read_at_most

EMBEDDED = "layfigure"
_OUR_ARCHITECTURE = "dressform-layfigure-v1"  # with Stable Diffusion's own id, A1111 would offer our adapters for it
_SD1_TEXT_WIDTH = 768
_INDEX_LIMIT_BYTES = 1 << 20
_HERE_ALONE: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}
_ATTENTION_LEAVES = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
_CONV_LEAVES = ("conv1", "conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv")


def folder_sha256(folder: Path) -> str:
    """One digest over the weight files, names included: the identity of a base model."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*/*.safetensors")):
        digest.update(f"{file.parent.name}/{file.name}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def embedded_folder() -> Path:
    """Where the embedded base model lies inside the package."""
    return Path(str(files("dressform.pretrained"))) / EMBEDDED


def load(path: str | Path) -> StableDiffusion:
    """A diffusers folder, or the embedded model for "layfigure". Raises BadInput."""
    folder = embedded_folder() if str(path) == EMBEDDED else Path(path)
    index = folder / "model_index.json"
    if not index.is_file() and str(path) == EMBEDDED:
        raise BadInput("the embedded base model is not in this installation: make it with recipes/layfigure, or name another")
    if not index.is_file():
        raise BadInput(f"base model {path}: expected a diffusers folder with model_index.json, or 'layfigure'")
    kind = _kind(index)
    if kind != "StableDiffusionPipeline":
        raise BadInput(f"base model {path}: it is a {kind or 'folder of unknown kind'}; only Stable Diffusion 1.x is read")
    if any(not list((folder / part).glob("*.safetensors")) for part in ("vae", "unet", "text_encoder")):
        raise BadInput(f"base model {path}: vae, unet and text_encoder must each hold .safetensors; pickled weights are never read")
    return StableDiffusion(folder)


def _kind(index: Path) -> str:
    try:
        return str(json.loads(read_at_most(index, _INDEX_LIMIT_BYTES)).get("_class_name", ""))[:60]
    except (StoreError, ValueError, AttributeError, RecursionError) as error:
        raise BadInput(f"base model {index.parent}: {index.name} cannot be read ({str(error)[:80]})") from error


class StableDiffusion:
    """A Backbone over diffusers' and transformers' own classes. Everything is frozen and in evaluation mode."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
        from diffusers.models.attention_processor import AttnProcessor
        from transformers import CLIPTextModel, CLIPTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # a bar for a 3 MB file says nothing to a person
        self.sha256 = folder_sha256(folder)
        self.device = torch.device(device)
        self.vae: Any = _frozen(AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32, **_HERE_ALONE), device)
        self.denoiser: Any = _frozen(
            UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32, **_HERE_ALONE), device
        )
        self.text: Any = _frozen(CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32, **_HERE_ALONE), device)
        self.tokenizer: Any = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        self.scheduler: Any = DDIMScheduler.from_pretrained(folder / "scheduler")
        if self.device.type == "cpu":
            self.denoiser.set_attn_processor(AttnProcessor())  # SDPA's backward is slow on CPUs
        self.cell_px = 2 ** (len(self.vae.config["block_out_channels"]) - 1)
        self.size_px = int(self.denoiser.config["sample_size"]) * self.cell_px
        self.architecture = "stable-diffusion-v1" if self.denoiser.config["cross_attention_dim"] == _SD1_TEXT_WIDTH else _OUR_ARCHITECTURE
        self._alpha_bar = self.scheduler.alphas_cumprod.to(self.device)

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        with torch.no_grad(), self.autocast():
            x = pictures.to(self.device).float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)
            return self.vae.encode(x).latent_dist.mean.float() * self.vae.config["scaling_factor"]

    def decode(self, latents: Tensor) -> Tensor:
        with torch.no_grad(), self.autocast():
            x = self.vae.decode(latents / self.vae.config["scaling_factor"]).sample
        return x.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)

    def encode_text(self, texts: list[str]) -> Tensor:
        tokens = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        with torch.no_grad(), self.autocast():
            return self.text(tokens.input_ids.to(self.device)).last_hidden_state.float()

    def predict(self, noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        with self.autocast():
            return self.denoiser(noisy, t, text).sample.float()

    def add_noise(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        a, s = self._coefficients(t)
        return a * latents + s * noise

    def target(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        if self.scheduler.config["prediction_type"] == "epsilon":
            return noise
        a, s = self._coefficients(t)
        return a * noise - s * latents  # v, Salimans & Ho 2022

    def sample(self, noise: Tensor, guided: Guided, steps: int) -> Tensor:
        self.scheduler.set_timesteps(steps)
        x = noise * self.scheduler.init_noise_sigma
        for t in self.scheduler.timesteps:
            x = self.scheduler.step(guided(x, t.expand(len(x)).to(x.device)), t, x).prev_sample
        return x

    def target_layers(self, targets: str) -> dict[str, nn.Module]:
        leaves = _ATTENTION_LEAVES + (_CONV_LEAVES if targets == "all" else ())
        return {
            name: module
            for name, module in self.denoiser.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d) and name.endswith(leaves)
        }

    def knows_word(self, word: str) -> bool:
        return len(self.tokenizer(word, add_special_tokens=False).input_ids) == 1

    def autocast(self) -> torch.autocast:
        return precision.autocast(self.device)

    def _coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        a = self._alpha_bar[t].view(-1, 1, 1, 1)
        return a.sqrt(), (1 - a).sqrt()


def _frozen(module: Any, device: str) -> nn.Module:
    module = module.to(device).eval().requires_grad_(False)
    for parameter in module.parameters():
        if parameter.dim() == 4:  # convolutions are several times faster on channels-last weights in bfloat16
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module
