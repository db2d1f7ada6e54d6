"""A card without bfloat16 works in float16, imitated on the CPU: pictures in float32, gradients that neither vanish nor overflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dressform import backbones
from dressform.adapters.stack import Adapter
from dressform.backbones import precision
from dressform.backbones.precision import Placement
from dressform.errors import Failed
from dressform.records import AdapterInfo
from dressform.train import scaling
from dressform.train.config import TrainConfig
from dressform.train.data import Examples, encode, rows_at
from dressform.train.loop import Job, train
from dressform.train.objective import Objective
from dressform.train.objectives.plain import plain
from dressform.train.passes import attached

CPU = torch.device("cpu")
CONFIG = TrainConfig(steps=2, rows=2, rank=4, alpha=2.0, warmup_steps=1)


@pytest.fixture
def in_float16(family_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The backbone of each family as it is on such a card."""
    monkeypatch.setattr(precision, "half", lambda _device: torch.float16)
    monkeypatch.setattr(precision, "placed", lambda _device: Placement(CPU, torch.float16))
    return backbones.load(family_folder, "cpu")


def adapter(base: Any, name: str = "coat") -> Adapter:
    info = AdapterInfo("outfit", name, name, CONFIG.rank, CONFIG.alpha, "attention", base.sha256)
    made = Adapter(info, base.target_layers("attention"))
    for up in made.up:
        up.data.normal_(std=0.1, generator=torch.Generator().manual_seed(up.numel()))
    return made


def data_of(base: Any) -> Examples:
    pictures = torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return encode(base, ("a", "b"), pictures, ["red dress", "side view"], None)


def times(weight: float) -> Objective:
    """The plain loss, so many times as large."""
    return lambda predict, rows, target: weight * plain(predict, rows, target)


def gradient(base: Any, objective: Objective, data: Examples, empty: Tensor) -> Tensor:
    one = adapter(base)
    with attached(base, [one], None, objective, CONFIG) as passes:
        passes.learn([rows_at(data, empty, 0, 0, 2)], 0)
    return torch.cat([p.grad.flatten() for p in one.parameters() if p.grad is not None])


def test_networks_are_in_float16_and_pictures_are_as_in_float32(family, in_float16) -> None:
    noisy, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([30, 800])
    text = family.encode_text(["", "red dress"])
    assert in_float16.float16 and not family.float16
    assert {p.dtype for p in in_float16.denoiser.parameters()} == {torch.float16}
    with torch.no_grad():
        ours, theirs = in_float16.predict(noisy, t, text), family.predict(noisy, t, text)
    assert ours.dtype == torch.float32 and 0 < (ours - theirs).norm() < 0.02 * theirs.norm()
    assert torch.equal(in_float16.decode(noisy), family.decode(noisy))


@pytest.mark.parametrize("weight", [1.0, 1e-5, 1e4], ids=["as it is", "would vanish", "would overflow"])
def test_gradients_are_those_of_float32(family, in_float16, weight: float) -> None:
    data, empty = data_of(family), family.encode_text([""])
    wanted = weight * gradient(family, plain, data, empty)
    found = gradient(in_float16, times(weight), data, empty)
    assert wanted.norm() > 0 and (found - wanted).norm() < 0.05 * wanted.norm()


def test_without_scaling_they_would_vanish(family, in_float16, monkeypatch: pytest.MonkeyPatch) -> None:
    data, empty = data_of(family), family.encode_text([""])
    wanted = 1e-5 * gradient(family, plain, data, empty)
    monkeypatch.setattr(scaling, "LARGEST", 1.0)
    assert (gradient(in_float16, times(1e-5), data, empty) - wanted).norm() > 0.2 * wanted.norm()


def test_what_float16_cannot_hold_is_said_in_one_line(in_float16) -> None:
    with pytest.raises(Failed, match=r"coat: numbers beyond float16.*bfloat16, or on the CPU"):
        gradient(in_float16, times(float("inf")), data_of(in_float16), in_float16.encode_text([""]))


def test_a_picture_of_no_numbers_is_not_drawn(in_float16) -> None:
    with pytest.raises(Failed, match="overflowed while drawing"):
        in_float16.decode(torch.full((1, 4, 8, 8), torch.nan))


def test_a_run_learns(in_float16) -> None:
    one, said = adapter(in_float16), []
    before = one.up[0].detach().clone()
    train(in_float16, [Job(one, data_of(in_float16))], plain, CONFIG, on_step=lambda event: said.append(event.losses["coat"]))
    assert len(said) == 2 and all(0 < loss < 100 for loss in said) and not torch.equal(one.up[0], before)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in one.parameters())


def test_each_adapter_finds_its_own_scale() -> None:
    """Losses x * g with g of 1 and of 1e4, where numbers from 2^17 on overflow."""
    layers: dict[str, nn.Module] = {"q": nn.Linear(1, 1)}
    info = AdapterInfo("outfit", "a", "a", 1, 1.0, "attention", "b" * 64)
    made, asked = [Adapter(info, layers) for _ in range(3)], []

    def learn(scales: Sequence[float]) -> list[float]:
        asked.append(list(scales))
        for one, size, scale in zip(made[:2], (1.0, 1e4), scales[:2], strict=True):
            one.values.grad = torch.full_like(one.values, size * scale if size * scale < 2**17 else torch.inf)
        return [1.0, 1e4, 0.0]

    assert scaling.learned(made, learn) == [1.0, 1e4, 0.0]
    assert [one.values.grad.unique().item() for one in made[:2]] == [1.0, 1e4]  # type: ignore[union-attr]
    assert asked == [[2.0**16, scale, 2.0**16] for scale in (2.0**16, 2.0**12, 2.0**8, 2.0**4, 1.0)]
    assert made[2].values.grad is None


@pytest.mark.parametrize(("bfloat16", "wanted"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_has_weights_of_16_bits(bfloat16: bool, wanted: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "computes_in_bfloat16", lambda _device: bfloat16)
    assert precision.placed("cuda").dtype == precision.half(torch.device("cuda")) == wanted
    assert precision.placed("cpu").dtype == torch.float32
    assert precision.half(CPU) == (torch.bfloat16 if bfloat16 else None)
