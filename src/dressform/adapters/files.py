"""Adapter files: kohya's layout in safetensors, as the vault keeps them and most programs read them.

Format facts: kohya sd-scripts ``networks/lora.py``; sha256 over the tensor area as ``sshs_model_hash`` has it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from dressform.adapters import header, keys, metadata
from dressform.adapters.header import Header
from dressform.adapters.metadata import Card
from dressform.adapters.stack import Adapter
from dressform.errors import BadInput, Mismatch
from dressform.records import AdapterInfo

LARGEST = torch.finfo(torch.float16).max
"""Of a value in an adapter file: files leave in float16, and no sound adapter comes near it."""


def to_bytes(adapter: Adapter, dtype: torch.dtype = torch.float16, card: Card | None = None) -> bytes:
    """The adapter as a safetensors file with true alpha and the metadata that refuses a wrong base model.

    The same adapter gives the same bytes. ``card`` is for a file that leaves.
    """
    info = adapter.info
    named = keys.of(info.architecture).kohya(adapter.layer_names)
    tensors: dict[str, Tensor] = {}
    for layer, down, up in adapter.matrices():
        key = named[layer]
        b = up.detach()
        tensors[f"{key}.lora_down.weight"] = down.detach().to(dtype).contiguous()
        tensors[f"{key}.lora_up.weight"] = (b[:, :, None, None] if down.dim() == 4 else b).to(dtype).contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(info.alpha, dtype=torch.float32)
    return with_metadata(tensors, info, card)


def from_bytes(data: bytes, layers: Mapping[str, nn.Module], base_model_sha256: str) -> Adapter:
    """Read an adapter for these layers. No tensor is made before the header fits them.

    Raises BadInput for a damaged file, Mismatch where it was trained on another base model or other layers.
    """
    described = header.read(data)
    info = metadata.read(described.metadata)
    if info.base_model_sha256 != base_model_sha256:
        raise Mismatch(
            f"adapter {info.name!r} was trained on base model {info.base_model_sha256[:12]}, "
            f"this character uses {base_model_sha256[:12]}: train it again, or use the base model it was made for"
        )
    _refuse_other_layers(described, info, layers)
    try:
        tensors = load_tensors(data)
    except (SafetensorError, ValueError) as error:
        raise BadInput(f"not a whole safetensors adapter file ({error}); export or train it again") from error
    adapter = Adapter(info, layers)
    adapter.sha256 = hashlib.sha256(data).hexdigest()
    named = keys.of(info.architecture).kohya(layers)
    with torch.no_grad():
        for layer, down, up in adapter.matrices():
            key = named[layer]
            if tensors[f"{key}.alpha"].item() != torch.tensor(info.alpha).to(tensors[f"{key}.alpha"].dtype).item():
                raise Mismatch(f"{key}: the file has alpha {tensors[f'{key}.alpha'].item()} there, and {info.alpha} in its metadata")
            for parameter, stored in ((down, tensors[f"{key}.lora_down.weight"]), (up, tensors[f"{key}.lora_up.weight"])):
                if not stored.isfinite().all():
                    raise BadInput(f"adapter {info.name!r}: {key} holds values that are no numbers; train it again")
                parameter.copy_(stored.reshape(parameter.shape))
    return adapter


def with_metadata(
    tensors: Mapping[str, Tensor], info: AdapterInfo, card: Card | None, more: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """A safetensors file of these tensors that says whose they are, and nothing private. Raises BadInput for values that are no numbers."""
    if too_large := next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None):
        raise BadInput(
            f"adapter {info.name!r}: {too_large} holds values that float16 cannot; train it again, or with a lower learning rate"
        )
    digest = tensor_area_sha256(save_tensors(dict(tensors)))
    return _in_order(save_tensors(dict(tensors), {**metadata.written(info, digest, card), **more}))


def tensor_area_sha256(data: bytes) -> str:
    """sha256 of everything after the length and the JSON header of a safetensors file."""
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def _in_order(data: bytes) -> bytes:
    """The same file with its metadata sorted: the library writes them in another order in every process."""
    length = int.from_bytes(data[:8], "little")
    rows = json.loads(data[8 : 8 + length])
    rows["__metadata__"] = dict(sorted(rows["__metadata__"].items()))
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _refuse_other_layers(described: Header, info: AdapterInfo, layers: Mapping[str, nn.Module]) -> None:
    """Raises Mismatch where names or shapes are not those of these layers at the stated rank."""
    wanted: dict[str, tuple[int, int]] = {}
    for layer, key in keys.of(info.architecture).kohya(layers).items():
        weight = layers[layer].weight
        assert isinstance(weight, Tensor)
        out, inside = len(weight), weight[0].numel()
        wanted |= {f"{key}.lora_down.weight": (info.rank, inside), f"{key}.lora_up.weight": (out, info.rank), f"{key}.alpha": (1, 1)}
    if wanted.keys() != described.shapes.keys():
        held = sum(name.endswith(".lora_down.weight") for name in described.shapes)
        raise Mismatch(f"adapter {info.name!r} holds {held} layers, this base model has {len(layers)} for it: wrong targets or tensors")
    for name, shape in described.shapes.items():
        rows, columns = wanted[name]
        if (shape or (1,))[0] != rows or math.prod(shape) != rows * columns:
            raise Mismatch(f"{name}: the file has shape {shape}, expected {(rows, columns)}")


def targets_of(data: bytes) -> str:
    """Which layers an adapter file acts on, read from its header. Raises BadInput for a damaged or foreign file."""
    return metadata.read(header.read(data).metadata).targets
