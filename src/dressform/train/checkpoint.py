"""A run's resumable state as bytes: adapters, optimizer moments, and a fingerprint of what was being trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from dressform.adapters.stack import Adapter
from dressform.errors import BadInput
from dressform.train.config import TrainConfig
from dressform.train.data import TrainingSet


def fingerprint(config: TrainConfig, base_sha256: str, identity_sha256: str, sets: Sequence[TrainingSet]) -> str:
    """One digest of recipe, base model, frozen identity and data; a run resumes only where it is unchanged."""
    digest = hashlib.sha256(json.dumps([asdict(config), base_sha256, identity_sha256], sort_keys=True).encode())
    for data in sets:
        digest.update("|".join(data.ids).encode())
        for tensor in (data.text, data.masks, data.anchor):
            digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def to_bytes(step: int, mark: str, adapters: Sequence[Adapter], optimizers: Sequence[torch.optim.Optimizer]) -> bytes:
    """The state after ``step`` steps."""
    tensors: dict[str, Tensor] = {"step": torch.tensor(step), "mark": torch.tensor(list(bytes.fromhex(mark)), dtype=torch.uint8)}
    for n, (adapter, optimizer) in enumerate(zip(adapters, optimizers, strict=True)):
        for i, parameter in enumerate(adapter.parameters()):
            tensors[f"{n}.{i}.value"] = parameter.detach().contiguous()
            for key, value in optimizer.state[parameter].items():
                tensors[f"{n}.{i}.{key}"] = value.detach().clone().contiguous()
    return save_tensors(tensors)


def restore(data: bytes, mark: str, adapters: Sequence[Adapter], optimizers: Sequence[torch.optim.Optimizer]) -> int:
    """Put a saved state back and return its step. Raises BadInput where it belongs to another run."""
    tensors = load_tensors(data)
    if bytes(tensors["mark"].tolist()).hex() != mark:
        raise BadInput(
            "an unfinished training is there, but its pictures, captions, settings or base model have changed since: "
            "run train with --restart to begin again"
        )
    with torch.no_grad():
        for n, (adapter, optimizer) in enumerate(zip(adapters, optimizers, strict=True)):
            for i, parameter in enumerate(adapter.parameters()):
                parameter.copy_(tensors[f"{n}.{i}.value"])
                keys = ("step", "exp_avg", "exp_avg_sq")
                optimizer.state[parameter] = {key: tensors[f"{n}.{i}.{key}"].to(parameter.device) for key in keys}
    return int(tensors["step"])
