"""In which precision the networks work: bfloat16 where the machine computes in it, float32 where it would only be imitated.

A CUDA card that does not (before Ampere) works in float16, which has bfloat16's size and not its range: its autoencoder works in
float32 all the same (XL's overflows), and losses are scaled (train/scaling.py).

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


def half(device: torch.device) -> torch.dtype | None:
    """The numbers of 16 bits that the device computes in; None where it computes in float32."""
    if computes_in_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def autocast(device: torch.device, on: bool = True) -> torch.autocast:
    """A context in which the networks work in the device's best precision; with ``on`` False, in that of their weights."""
    kind, dtype = "cpu" if device.type == "meta" else device.type, half(device)
    return torch.autocast(kind, dtype or torch.bfloat16, enabled=on and dtype is not None)


@dataclass(frozen=True)
class Placement:
    """Where frozen networks lie, and in which precision their weights are kept.

    ``stands_for``: the device that "meta" is in place of, where sizes are counted without weights.
    """

    device: torch.device
    dtype: torch.dtype
    stands_for: torch.device | None = None


def placed(device: str | None = None) -> Placement:
    """The named device, or the machine's best: weights of 16 bits on a GPU, float32 anywhere else."""
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = half(chosen) if chosen.type == "cuda" else None
    return Placement(chosen, dtype or torch.float32)
