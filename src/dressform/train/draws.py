"""Randomness that is derived, never saved: every draw comes from (run seed, purpose, step, picture)."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def seed_of(seed: int, purpose: str, step: int, item: str = "") -> int:
    """A 63-bit seed for one draw."""
    digest = hashlib.sha256(f"{seed}|{purpose}|{step}|{item}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, purpose: str, step: int, item: str = "") -> torch.Generator:
    """A CPU generator for one draw."""
    return torch.Generator().manual_seed(seed_of(seed, purpose, step, item))


def noise(shape: tuple[int, ...], seed: int, purpose: str, step: int, item: str = "") -> Tensor:
    """Standard normal float32 of that shape."""
    return torch.randn(shape, generator=generator(seed, purpose, step, item))
