"""A row is computed to the same bits whatever rows stand beside it: layer by layer, and as a step of the embedded base model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from benchmarks.speed import wardrobes
from dressform import backbones
from dressform.backbones import rowwise
from dressform.backbones.assembled import Assembled
from dressform.backbones.embedded import embedded_folder
from dressform.train.config import TrainConfig
from dressform.train.data import rows_at
from dressform.train.job import Job
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.passes import attached

CONFIG = TrainConfig(rows=2, rank=8, alpha=8.0, targets="all")
OUTFITS = 8


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """How many threads share a product decides how it is cut: on some processors two cut a long one that stands alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def embedded() -> Assembled:
    """The embedded base model in float32."""
    base = backbones.load(embedded_folder(), "cpu")
    base.autocast = lambda: torch.autocast("cpu", enabled=False)  # type: ignore[method-assign]
    return base


@pytest.mark.usefixtures("threads")
def test_the_gradients_of_eight_outfits_together_are_those_of_each_alone_to_the_last_bit(embedded: Assembled) -> None:
    torch.manual_seed(0)
    who = wardrobes.adapter(embedded, "who", CONFIG, filled=True).requires_grad_(False)
    jobs = [
        Job(wardrobes.adapter(embedded, f"o{i}", CONFIG, filled=True), wardrobes.pictures(embedded, f"o{i}", 3)) for i in range(OUTFITS)
    ]
    empty = embedded.encode_text([""])

    def learned(some: list[Job]) -> list[tuple[float, list[torch.Tensor]]]:
        """The loss and the gradients of each."""
        for job in some:
            job.adapter.zero_grad()
        rows = [rows_at(job.data, empty, 0, 0, CONFIG.rows) for job in some]
        with attached(embedded, [job.adapter for job in some], who, outfit_on_identity(1.0), CONFIG) as passes:
            losses = passes.learn(rows, 0)
        return [(loss, [p.grad for p in job.adapter.parameters()]) for loss, job in zip(losses, some, strict=True)]  # type: ignore[misc]

    together = learned(jobs)
    [(loss, gradients)] = learned([jobs[5]])
    assert loss == together[5][0]
    assert all(g.abs().max() > 0 for g in gradients)
    assert all(map(torch.equal, gradients, together[5][1]))


def layers() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"time": nn.Linear(512, 192), "plain": nn.Linear(512, 192, bias=False), "cells": nn.Conv2d(352, 160, 1)})


def inputs(rows: int) -> dict[str, torch.Tensor]:
    made = torch.Generator().manual_seed(1)
    time, cells = torch.randn(rows, 512, generator=made), torch.randn(rows, 352, 8, 8, generator=made)
    return {"time": time, "plain": time[:, None], "cells": cells.contiguous(memory_format=torch.channels_last)}


@pytest.mark.usefixtures("threads")
def test_a_settled_layer_says_what_it_said_and_the_same_for_any_rows_beside() -> None:
    usual, settled = layers(), layers()
    rowwise.settle(settled)
    assert settled.state_dict().keys() == usual.state_dict().keys()
    for name, x in inputs(16).items():
        whole = settled[name](x)
        torch.testing.assert_close(whole, usual[name](x))
        assert type(settled[name]) is not type(usual[name])
        for rows in (1, 2, 3, 7):
            assert torch.equal(settled[name](x[:rows]), whole[:rows])


def test_in_bfloat16_and_where_a_row_has_many_tokens_a_layer_is_as_it_was() -> None:
    usual, settled = layers(), layers()
    rowwise.settle(settled)
    with torch.autocast("cpu", torch.bfloat16):
        for name, x in inputs(4).items():
            assert torch.equal(settled[name](x), usual[name](x))
    tokens = torch.randn(4, 9, 512)
    assert torch.equal(settled["time"](tokens), usual["time"](tokens))


def test_wider_convolutions_are_left_alone() -> None:
    others = nn.ModuleList([nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1, stride=2), nn.Conv2d(4, 4, 1, padding=1), nn.Conv2d(4, 4, 1, groups=2)])
    rowwise.settle(others)
    assert all(type(one) is nn.Conv2d for one in others)


def test_sizes_are_counted_with_nothing_computed() -> None:
    counted = layers().to("meta")
    rowwise.settle(counted)
    assert counted["time"](torch.empty(4, 512, device="meta")).shape == (4, 192)
