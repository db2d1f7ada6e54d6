"""Groups and estimates are arithmetic on what was measured."""

from __future__ import annotations

import pytest
import torch

from dressform.errors import NotReady
from dressform.train import memory
from dressform.train.config import TrainConfig
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.plan import Cost, Group, estimated, planned
from dressform.train.trial import measured

COST = Cost(fixed_bytes=1000, row_bytes=10, fixed_seconds=1.0, row_seconds=0.1)


def names(count: int, steps: int = 10) -> dict[str, int]:
    return {f"o{i}": steps for i in range(count)}


def test_what_fits_is_one_group() -> None:
    plan = planned(names(4), 3, COST, 1120)
    assert plan.groups == (Group(("o0", "o1", "o2", "o3")),) and plan.peak_bytes == 1120
    assert plan.seconds == pytest.approx(10 * 1.0 + 4 * 10 * 3 * 0.1)


def test_what_does_not_fit_is_grouped_evenly_and_nobody_is_lost() -> None:
    plan = planned(names(1000), 3, COST, 1000 + 10 * 3 * 7)
    sizes = [len(g.names) for g in plan.groups]
    assert len(sizes) == 143 and max(sizes) == 7 and min(sizes) >= 6 and plan.peak_bytes <= 1000 + 10 * 3 * 7
    assert sorted(n for g in plan.groups for n in g.names) == sorted(names(1000))


def test_equal_steps_stand_together() -> None:
    plan = planned({"a": 10, "b": 99, "c": 10, "d": 99}, 1, COST, 1020)
    assert [g.names for g in plan.groups] == [("b", "d"), ("a", "c")]
    assert plan.seconds == pytest.approx(99 + 10 + 0.1 * 218)


def test_one_outfit_too_large_goes_in_micro_steps() -> None:
    plan = planned(names(2), 4, COST, 1030)
    assert plan.groups == (Group(("o0",), 3), Group(("o1",), 3)) and plan.peak_bytes == 1030
    assert estimated(plan.groups, names(2), 4, COST)[0] == pytest.approx(2 * (10 * 2 + 10 * 4 * 0.1))


def test_too_little_for_one_picture_is_refused_with_the_way_on() -> None:
    with pytest.raises(NotReady, match=r"GiB.*--memory.*dressform plan"):
        planned(names(1), 3, COST, 1009)


def test_a_trial_measures_and_tries_nothing_that_would_not_fit(tiny_backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    peaks = {1: 1100, 2: 1200, 4: 1400}
    monkeypatch.setattr("dressform.train.trial.used_bytes", lambda _device: 1000)

    def cost(_base, _config, _objective, _said, size: tuple[int, int], on_identity: bool) -> tuple[float, float]:
        adapters, rows = size
        tried.append(adapters * rows)
        return peaks[adapters * rows], 0.5 + 0.25 * adapters * rows

    monkeypatch.setattr("dressform.train.trial._cost_of", cost)
    config = TrainConfig(rows=2, rank=2, alpha=2.0)
    found = measured(tiny_backbone, config, outfit_on_identity(1.0), 1e9, True)
    assert (found, tried) == (Cost(1000, 100, 0.5, 0.25, sizes=3), [1, 2, 4])
    tried.clear()
    assert measured(tiny_backbone, config, outfit_on_identity(1.0), 1250, True).row_bytes == 100 and tried == [1, 2]


def test_a_trial_runs_on_the_real_model(tiny_backbone) -> None:
    found = measured(tiny_backbone, TrainConfig(rows=2, rank=2, alpha=2.0), outfit_on_identity(1.0), 1e12, True)
    assert found.fixed_bytes > 0 and found.fixed_seconds + found.row_seconds > 0 and found.row_bytes >= 0


def test_the_peak_of_memory_is_seen() -> None:
    device = torch.device("cpu")
    peak = memory.Peak(device)
    before = memory.used_bytes(device)
    torch.ones(64 << 20, dtype=torch.uint8)  # given back at once: only the peak remembers it
    assert peak() >= before + (60 << 20) and memory.budget_bytes(device) > before
