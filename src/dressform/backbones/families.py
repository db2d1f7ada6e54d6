"""Which family of base models a path belongs to: read from its tensors, never from its name or what it calls itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dressform.backbones import tensor_names
from dressform.backbones.tensor_names import Tensors
from dressform.errors import BadInput


@dataclass(frozen=True)
class Family:
    """One family. ``module`` is the file beside this one that reads it; ``parts`` are the networks of its diffusers folder.

    ``in_folder`` tells it by its denoiser's tensors in a diffusers folder, ``in_file`` by those of a single file.
    """

    name: str
    module: str
    parts: tuple[str, ...]
    in_folder: Callable[[Tensors], bool]
    in_file: Callable[[Tensors], bool]


def _unet(found: Tensors) -> bool:
    return found.has("conv_in.weight", "conv_out.weight", "time_embedding.linear_1.weight") and found.any_with(".attn2.to_k.weight")


FAMILIES = (
    Family(
        "Stable Diffusion XL", "stable_diffusion_xl", ("vae", "unet", "text_encoder", "text_encoder_2"),
        lambda found: _unet(found) and found.has("add_embedding.linear_1.weight"),
        lambda found: found.has(
            "model.diffusion_model.label_emb.0.0.weight", "conditioner.embedders.1.model.ln_final.weight",
            "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight",
        ),
    ),
    Family(
        "Stable Diffusion 1.x", "stable_diffusion", ("vae", "unet", "text_encoder"),
        lambda found: _unet(found) and not found.has("add_embedding.linear_1.weight"),
        lambda found: found.has("model.diffusion_model.input_blocks.0.0.weight") and any(
            found.has(f"cond_stage_model.transformer.{level}final_layer_norm.weight") for level in ("text_model.", "")
        ),
    ),
    Family(
        "Z-Image", "z_image", ("vae", "transformer", "text_encoder"),
        lambda found: found.has("noise_refiner.0.attention.to_q.weight", "cap_embedder.1.weight", "x_pad_token"),
        lambda found: False,  # published in parts only: denoiser, text encoder and autoencoder each a file
    ),
)  # fmt: skip

_OTHERS = {
    ".lora_down.": "an adapter, not a base model",
    ".lora_A.": "an adapter, not a base model",
    "cond_stage_model.model.transformer.": "Stable Diffusion 2 in one file (its diffusers folder can be read)",
    "conditioner.embedders.0.model.": "the refiner of Stable Diffusion XL",
    "control_model.": "a ControlNet",
    "joint_blocks.": "Stable Diffusion 3",
    "double_blocks.": "a Flux model",
    "double_stream_modulation": "a Flux model",
    "cap_embedder.": "the denoiser of Z-Image or Lumina alone",
    "model.diffusion_model.": "a denoiser without its text encoder",
    "first_stage_model.": "an autoencoder",
}
"""What a file is that cannot be used, by a part of its tensors' names."""


@dataclass(frozen=True)
class Found:
    """A base model on disk: its family, and whether it is a single file or a diffusers folder."""

    family: Family
    path: Path
    single_file: bool


def recognise(path: Path) -> Found:
    """What lies at ``path``. Raises BadInput, which names what was found, for anything that no family reads."""
    if path.is_file():
        return _file(path)
    if not (path / "model_index.json").is_file():
        raise BadInput(
            f"base model {path}: expected a diffusers folder with model_index.json, one .safetensors file with the whole model, "
            "or 'layfigure'"
        )
    return _folder(path)


def _file(file: Path) -> Found:
    if file.suffix.lower() != ".safetensors":
        raise BadInput(f"base model {file}: only .safetensors files are read; pickled weights (.ckpt, .pt, .bin) never are")
    found = tensor_names.read(file)
    family = next((f for f in FAMILIES if f.in_file(found)), None)
    if family is None:
        raise _unknown(file, found)
    if not found.has("first_stage_model.encoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight"):
        raise BadInput(
            f"base model {file}: {family.name} without its autoencoder (VAE); use a file with the VAE in it, or a diffusers folder"
        )
    _refuse_other_channels(file, found, "model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.out.2.weight")
    return Found(family, file, True)


def _folder(folder: Path) -> Found:
    denoiser = next((part for part in ("unet", "transformer") if list((folder / part).glob("*.safetensors"))), None)
    if denoiser is None:
        raise BadInput(f"base model {folder}: no .safetensors in unet or transformer; pickled weights are never read")
    found = tensor_names.read_all(sorted((folder / denoiser).glob("*.safetensors")))
    family = next((f for f in FAMILIES if denoiser in f.parts and f.in_folder(found)), None)
    if family is None:
        raise _unknown(folder / denoiser, found)
    _refuse_other_channels(folder, found, "conv_in.weight", "conv_out.weight")
    if missing := [part for part in family.parts if not list((folder / part).glob("*.safetensors"))]:
        raise BadInput(
            f"base model {folder}: {', '.join(missing)} must hold .safetensors for {family.name}; pickled weights are never read"
        )
    return Found(family, folder, False)


def _refuse_other_channels(path: Path, found: Tensors, first: str, last: str) -> None:
    """An inpainting or editing model takes more channels than it gives."""
    taken, given = found.shapes.get(first, (0, 0)), found.shapes.get(last, (0, 0))
    if len(taken) < 2 or not given or taken[1] != given[0]:
        raise BadInput(
            f"base model {path}: its denoiser takes {taken[1:2]} channels and gives {given[:1]}: a model for inpainting or editing; "
            "use the one that draws from text"
        )


def _unknown(path: Path, found: Tensors) -> BadInput:
    other = next((what for part, what in _OTHERS.items() if found.any_with(part)), None)
    seen = f"it is {other}" if other else f"{len(found.shapes)} tensors such as {found.such_as()}"
    return BadInput(f"base model {path}: {seen}; what can be used is {', '.join(f.name for f in FAMILIES)}")
