"""Weighted words for CLIP's text encoders: what a base model needs in order to offer ``encode_weighted``.

z' = w z,   z'' = z' mean(z) / mean(z')        (the web UI's "Original" emphasis: multiply, then restore the mean)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_NO_MEAN = 1e-4
"""Of the embedding's size: a mean below is rounding alone, and nothing can be restored by it."""

Spans = Sequence[tuple[str, float]]
"""A prompt in pieces: (text, weight)."""


def tokens(tokenizer: Any, rows: Sequence[Spans]) -> tuple[Tensor, Tensor]:
    """Token ids and their weights, [n, the tokenizer's length] each. Begin, end and padding weigh 1; what is too long is cut.

    Each span is read by itself, as the web UI does, so that a weight ends where its bracket ends.
    """
    length, ids, weights = tokenizer.model_max_length, [], []
    for row in rows:
        own = [tokenizer(text, add_special_tokens=False, verbose=False).input_ids for text, _ in row]
        words = [i for piece in own for i in piece][: length - 2]
        each = [weight for piece, (_, weight) in zip(own, row, strict=True) for _ in piece][: length - 2]
        rest = length - 2 - len(words)
        ids.append([tokenizer.bos_token_id, *words, tokenizer.eos_token_id, *[tokenizer.pad_token_id] * rest])
        weights.append([1.0, *each, 1.0, *[1.0] * rest])
    return torch.tensor(ids), torch.tensor(weights)


def emphasised(text: Tensor, weights: Tensor) -> Tensor:
    """Embeddings [n, length, width] under weights [n, length]; a row whose weights are all 1 comes back as it is."""
    scaled = text * weights[:, :, None].to(text)
    usual, mean = text.mean((1, 2), keepdim=True), scaled.mean((1, 2), keepdim=True)
    told = mean.abs() > _NO_MEAN * text.square().mean((1, 2), keepdim=True).sqrt()
    restored = scaled * torch.where(told, usual / torch.where(told, mean, 1), 1)
    return torch.where((weights == 1).all(1).to(text.device)[:, None, None], text, restored)
