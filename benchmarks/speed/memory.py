"""The most memory each way of training a wardrobe needs above the loaded base model: each in a process of its own. Linux, or CUDA."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import asdict, replace
from pathlib import Path

import torch

from benchmarks import with_peft
from benchmarks.speed.timing import Ratio
from benchmarks.speed.wardrobes import adapter, jobs, pictures
from dressform import backbones
from dressform.train.config import TrainConfig
from dressform.train.loop import train
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.objectives.plain import plain

WAYS = ("together", "together, L_k", "one by one", "peft")


def peak_memory(folder: Path, device: str | None, config: TrainConfig, count: int) -> dict[str, Ratio]:
    """Peak MiB by way, one run each: resident memory on a CPU, the allocator's on a GPU."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        peaks = {way: pool.apply(_peak, (way, folder, device, json.dumps(asdict(config)), count)) / 2**20 for way in WAYS}
    return {f"peak_mib.{way}": Ratio(peak, 1, peak, peak) for way, peak in peaks.items()}


def _peak(way: str, folder: Path, device: str | None, settings: str, count: int) -> int:
    """Bytes; the base model has already predicted once, so that what the libraries set up for themselves does not count."""
    base, config = backbones.load(folder, device), TrainConfig(**json.loads(settings))
    data, who = pictures(base, "warm", 1), adapter(base, "identity", config, filled=True)
    base.predict(data.latents, torch.zeros(1, dtype=torch.long, device=base.device), data.text)
    before = _begun(base.device)
    if way == "together":
        train(base, jobs(base, count, config), plain, config)
    elif way == "together, L_k":
        train(base, jobs(base, count, config), outfit_on_identity(1.0), config, who)
    elif way == "one by one":
        for job in jobs(base, count, config):
            train(base, [job], plain, config)
    else:
        for i in range(count):
            with_peft.trained(base, pictures(base, "peft"), replace(config, seed=i))
    return (torch.cuda.max_memory_allocated() if base.device.type == "cuda" else _resident("VmHWM")) - before


def _begun(device: torch.device) -> int:
    """Let the peak begin again; the bytes held now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")  # proc(5)
    return _resident("VmRSS")


def _resident(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024
