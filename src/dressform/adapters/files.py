"""Adapter files: kohya's layout in safetensors, as the vault keeps them and most programs read them.

Format facts: kohya sd-scripts ``networks/lora.py``; sha256 over the tensor area as ``sshs_model_hash`` has it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from dressform import __version__
from dressform.adapters import header, keys
from dressform.adapters.header import Header
from dressform.adapters.stack import Adapter
from dressform.errors import BadInput, Mismatch
from dressform.records import AdapterInfo

_OURS = "dressform."
_KOHYA_VERSION = {"stable-diffusion-v1": "sd_v1"}
"""What sd-scripts calls a base model, by its ModelSpec architecture; A1111 goes by it."""
_WORD, _DIGEST = re.compile(r"[A-Za-z0-9_-]{1,100}"), re.compile(r"[0-9a-f]{64}|")


def to_bytes(adapter: Adapter, dtype: torch.dtype = torch.float16) -> bytes:
    """The adapter as a safetensors file with true alpha and the metadata that refuses a wrong base model.

    The same adapter gives the same bytes.
    """
    info = adapter.info
    tensors: dict[str, Tensor] = {}
    for layer, down, up in adapter.matrices():
        key = keys.kohya(layer)
        b = up.detach()
        tensors[f"{key}.lora_down.weight"] = down.detach().to(dtype).contiguous()
        tensors[f"{key}.lora_up.weight"] = (b[:, :, None, None] if down.dim() == 4 else b).to(dtype).contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(info.alpha, dtype=torch.float32)
    return with_metadata(tensors, info)


def from_bytes(data: bytes, layers: Mapping[str, nn.Module], base_model_sha256: str) -> Adapter:
    """Read an adapter for these layers. No tensor is made before the header fits them.

    Raises BadInput for a damaged file, Mismatch where it was trained on another base model or other layers.
    """
    described = header.read(data)
    info = _info(described.metadata)
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
    with torch.no_grad():
        for layer, down, up in adapter.matrices():
            key = keys.kohya(layer)
            if tensors[f"{key}.alpha"].item() != torch.tensor(info.alpha).to(tensors[f"{key}.alpha"].dtype).item():
                raise Mismatch(f"{key}: the file has alpha {tensors[f'{key}.alpha'].item()} there, and {info.alpha} in its metadata")
            for parameter, stored in ((down, tensors[f"{key}.lora_down.weight"]), (up, tensors[f"{key}.lora_up.weight"])):
                if not stored.isfinite().all():
                    raise BadInput(f"adapter {info.name!r}: {key} holds values that are no numbers; train it again")
                parameter.copy_(stored.reshape(parameter.shape))
    return adapter


def with_metadata(tensors: Mapping[str, Tensor], info: AdapterInfo, more: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A safetensors file of these tensors that says whose they are, and nothing private."""
    digest = tensor_area_sha256(save_tensors(dict(tensors)))
    return _in_order(save_tensors(dict(tensors), {**_metadata(info, digest), **more}))


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
    for layer, module in layers.items():
        assert isinstance(module.weight, Tensor)
        key, out, inside = keys.kohya(layer), len(module.weight), module.weight[0].numel()
        wanted |= {f"{key}.lora_down.weight": (info.rank, inside), f"{key}.lora_up.weight": (out, info.rank), f"{key}.alpha": (1, 1)}
    if wanted.keys() != described.shapes.keys():
        held = sum(name.endswith(".lora_down.weight") for name in described.shapes)
        raise Mismatch(f"adapter {info.name!r} holds {held} layers, this base model has {len(layers)} for it: wrong targets or tensors")
    for name, shape in described.shapes.items():
        rows, columns = wanted[name]
        if (shape or (1,))[0] != rows or math.prod(shape) != rows * columns:
            raise Mismatch(f"{name}: the file has shape {shape}, expected {(rows, columns)}")


def _metadata(info: AdapterInfo, digest: str) -> dict[str, str]:
    return {
        "ss_base_model_version": _KOHYA_VERSION.get(info.architecture, info.architecture.replace("-", "_")),
        "ss_output_name": info.name,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(info.rank),
        "ss_network_alpha": str(info.alpha),
        "sshs_model_hash": digest,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{info.architecture}/lora",
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
        info = AdapterInfo(
            kind=metadata[_OURS + "kind"],
            name=metadata["ss_output_name"],
            trigger=metadata["modelspec.trigger_phrase"],
            rank=int(metadata[_OURS + "rank"]),
            alpha=float(metadata[_OURS + "alpha"]),
            targets=metadata[_OURS + "targets"],
            base_model_sha256=metadata[_OURS + "base_model_sha256"],
            identity_sha256=metadata.get(_OURS + "identity_sha256", ""),
            steps=int(metadata.get(_OURS + "steps", "0")),
            architecture=metadata["modelspec.architecture"].removesuffix("/lora"),
        )
    except KeyError as error:
        raise BadInput(f"the adapter file has no {error.args[0]}: it was not made by dressform") from error
    except ValueError as error:
        raise BadInput(f"the adapter file's metadata are not as dressform writes them: {str(error)[:80]}") from error
    sound = (
        info.kind in ("identity", "outfit"), _WORD.fullmatch(info.name), _WORD.fullmatch(info.trigger), info.rank > 0,
        math.isfinite(info.alpha) and info.alpha > 0, info.targets in ("attention", "all"), _DIGEST.fullmatch(info.base_model_sha256),
        _DIGEST.fullmatch(info.identity_sha256), info.steps >= 0, _WORD.fullmatch(info.architecture),
    )  # fmt: skip
    if not all(sound):
        raise BadInput("the adapter file's metadata are not as dressform writes them; export or train it again")
    return info


def targets_of(data: bytes) -> str:
    """Which layers an adapter file acts on, read from its header. Raises BadInput for a damaged or foreign file."""
    return _info(header.read(data).metadata).targets
