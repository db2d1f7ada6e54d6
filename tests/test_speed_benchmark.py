"""The speed benchmark runs from end to end on a tiny random base model; its figures are not looked at here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speed import curves, generation, memory, training
from benchmarks.speed.timing import Turns, ratio
from dressform import backbones
from dressform.train.config import TrainConfig
from tests import tiny

pytestmark = pytest.mark.filterwarnings("ignore:Already found a .peft_config.:UserWarning")  # each further load_lora_weights
CONFIG = TrainConfig(steps=1, rows=2, rank=2, alpha=2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("base") / "tiny")


def test_every_comparison_gives_a_ratio(folder: Path) -> None:
    base = backbones.load(folder)
    found = training.against_one_after_another(base, CONFIG, (1, 2), Turns(1))
    found |= training.over_the_floor(base, CONFIG, 2, Turns(1))
    found |= training.against_peft(base, CONFIG, 2, Turns(1))
    found |= generation.lookbooks(base, folder, CONFIG, outfits=2, views=2, steps=2, turns=Turns(1))
    found |= generation.mixed_rows(base, CONFIG, outfits=2, views=2, turns=Turns(1))
    found |= curves.curves(base, CONFIG, Turns(1))
    assert len(found) == 25 and all(f.value > 0 and f.n == 1 for f in found.values())


def test_memory_is_counted_above_the_base_model(folder: Path) -> None:
    peaks = memory.peak_memory(folder, CONFIG, 2)
    assert len(peaks) == 4 and all(f.value > 0 for f in peaks.values())


def test_a_ratio_pairs_the_turns() -> None:
    calls: list[str] = []
    seconds = Turns(2).seconds({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")})
    assert len(seconds["a"]) == 2 and "".join(calls) == "baabba"
    assert (ratio([1, 2, 6], [2, 2, 2]).value, ratio([4], [1], per_ours=2).value) == (1, 2)
