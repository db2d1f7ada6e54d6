"""Weights that are rounded once: the same predictions, and every weight back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dressform import backbones
from dressform.backbones import rounding


def loaded(folder: Path, on: bool) -> Any:
    base: Any = backbones.load(folder, "cpu")
    base.autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=on)
    return base


def predicted(base: Any) -> torch.Tensor:
    made = torch.Generator().manual_seed(0)
    side = base.size_px // base.cell_px
    noisy, text = torch.randn(2, base.latent_channels, side, side, generator=made), torch.randn(2, *base.asking.shape, generator=made)
    with torch.no_grad():
        return base.predict(noisy, torch.tensor([10, 900]), text)


def test_rounded_once_says_what_rounded_at_every_call_says(tiny_base: Path) -> None:
    base = loaded(tiny_base, on=True)
    before, usual = {k: v.clone() for k, v in base.denoiser.state_dict().items()}, predicted(base)
    with rounding.rounded(base):
        inside = {p.dtype for p in base.denoiser.parameters()}
        assert torch.equal(predicted(base), usual) and torch.bfloat16 in inside
    after = base.denoiser.state_dict()
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in before.items())


def test_nothing_is_done_where_nothing_is_rounded_or_copies_would_be_large(tiny_base: Path, monkeypatch: Any) -> None:
    with rounding.rounded(base := loaded(tiny_base, on=False)):
        assert {p.dtype for p in base.denoiser.parameters()} == {torch.float32}
    monkeypatch.setattr(rounding, "_AT_MOST", 1000)
    with rounding.rounded(base := loaded(tiny_base, on=True)):
        assert {p.dtype for p in base.denoiser.parameters()} == {torch.float32}
