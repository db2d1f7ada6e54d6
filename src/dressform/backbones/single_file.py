"""One .safetensors file in the original layout as a source of networks, with what such a file lacks shipped beside this one.

The layout: denoiser under ``model.diffusion_model.``, autoencoder under ``first_stage_model.``, text encoders under
``cond_stage_model.`` or ``conditioner.embedders.N.``. diffusers' own functions rename the tensors. Nothing is fetched.

A folder with the file's name (``model/`` beside ``model.safetensors``) may hold what differs from the shipped configuration:
``tokenizer/``, ``unet/config.json``, ``scheduler/scheduler_config.json`` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dressform.backbones import clip_tokenizer, sketch, tensor_names
from dressform.backbones.folder import digest_of, read_config, read_tokenizer
from dressform.errors import BadInput

_PREFIXES = {
    "unet": ("model.diffusion_model.",),
    "vae": ("first_stage_model.",),
    "text_encoder": ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer."),
    "text_encoder_2": ("conditioner.embedders.1.model.",),
}
_TEXT_MODEL = ("embeddings.", "encoder.", "final_layer_norm.")
_NEEDLESS = ("position_ids", "logit_scale")  # constants that some programs write with a text encoder


def shipped() -> Path:
    """Where the configurations lie inside the package."""
    return Path(str(files("dressform.backbones"))) / "shipped"


def open_(file: Path, family: str) -> SingleFile:
    """The file as a source; ``family`` names its shipped configuration."""
    return SingleFile(file, shipped() / family)


class SingleFile:
    """A Source. Each network is read from its own tensors alone, when it is asked for."""

    def __init__(self, file: Path, configs: Path) -> None:
        self.file, self._configs = file, configs
        self._held = tensor_names.read(file)

    @property
    def sha256(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest_of([self.file])

    def config(self, part: str) -> dict[str, Any]:
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        own = self.file.with_suffix("") / part / name
        if own.is_file():
            return read_config(own)
        said = read_config(self._configs / part / name)
        return {**said, **self._said_of_noise()} if part == "scheduler" else said

    def network(self, part: str, kind: Any, dtype: torch.dtype) -> Any:
        config = self.config(part)
        try:
            with torch.device("meta"):
                network = sketch.built(kind, config)
            tensors = {name: tensor.to(dtype) for name, tensor in self._renamed(part, network, config).items()}
            missing, needless = network.load_state_dict(tensors, strict=False, assign=True)
        except Exception as error:  # the libraries raise anything on a file made to break them
            raise BadInput(f"base model {self.file}: {part} cannot be read ({' '.join(str(error).split())[:160]})") from error
        needless = [name for name in needless if not name.endswith(_NEEDLESS)]
        if missing or needless:
            what = (
                f"lacks {len(missing)} tensors such as {min(missing)}" if missing else f"has {len(needless)} more, such as {min(needless)}"
            )
            raise BadInput(f"base model {self.file}: {part} {what}; it is cut off, or of another kind than its family")
        _fill_positions(network)
        return network

    def tokenizer(self, part: str, kind: Any) -> Any:
        own = self.file.with_suffix("") / part
        if not own.is_dir():
            return clip_tokenizer.made_from(shipped() / "clip" / "merges.txt.gz", **({"pad": "!"} if part == "tokenizer_2" else {}))
        return read_tokenizer(own, kind)

    def _said_of_noise(self) -> dict[str, Any]:
        """What the file says of its schedule: empty tensors that trainers leave for it (ComfyUI goes by them), or ModelSpec's word."""
        if self._held.has("edm_mean") or self._held.has("edm_vpred.sigma_max"):
            return {"prediction_type": "edm"}
        by_words = self._held.metadata.get("modelspec.prediction_type", "") in ("v", "v_prediction")
        return {
            **({"prediction_type": "v_prediction"} if by_words or self._held.has("v_pred") else {}),
            **({"rescale_betas_zero_snr": True} if self._held.has("ztsnr") else {}),
        }

    def _renamed(self, part: str, network: Any, config: Mapping[str, Any]) -> dict[str, Tensor]:
        from diffusers.loaders import single_file_utils as theirs

        tensors = self._tensors(_PREFIXES[part])
        if part == "unet":
            return theirs.convert_ldm_unet_checkpoint(tensors, config)
        if part == "vae":
            return theirs.convert_ldm_vae_checkpoint(tensors, config)
        if part == "text_encoder":
            named = theirs.convert_ldm_clip_checkpoint(tensors)
        else:
            named = theirs.convert_open_clip_checkpoint(network, tensors, prefix=_PREFIXES[part][0])
        level = "text_model." if hasattr(network, "text_model") else ""  # transformers 5.6 took that level out of one of its classes
        inside = ((name.removeprefix("text_model."), tensor) for name, tensor in named.items())  # the oldest files lack it, too
        return {f"{level}{name}" if name.startswith(_TEXT_MODEL) else name: tensor for name, tensor in inside}

    def _tensors(self, prefixes: tuple[str, ...]) -> dict[str, Tensor]:
        from safetensors import safe_open

        with safe_open(self.file, framework="pt") as held:
            return {name: held.get_tensor(name) for name in held.keys() if name.startswith(prefixes)}


def _fill_positions(network: Any) -> None:
    """Token positions are constants that no file holds, so nothing but those is still without values."""
    for name, buffer in list(network.named_buffers()):
        if buffer.is_meta:
            assert name.endswith("position_ids"), name
            owner = network.get_submodule(name.rpartition(".")[0])
            owner.position_ids = torch.arange(buffer.shape[-1]).expand(buffer.shape)
