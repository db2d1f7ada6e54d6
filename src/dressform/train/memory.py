"""How much memory there is, and how much was used at the most: the process's resident memory, or a GPU's allocations."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import torch

_SHARE = 0.8
"""Of what is free, so much may be used: other programs go on working."""


class Peak:
    """The highest use since this was made: ``peak()`` in bytes."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif sys.platform == "linux":
            Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM (proc(5))

    def __call__(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        if sys.platform == "linux":
            return _status("VmHWM") << 10
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10


def used_bytes(device: torch.device) -> int:
    """What this process holds now."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return _status("VmRSS") << 10 if sys.platform == "linux" else Peak(device)()


def budget_bytes(device: torch.device) -> int:
    """What this process may hold in all: what it has, and four fifths of what is free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return torch.cuda.memory_reserved(device) + int(_SHARE * free)
    if sys.platform == "linux":
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return used_bytes(device) + int(_SHARE * (int(lines["MemAvailable"].split()[0]) << 10))
    return int(_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _status(key: str) -> int:
    """A line of /proc/self/status, in KiB."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
