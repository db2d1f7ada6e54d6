"""Drawing in batches: as many pictures side by side as their size allows, and the same pictures."""

from __future__ import annotations

import pytest
import torch

from dressform.adapters.stack import AdapterStack
from dressform.dress import sampler
from dressform.dress.sampler import Row, SampleConfig, draw

ROWS = [Row(f"red dress, {view} view", seed, ()) for seed, view in enumerate(("front", "side", "back", "front", "side"))]


@pytest.mark.parametrize(
    ("pixels", "batch", "sizes"), [(1 << 20, 16, [5]), (2 * 32 * 32, 16, [2, 2, 1]), (1 << 20, 4, [4, 1]), (1, 16, [1] * 5)]
)
def test_large_pictures_are_drawn_fewer_at_a_time(
    tiny_backbone, monkeypatch: pytest.MonkeyPatch, pixels: int, batch: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(tiny_backbone, "autocast", lambda: torch.autocast("cpu", enabled=False))
    stack, asked, told = AdapterStack(tiny_backbone.target_layers("attention"), []), [], []
    whole = draw(tiny_backbone, stack, ROWS, SampleConfig(steps=2))
    decode = tiny_backbone.decode
    monkeypatch.setattr(tiny_backbone, "decode", lambda latents: asked.append(len(latents)) or decode(latents))
    monkeypatch.setattr(sampler, "_AT_ONCE_PX", pixels)
    drawn = draw(tiny_backbone, stack, ROWS, SampleConfig(steps=2, batch=batch), told.append)
    assert asked == sizes and told[-1] == 5 and len(told) == len(sizes)
    assert (drawn.int() - whole.int()).abs().max() <= 1
