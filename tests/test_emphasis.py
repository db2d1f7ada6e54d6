"""Weighted words: on numbers, and through a text encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dressform.adapters.stack import AdapterStack
from dressform.backbones.emphasis import emphasised, tokens
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.dress.weighting import Weighs, encode


def test_multiply_then_restore_the_mean() -> None:
    z = torch.tensor([[[1.0, 3.0], [2.0, 6.0]], [[1.0, 3.0], [2.0, 6.0]]])
    out = emphasised(z, torch.tensor([[1.0, 2.0], [1.0, 1.0]]))
    torch.testing.assert_close(out[0], torch.tensor([[1.0, 3.0], [4.0, 12.0]]) * (3 / 5))
    assert out[0].mean() == z[0].mean() and torch.equal(out[1], z[1])


class Weighing:
    """A base model that takes weights, made of one that does not: what a backbone adds in order to offer them."""

    def __init__(self, base: Any) -> None:
        self._base = base

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)

    def encode_weighted(self, rows: Any) -> torch.Tensor:
        ids, weights = tokens(self._base.tokenizer, rows)
        with torch.no_grad(), self._base.autocast():
            return emphasised(self._base.text(ids).last_hidden_state.float(), weights)


@pytest.fixture
def weighing(tiny_backbone) -> Weighing:
    if not hasattr(tiny_backbone, "tokenizer"):
        pytest.skip("this base model keeps its tokenizer to itself")
    return Weighing(tiny_backbone)


def test_plain_spans_are_the_tokens_of_the_whole(weighing: Weighing) -> None:
    whole = weighing.tokenizer(["front view, red scarf"], padding="max_length", truncation=True, return_tensors="pt").input_ids
    ids, weights = tokens(weighing.tokenizer, [[("front view, ", 1.0), ("red scarf", 1.5)]])
    assert torch.equal(ids, whole)
    words = len(weighing.tokenizer("red scarf", add_special_tokens=False).input_ids)
    assert (weights == 1.5).sum() == words and weights[0, 0] == 1
    ids, weights = tokens(weighing.tokenizer, [[("red " * 500, 2.0)]])
    assert ids.shape == whole.shape and ids[0, -1] == weighing.tokenizer.eos_token_id and weights[0, -1] == 1


def test_a_prompt_is_weighted_where_the_base_model_can_and_plain_where_it_cannot(tiny_backbone, weighing: Weighing) -> None:
    assert isinstance(weighing, Weighs) and not isinstance(tiny_backbone, Weighs)
    plain = tiny_backbone.encode_text(["aoi, red scarf", ""])
    assert torch.equal(encode(tiny_backbone, ["aoi, (red scarf:1.4)", ""]), plain)
    assert torch.equal(encode(weighing, ["aoi, red scarf", ""]), plain)  # type: ignore[arg-type]
    strong = encode(weighing, ["aoi, (red scarf:1.4)", ""])  # type: ignore[arg-type]
    torch.testing.assert_close(strong[1], plain[1])
    assert not torch.allclose(strong[0], plain[0], atol=1e-3)
    torch.testing.assert_close(strong[0].mean(), plain[0].mean(), atol=1e-5, rtol=1e-3)


def test_a_weight_changes_the_picture(weighing: Weighing) -> None:
    stack = AdapterStack(weighing.target_layers("attention"), [])
    rows = [Row("aoi, red scarf", 1, ()), Row("aoi, (red scarf:3)", 1, ()), Row("aoi, (red scarf:1)", 1, ())]
    usual, strong, same = draw(weighing, stack, rows, SampleConfig(steps=2, guidance=3.0)).int()  # type: ignore[arg-type]
    assert (usual - same).abs().max() <= 1 < (usual - strong).abs().max()
