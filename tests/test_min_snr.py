"""Min-SNR weights in the training loop (Hang et al. 2023): each row's loss by its own time, for noise and for v."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dressform import backbones
from dressform.adapters.stack import Adapter
from dressform.errors import BadInput
from dressform.records import AdapterInfo
from dressform.train.config import TrainConfig
from dressform.train.data import TrainingSet, encode, rows_at
from dressform.train.loop import Job, train
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.objectives.plain import plain
from dressform.train.passes import attached
from tests import tiny_flow, tiny_sdxl

GAMMA = 5.0
CONFIG = TrainConfig(steps=2, rows=4, rank=2, alpha=2.0, drop_caption=0.0)


def loaded(folder: Path) -> Any:
    base: Any = backbones.load(folder, "cpu")
    base.autocast = lambda: torch.autocast("cpu", enabled=False)
    return base


def data_of(base: Any) -> TrainingSet:
    draw = torch.Generator().manual_seed(1)
    pictures = torch.randint(0, 255, (3, 3, 32, 32), generator=draw, dtype=torch.uint8)
    masks = torch.zeros(3, 32, 32, dtype=torch.bool)
    masks[:, 8:20, 8:20] = True
    return encode(base, ("a", "b", "c"), pictures, ["red dress"] * 3, masks)


def adapter(base: Any, seed: int = 1) -> Adapter:
    made = Adapter(AdapterInfo("outfit", "o", "o", 2, 2.0, "attention", base.sha256), base.target_layers("attention"), seed)
    for up in made.up:
        up.data.normal_(std=0.1, generator=torch.Generator().manual_seed(seed))
    return made


def losses(base: Any, objective: Any, config: TrainConfig) -> tuple[float, torch.Tensor]:
    """The loss of one step, and the times of its rows."""
    data, one, empty = data_of(base), adapter(base), base.encode_text([""])
    with attached(base, [one], adapter(base, 2).requires_grad_(False), objective, config) as passes:
        (rows,) = rows_at(data, empty, 0, 0, config.rows)
        return passes.learn([[rows]], config.micro_rows)[0], rows.t


def each(base: Any, objective: Any) -> torch.Tensor:
    """The unweighted loss of each row, one at a time."""
    data, empty = data_of(base), base.encode_text([""])
    with attached(base, [adapter(base)], adapter(base, 2).requires_grad_(False), objective, CONFIG) as passes:
        (rows,) = rows_at(data, empty, 0, 0, CONFIG.rows)
        return passes._losses([(0, rows)])[0].detach()


@pytest.mark.parametrize("objective", [plain, outfit_on_identity(1.0)], ids=["plain", "outfit"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_rows_loss_is_weighed_by_the_formula(tmp_path: Path, prediction: str, objective: Any) -> None:
    base = loaded(tiny_sdxl.write(tmp_path / "base", prediction_type=prediction))
    weighed, t = losses(base, objective, replace(CONFIG, min_snr=GAMMA))
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha_bar = (1 - betas).cumprod(0)[t]
    snr = alpha_bar / (1 - alpha_bar)
    weights = snr.clamp(max=GAMMA) / (snr if prediction == "epsilon" else snr + 1)
    assert 0 < weights.min() < 0.6 * weights.max(), "the rows' times are too much alike to tell"
    assert weighed == pytest.approx(float((weights * each(base, objective)).mean()), rel=1e-4)


def test_micro_steps_are_weighed_alike(tmp_path: Path) -> None:
    base = loaded(tiny_sdxl.write(tmp_path / "base"))
    config = replace(CONFIG, min_snr=GAMMA)
    assert losses(base, plain, replace(config, micro_rows=1))[0] == pytest.approx(losses(base, plain, config)[0], rel=1e-5)


def test_it_is_off_unless_asked_for_and_a_flow_has_no_use_for_it(tmp_path: Path) -> None:
    base = loaded(tiny_flow.write(tmp_path / "base"))
    plainly = losses(base, plain, CONFIG)[0]
    assert plainly == pytest.approx(float(each(base, plain).mean()), rel=1e-5)
    assert losses(base, plain, replace(CONFIG, min_snr=GAMMA))[0] == plainly


def test_a_training_takes_it(tmp_path: Path) -> None:
    base = loaded(tiny_sdxl.write(tmp_path / "base"))
    data, said = data_of(base), []
    for gamma in (None, GAMMA):
        train(base, [Job(adapter(base), data)], plain, replace(CONFIG, min_snr=gamma), on_step=lambda e: said.append(e.losses["o"]))
    assert len(said) == 4 and said[2] < said[0]


@pytest.mark.parametrize("gamma", [0.0, -1.0, float("nan"), float("inf")])
def test_a_gamma_that_means_nothing_is_refused(gamma: float) -> None:
    with pytest.raises(BadInput, match=r"min_snr .*: use a number over 0"):
        replace(CONFIG, min_snr=gamma)
