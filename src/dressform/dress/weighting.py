"""From prompts with weights to conditioning: weighted where the base model can do that, else the words alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dressform.backbones.protocol import Backbone
from dressform.dress.prompt_weights import parse, plain, weighted


def encode(backbone: Backbone, prompts: Sequence[str]) -> Tensor:
    """Conditioning of prompts in A1111's syntax. A conditioning has one length, so a BREAK is no more than a space in it."""
    if backbone.weighs and any(map(weighted, prompts)):
        return backbone.encode_weighted([_spans(prompt) for prompt in prompts])
    return backbone.encode_text([plain(prompt) for prompt in prompts])


def _spans(prompt: str) -> list[tuple[str, float]]:
    first, *more = ([(span.text, span.weight) for span in chunk] for chunk in parse(prompt))
    for chunk in more:
        first += [(" ", 1.0), *chunk]
    return first
