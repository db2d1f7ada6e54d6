"""The speed benchmark runs from end to end on a tiny random base model; its figures are not looked at here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.speed import curves, generation, many, memory, random_model, training
from benchmarks.speed.timing import Turns, ratio
from dressform import backbones
from dressform.train.config import TrainConfig
from tests import tiny

pytestmark = pytest.mark.filterwarnings("ignore:Already found a .peft_config.:UserWarning")  # each further load_lora_weights
CONFIG = TrainConfig(steps=2, rows=2, rank=2, alpha=2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("base") / "tiny")


def test_a_set_is_encoded_once_and_starts_in_another_process() -> None:
    found = many.measured(3)
    assert min(found[name] for name in ("start_seconds", "rows_seconds", "peak_bytes", "cache_seconds")) > 0


def test_every_comparison_gives_a_ratio(folder: Path) -> None:
    base = backbones.load(folder)
    found = training.against_one_after_another(base, CONFIG, (1, 2), Turns(1))
    found |= training.over_the_floor(base, CONFIG, 2, Turns(1))
    found |= training.against_peft(base, CONFIG, 2, Turns(1))
    found |= generation.lookbooks(base, folder, CONFIG, outfits=2, views=2, steps=2, turns=Turns(1))
    found |= generation.mixed_rows(base, CONFIG, outfits=2, views=2, turns=Turns(1))
    found |= curves.curves(base, CONFIG, Turns(1))
    assert len(found) == 25 and all(f.value > 0 and f.n == 1 for f in found.values())


SMALLER = {
    "sd15": {
        "unet": {"block_out_channels": (32, 32, 32, 32), "attention_head_dim": 4, "cross_attention_dim": 24, "sample_size": 8},
        "vae": {"block_out_channels": (32, 32, 32, 32)},
        "text_encoder": {"hidden_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 24},
    },
    "sdxl": {
        "unet": {
            "block_out_channels": (32, 32, 32), "attention_head_dim": (2, 2, 2), "cross_attention_dim": 48, "sample_size": 8,
            "projection_class_embeddings_input_dim": 6 * 256 + 24, "transformer_layers_per_block": (1, 1, 1),
        },
        "vae": {"block_out_channels": (32, 32, 32, 32)},
        "text_encoder": {"hidden_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 24},
        "text_encoder_2": {
            "hidden_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 24, "projection_dim": 24,
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("family", SMALLER)
def test_the_full_size_architectures_are_timed_alike(family: str, tmp_path: Path) -> None:
    folder = random_model.write(family, tmp_path / family, SMALLER[family])
    base = backbones.load(folder, "cpu")
    found = training.against_peft(base, CONFIG, 1, Turns(1)) | generation.mixed_rows(base, CONFIG, 2, 1, Turns(1))
    found |= generation.lookbooks(base, folder, CONFIG, outfits=1, views=1, steps=1, turns=Turns(1))
    assert len(found) == 6 and all(f.value > 0 for f in found.values())


def test_memory_is_counted_above_the_base_model(folder: Path) -> None:
    peaks = memory.peak_memory(folder, None, CONFIG, 2)
    assert len(peaks) == 4 and all(f.value > 0 for f in peaks.values())


def test_a_compiled_denoiser_is_trained_beside_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[bool] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_how: compiled.append(True))
    found = training.against_compiled(backbones.load(folder), CONFIG, 2, Turns(1))
    assert compiled == [True] and found["wardrobe_over_peft_compiled.2"].value > 0


def test_a_ratio_pairs_the_turns() -> None:
    calls: list[str] = []
    seconds = Turns(2).seconds({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")})
    assert len(seconds["a"]) == 2 and "".join(calls) == "baabba"
    assert (ratio([1, 2, 6], [2, 2, 2]).value, ratio([4], [1], per_ours=2).value) == (1, 2)
