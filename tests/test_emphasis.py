"""Weighted words: on numbers, and through a text encoder."""

from __future__ import annotations

import torch

from dressform.adapters.stack import AdapterStack
from dressform.backbones import chunks
from dressform.backbones.emphasis import emphasised
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.dress.weighting import encode


def test_multiply_then_restore_the_mean() -> None:
    z = torch.tensor([[[1.0, 3.0], [2.0, 6.0]], [[1.0, 3.0], [2.0, 6.0]]])
    out = emphasised(z, torch.tensor([[1.0, 2.0], [1.0, 1.0]]))
    torch.testing.assert_close(out[0], torch.tensor([[1.0, 3.0], [4.0, 12.0]]) * (3 / 5))
    assert out[0].mean() == z[0].mean() and torch.equal(out[1], z[1])


def test_plain_spans_are_the_tokens_of_the_whole(tiny_backbone) -> None:
    whole = tiny_backbone.asking.tokenizer(["front view, red scarf"], padding="max_length", truncation=True, return_tensors="pt").input_ids
    read = chunks.read(tiny_backbone.asking.tokenizer, [[[("front view, ", 1.0), ("red scarf", 1.5)]]])
    assert torch.equal(read.ids, whole)
    words = len(tiny_backbone.asking.tokenizer("red scarf", add_special_tokens=False).input_ids)
    assert (read.weights == 1.5).sum() == words and read.weights[0, 0] == 1
    read = chunks.read(tiny_backbone.asking.tokenizer, [[[("red " * 500, 2.0)]]])
    assert read.ids.shape == (chunks.MOST, whole.shape[1]) and read.counts == (chunks.MOST,)
    assert (read.ids[:, -1] == tiny_backbone.asking.tokenizer.eos_token_id).all() and (read.weights[:, [0, -1]] == 1).all()


def test_a_prompt_is_weighted_where_it_says_so_and_plain_elsewhere(tiny_backbone) -> None:
    assert tiny_backbone.weighs
    plain = tiny_backbone.encode_text(["aoi, red scarf", ""])
    assert torch.equal(encode(tiny_backbone, ["aoi, red scarf", ""]), plain)
    strong = encode(tiny_backbone, ["aoi, (red scarf:1.4)", ""])
    torch.testing.assert_close(strong[1], plain[1])
    assert not torch.allclose(strong[0], plain[0], atol=1e-3)
    torch.testing.assert_close(strong[0].mean(), plain[0].mean(), atol=1e-5, rtol=1e-3)


def test_a_weight_changes_the_picture(tiny_backbone) -> None:
    stack = AdapterStack(tiny_backbone.target_layers("attention"), [])
    rows = [Row("aoi, red scarf", 1, ()), Row("aoi, (red scarf:3)", 1, ()), Row("aoi, (red scarf:1)", 1, ())]
    usual, strong, same = draw(tiny_backbone, stack, rows, SampleConfig(steps=2, guidance=3.0)).int()
    assert (usual - same).abs().max() <= 1 < (usual - strong).abs().max()


def test_an_embedding_without_a_mean_stays_finite() -> None:
    """After a layer's norm every token's mean is nothing but rounding, and what is divided by it is no number."""
    text = torch.nn.functional.layer_norm(torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(0)), (64,))
    weights = torch.tensor([[1.0, 3.0, 1.0, 1.0]])
    assert torch.equal(emphasised(text, weights), text * weights[..., None])
