"""The optimizer with moments of 8 bits: asked for by name, refused where it is not installed, and resumed exactly."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch

from dressform.errors import BadInput, NotReady
from dressform.train import checkpoint, optimizer
from dressform.train.config import TrainConfig
from dressform.train.loop import Job, Saved, train
from dressform.train.objectives.plain import plain
from tests.test_training import CONFIG, adapter, pictures, values

SMALL = replace(CONFIG, optimizer="adamw8bit")


class Rounding(torch.optim.Optimizer):
    """bitsandbytes' AdamW8bit as far as its state goes: a Python count of steps, and moments as bytes with a scale for each."""

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(step=0, state1=torch.full_like(p, 128, dtype=torch.uint8), absmax1=torch.zeros(1))
                assert type(state["step"]) is int and state["state1"].dtype == torch.uint8
                state["step"] += 1
                beta = group["betas"][0]
                moment = beta * (state["state1"].float() - 128) / 127 * state["absmax1"] + (1 - beta) * p.grad
                state["absmax1"] = moment.abs().max().reshape(1)
                state["state1"] = (128 + 127 * moment / state["absmax1"].clamp_min(1e-12)).round().to(torch.uint8)
                p.sub_(group["lr"] * moment.sign() / state["step"])


@pytest.fixture
def bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the package."""
    package, inside = ModuleType("bitsandbytes"), ModuleType("bitsandbytes.optim")
    package.__spec__, inside.AdamW8bit = ModuleSpec("bitsandbytes", None), Rounding  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bitsandbytes", package)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", inside)


def resumed(backbone, config: TrainConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """The values of an adapter that was trained in one go, and of one that was stopped and gone on with."""
    data, kept = pictures(backbone, 1), []
    saved = Saved(lambda: kept[-1] if kept else None, lambda _step, states: kept.append(states), [checkpoint.mark(config, "", "", [data])])
    whole, first, second = (adapter(backbone, "w", seed) for seed in (1, 1, 5))
    train(backbone, [Job(whole, data)], plain, config)

    def stop(event) -> None:
        if event.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(backbone, [Job(first, data)], plain, config, saved=saved, on_step=stop)
    train(backbone, [Job(second, data)], plain, config, saved=saved)
    assert len(kept) == 1
    return values(whole), values(second)


def test_small_moments_are_resumed_exactly(tiny_backbone, bitsandbytes: None) -> None:
    whole, again = resumed(tiny_backbone, SMALL)
    assert torch.equal(whole, again) and not torch.equal(whole, values(adapter(tiny_backbone, "w", 1)))


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
@pytest.mark.filterwarnings("ignore")  # the package's own
def test_the_real_package_is_resumed_exactly_and_learns_nearly_what_adamw_learns(tiny_backbone) -> None:
    whole, again = resumed(tiny_backbone, SMALL)
    assert torch.equal(whole, again)
    usual, before = resumed(tiny_backbone, CONFIG)[0], values(adapter(tiny_backbone, "w", 1))
    assert (whole - usual).norm() < 0.2 * (usual - before).norm()


def test_where_it_is_not_installed_one_line_says_so(tiny_backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "find_spec", lambda _name: None)
    data = pictures(tiny_backbone, 1)
    with pytest.raises(NotReady, match=r"^optimizer adamw8bit: bitsandbytes is not installed; .*--optimizer adamw$"):
        train(tiny_backbone, [Job(adapter(tiny_backbone, "w", 1), data)], plain, SMALL)


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(BadInput, match="optimizer 'lion': use adamw or adamw8bit"):
        replace(CONFIG, optimizer="lion")


def test_what_was_trained_before_these_settings_is_still_known(tiny_backbone) -> None:
    """A mark names a setting that came later only where it is not as it always was."""
    data = pictures(tiny_backbone, 1)

    def recipe(config: TrainConfig) -> str:
        return checkpoint.mark(config, "", "", [data]).recipe

    assert recipe(TrainConfig()) == "df77f0511e8ef3365969dbf9bbbc5ba06ec2d37e8ba71cbf8d3c00a294410e00"
    others = [replace(CONFIG, min_snr=5.0), replace(CONFIG, min_snr=1.0), replace(CONFIG, garment_share=0.5)]
    assert len({*map(recipe, (CONFIG, SMALL, *others))}) == 5
    assert recipe(CONFIG) == recipe(replace(CONFIG, recompute=True, offload=True))
