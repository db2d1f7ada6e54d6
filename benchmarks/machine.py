"""What a figure was measured on, as it stands beside it."""

from __future__ import annotations

import platform

import torch


def described(device: torch.device | None = None) -> dict[str, str | int]:
    """The processor's family and widest instructions, the device that is worked on (None: the CPU), threads and torch's version."""
    on_gpu = device is not None and device.type == "cuda"
    return {
        "processor": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
