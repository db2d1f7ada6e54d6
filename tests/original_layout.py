"""A diffusers folder written as one file in the original layout, by the facts of that layout and none of the code that reads it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

_UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0", "conv_out": "out.2", "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1", "mid_block.resnets.1": "middle_block.2",
}  # fmt: skip
_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}  # fmt: skip
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight", "text_projection.weight": "text_projection",
    "text_model.embeddings.position_embedding.weight": "positional_embedding", "text_model.final_layer_norm": "ln_final",
    "text_model.encoder.layers": "transformer.resblocks", "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip


def unet(tensors: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The denoiser's tensors, ``layers`` residual layers in each block on the way down."""
    attended = {m[1] for name in tensors if (m := re.match(r"up_blocks\.(\d+)\.attentions", name))}

    def place(name: str) -> str:
        if m := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
            side, block, kind, layer, rest = m[1], int(m[2]), m[3], int(m[4]), m[5]
            number = block * (layers + 1) + layer + (1 if side == "down" else 0)
            return f"{'input' if side == 'down' else 'output'}_blocks.{number}.{int(kind == 'attentions')}.{rest}"
        if m := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv(.*)", name):
            return f"input_blocks.{int(m[1]) * (layers + 1) + layers + 1}.0.op{m[2]}"
        if m := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv(.*)", name):
            return f"output_blocks.{int(m[1]) * (layers + 1) + layers}.{2 if m[1] in attended else 1}.conv{m[2]}"
        return next((new + name.removeprefix(old) for old, new in _UNET.items() if name.startswith(old + ".")), name)

    def inside(old: str, name: str) -> str:
        if ".resnets." not in old:
            return name
        return re.sub(r"\.(" + "|".join(_RESNET) + r")\.(weight|bias)$", lambda m: f".{_RESNET[m[1]]}.{m[2]}", name)

    return {f"model.diffusion_model.{inside(name, place(name))}": tensor for name, tensor in tensors.items()}


def vae(tensors: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """The autoencoder's tensors; its attention was written as convolutions."""
    made = {}
    for old, tensor in tensors.items():
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", old)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", name)
        name = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{blocks - 1 - int(m[1])}.block.", name)
        name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample.", name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0" in name:
            name = name.replace("mid_block.attentions.0", "mid.attn_1")
            for theirs, mine in _VAE_ATTENTION.items():
                name = name.replace(f".{theirs}.", f".{mine}.")
            tensor = tensor[:, :, None, None] if tensor.dim() == 2 else tensor
        made[f"first_stage_model.{name}"] = tensor
    return made


def clip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """A text encoder as its own library names it."""
    return {prefix + _wrapped(name): tensor for name, tensor in tensors.items()}


def open_clip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The second text encoder: queries, keys and values in one, the projection turned."""
    made: dict[str, Tensor] = {}
    together: dict[str, dict[str, Tensor]] = {}
    for old, tensor in tensors.items():
        name = _wrapped(old)
        if m := re.match(r"(.*)self_attn\.([qkv])_proj\.(weight|bias)", name):
            together.setdefault(f"{m[1]}attn.in_proj_{m[3]}", {})[m[2]] = tensor
            continue
        made[name] = tensor.T if name == "text_projection.weight" else tensor
    made |= {name: torch.cat([parts[letter] for letter in "qkv"]) for name, parts in together.items()}
    for old, new in _OPEN_CLIP.items():
        made = {name.replace(old, new): tensor for name, tensor in made.items()}
    return {f"conditioner.embedders.1.model.{name}": tensor for name, tensor in made.items()}


def write(folder: Path, file: Path, more: Mapping[str, Tensor] | None = None, metadata: dict[str, str] | None = None) -> Path:
    """Write the folder as one file, and what is not of the usual size in the folder of the file's name."""
    parts = {p.name: load_file(next(p.glob("*.safetensors"))) for p in folder.iterdir() if list(p.glob("*.safetensors"))}
    configs = {part: json.loads((folder / part / "config.json").read_text()) for part in parts}
    two = "text_encoder_2" in parts
    tensors = {
        **unet(parts["unet"], configs["unet"]["layers_per_block"]), **vae(parts["vae"], len(configs["vae"]["block_out_channels"])),
        **clip(parts["text_encoder"], "conditioner.embedders.0.transformer." if two else "cond_stage_model.transformer."),
        **(open_clip(parts["text_encoder_2"]) if two else {}), **(more or {}),
    }  # fmt: skip
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, file, metadata)
    own = file.with_suffix("")
    for part in (*parts, "tokenizer", "tokenizer_2"):
        if (folder / part).is_dir():
            shutil.copytree(folder / part, own / part, ignore=shutil.ignore_patterns("*.safetensors"))
    return file


def _wrapped(name: str) -> str:
    return name if name.startswith(("text_model.", "text_projection")) else f"text_model.{name}"
