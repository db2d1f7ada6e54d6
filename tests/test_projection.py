"""Soft projection, on numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dressform.adapters.projection import basis, overlap, project, projected
from dressform.adapters.stack import Adapter
from dressform.adapters.widening import widened, widest
from dressform.records import AdapterInfo

LAYERS: dict[str, nn.Module] = {"q": nn.Linear(6, 5), "conv": nn.Conv2d(2, 3, 3)}
INFO = AdapterInfo("outfit", "k", "k", 2, 2.0, "all", "b" * 64)


def filled(seed: int, info: AdapterInfo = INFO, layers: dict[str, nn.Module] = LAYERS) -> Adapter:
    adapter = Adapter(info, layers, seed)
    for i, matrix in enumerate((*adapter.down, *adapter.up)):
        matrix.data.normal_(generator=torch.Generator().manual_seed(100 * seed + i))
    return adapter


def test_by_hand() -> None:
    reads_first = torch.tensor([[2.0, 0.0]])
    worn = torch.tensor([[1.0, 1.0], [3.0, 0.0]])
    onto = basis(reads_first)
    assert torch.equal(onto.abs(), torch.tensor([[1.0], [0.0]]))
    torch.testing.assert_close(projected(worn, onto, 1.0), torch.tensor([[0.5, 1.0], [1.5, 0.0]]))
    torch.testing.assert_close(projected(worn, onto, 0.0), worn)


def test_it_is_the_formula_with_qr_for_any_identity() -> None:
    a_b, a_k, b_k = torch.randn(3, 8), torch.randn(2, 8), torch.randn(5, 2)
    q, mu = torch.linalg.qr(a_b.mT).Q, 3.0
    whole = b_k @ a_k @ (torch.eye(8) - mu / (1 + mu) * q @ q.mT)
    torch.testing.assert_close(b_k @ projected(a_k, basis(a_b), mu), whole, atol=1e-5, rtol=1e-4)


def test_padding_adds_no_direction() -> None:
    a = torch.randn(2, 6)
    assert basis(torch.cat([a, torch.zeros(3, 6), a[:1]])).shape == (6, 2)
    assert basis(torch.zeros(3, 6)).shape == (6, 0)


@pytest.mark.parametrize(("mu", "left"), [(1.0, 0.5), (9.0, 0.1)])
def test_what_acts_on_the_identity_shrinks_by_one_over_one_plus_mu(mu: float, left: float) -> None:
    worn, who, before = filled(1), filled(2), filled(1)
    project(worn, who, mu)
    for kind in (0, 1):
        onto = basis(who.down[kind].detach().flatten(1))
        torch.testing.assert_close(worn.down[kind].flatten(1) @ onto, left * before.down[kind].flatten(1) @ onto, atol=1e-5, rtol=1e-4)
    assert 0 < overlap(worn, who) < overlap(before, who) < 1


def test_the_overlap_is_the_share_of_the_squared_change() -> None:
    worn, who = filled(1), filled(2)
    inside = whole = 0.0
    for (_, a, b), (_, a_b, _) in zip(worn.matrices(), who.matrices(), strict=True):
        change, q = (b @ a.flatten(1)).detach(), torch.linalg.qr(a_b.detach().flatten(1).mT).Q
        inside, whole = inside + float((change @ q).square().sum()), whole + float(change.square().sum())
    assert overlap(worn, who) == pytest.approx(inside / whole, rel=1e-4)
    assert overlap(who, who) == pytest.approx(1.0, rel=1e-5)


def test_adapters_of_different_targets_lie_side_by_side() -> None:
    from dataclasses import replace

    narrow = filled(1, replace(INFO, targets="attention"), {"q": LAYERS["q"]})
    wide = widened(narrow, "all", LAYERS)
    assert wide.layer_names == ("q", "conv") and wide.info.targets == "all" == widest([narrow, filled(2)])
    assert torch.equal(wide.down[0], narrow.down[0]) and not wide.down[1].any() and not wide.up[1].any()
    assert widened(wide, "all", LAYERS) is wide and widest([narrow]) == "attention"
