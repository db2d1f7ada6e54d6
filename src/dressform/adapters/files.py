"""Adapter files: kohya's layout in safetensors. One function names the keys for both save and load.

Format facts: kohya sd-scripts ``networks/lora.py``; sha256 over the tensor area as ``sshs_model_hash`` has it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from dressform import __version__
from dressform.adapters.stack import Adapter
from dressform.errors import BadInput, Mismatch
from dressform.records import AdapterInfo

_OURS = "dressform."
ARCHITECTURE = "dressform-layfigure-v1/lora"


def layer_key(layer: str) -> str:
    """kohya's flat name of a denoiser layer: ``down_blocks.1.attentions.0…`` -> ``lora_unet_down_blocks_1_attentions_0…``."""
    return "lora_unet_" + layer.replace(".", "_")


def to_bytes(adapter: Adapter, dtype: torch.dtype = torch.float16) -> bytes:
    """The adapter as a safetensors file with true alpha and the metadata that refuses a wrong base model."""
    info = adapter.info
    tensors: dict[str, Tensor] = {}
    for layer, down, up in adapter.matrices():
        key = layer_key(layer)
        b = up.detach()
        tensors[f"{key}.lora_down.weight"] = down.detach().to(dtype).contiguous()
        tensors[f"{key}.lora_up.weight"] = (b[:, :, None, None] if down.dim() == 4 else b).to(dtype).contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(info.alpha, dtype=torch.float32)
    digest = tensor_area_sha256(save_tensors(tensors))
    return save_tensors(tensors, _metadata(info, digest))


def from_bytes(data: bytes, layers: Mapping[str, nn.Module], base_model_sha256: str) -> Adapter:
    """Read an adapter for these layers.

    Raises BadInput for a damaged file, Mismatch where it was trained on another base model or other layers.
    """
    try:
        tensors = load_tensors(data)
        metadata = _read_metadata(data)
    except (SafetensorError, ValueError, struct.error) as error:
        raise BadInput(f"not a whole safetensors adapter file ({error}); export or train it again") from error
    info = _info(metadata)
    if info.base_model_sha256 != base_model_sha256:
        raise Mismatch(
            f"adapter {info.name!r} was trained on base model {info.base_model_sha256[:12]}, "
            f"this character uses {base_model_sha256[:12]}: train it again, or use the base model it was made for"
        )
    adapter = Adapter(info, layers)
    wanted = {layer_key(layer) for layer in layers}
    given = {key.rsplit(".lora_down", 1)[0] for key in tensors if ".lora_down" in key}
    if wanted != given:
        raise Mismatch(f"adapter {info.name!r} holds {len(given)} layers, this base model has {len(wanted)} for it: wrong targets")
    with torch.no_grad():
        for layer, down, up in adapter.matrices():
            key = layer_key(layer)
            _fill(down, tensors[f"{key}.lora_down.weight"], key)
            _fill(up, tensors[f"{key}.lora_up.weight"], key)
    return adapter


def tensor_area_sha256(data: bytes) -> str:
    """sha256 of everything after the length and the JSON header of a safetensors file."""
    (header,) = struct.unpack("<Q", data[:8])
    return hashlib.sha256(data[8 + header :]).hexdigest()


def _fill(parameter: Tensor, stored: Tensor, key: str) -> None:
    if parameter.numel() != stored.numel() or parameter.shape[0] != stored.shape[0]:
        raise Mismatch(f"{key}: the file has shape {tuple(stored.shape)}, expected {tuple(parameter.shape)}")
    parameter.copy_(stored.reshape(parameter.shape))


def _metadata(info: AdapterInfo, digest: str) -> dict[str, str]:
    return {
        "ss_base_model_version": "dressform_layfigure_v1",
        "ss_output_name": info.name,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(info.rank),
        "ss_network_alpha": str(info.alpha),
        "sshs_model_hash": digest,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": ARCHITECTURE,
        "modelspec.title": info.name,
        "modelspec.trigger_phrase": info.trigger,
        "modelspec.hash_sha256": f"0x{digest}",
        _OURS + "kind": info.kind,
        _OURS + "rank": str(info.rank),
        _OURS + "alpha": repr(info.alpha),
        _OURS + "targets": info.targets,
        _OURS + "steps": str(info.steps),
        _OURS + "base_model_sha256": info.base_model_sha256,
        _OURS + "identity_sha256": info.identity_sha256,
        _OURS + "version": __version__,
    }


def _info(metadata: Mapping[str, str]) -> AdapterInfo:
    try:
        return AdapterInfo(
            kind=metadata[_OURS + "kind"],
            name=metadata["ss_output_name"],
            trigger=metadata["modelspec.trigger_phrase"],
            rank=int(metadata[_OURS + "rank"]),
            alpha=float(metadata[_OURS + "alpha"]),
            targets=metadata[_OURS + "targets"],
            base_model_sha256=metadata[_OURS + "base_model_sha256"],
            identity_sha256=metadata.get(_OURS + "identity_sha256", ""),
            steps=int(metadata.get(_OURS + "steps", "0")),
        )
    except KeyError as error:
        raise BadInput(f"the adapter file has no {error.args[0]}: it was not made by dressform") from error


def _read_metadata(data: bytes) -> dict[str, str]:
    (length,) = struct.unpack("<Q", data[:8])
    return dict(json.loads(data[8 : 8 + length]).get("__metadata__", {}))


def targets_of(data: bytes) -> str:
    """Which layers an adapter file acts on, read from its header. Raises BadInput for a damaged or foreign file."""
    try:
        return _info(_read_metadata(data)).targets
    except (ValueError, struct.error) as error:
        raise BadInput("not a whole safetensors adapter file; export or train it again") from error
