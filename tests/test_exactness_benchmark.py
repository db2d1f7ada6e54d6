"""The benchmark of exactness sees a difference where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speed import exactness
from dressform import backbones
from dressform.train.config import TrainConfig
from tests import tiny

CONFIG = TrainConfig(steps=3, rows=1, rank=2, alpha=2.0)


def test_together_is_alone_and_another_seed_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = backbones.load(tiny.write(tmp_path / "tiny"))
    loss, value = exactness.differences(base, 2, CONFIG)
    assert loss < 1e-5 and value < 1e-4
    usual = exactness.losses_of

    def alone_loses_twice(base, wardrobe, config, who):  # type: ignore[no-untyped-def]
        losses = usual(base, wardrobe, config, who)
        return losses if len(wardrobe) > 1 else {name: [2 * x for x in row] for name, row in losses.items()}

    monkeypatch.setattr(exactness, "losses_of", alone_loses_twice)
    assert exactness.differences(base, 2, CONFIG)[0] == pytest.approx(0.5, rel=1e-3)
