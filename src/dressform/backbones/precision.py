"""In which precision the networks work: bfloat16 where the machine computes in it, float32 where it would only be imitated.

A CPU without instructions for bfloat16 (most laptops: AVX2 alone) imitates it. Measured on such a one with the embedded
model: a denoiser's forward pass took 9.6 times as long as in float32, a decoding 8.8 times.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

import torch


def computes_in_bfloat16(device: torch.device) -> bool:
    """True where products of bfloat16 numbers are the device's own: AVX512-BF16, AMX, Arm with bf16, or a GPU that says so."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    if platform.machine().lower() in ("x86_64", "amd64"):
        found = torch.cpu.get_capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast(device: torch.device) -> torch.autocast:
    """A context in which the networks work in the device's best precision."""
    kind = "cpu" if device.type == "meta" else device.type
    return torch.autocast(kind, torch.bfloat16, enabled=computes_in_bfloat16(device))


@dataclass(frozen=True)
class Placement:
    """Where frozen networks lie, and in which precision their weights are kept.

    ``stands_for``: the device that "meta" is in place of, where sizes are counted without weights.
    """

    device: torch.device
    dtype: torch.dtype
    stands_for: torch.device | None = None


def placed(device: str | None = None) -> Placement:
    """The named device, or the machine's best: bfloat16 weights on a GPU that computes in it, float32 anywhere else."""
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    half = chosen.type == "cuda" and computes_in_bfloat16(chosen)
    return Placement(chosen, torch.bfloat16 if half else torch.float32)
