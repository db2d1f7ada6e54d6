"""From prompts with weights to conditioning: weighted where the base model can do that, else the words alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dressform.backbones import text
from dressform.backbones.protocol import Backbone
from dressform.dress.prompt_weights import parse, plain, weighted


def encode(backbone: Backbone, prompts: Sequence[str]) -> Tensor:
    """Conditioning of prompts in A1111's syntax, brought to one length."""
    if backbone.weighs and any(map(weighted, prompts)):
        return backbone.encode_weighted([parse(prompt) for prompt in prompts])
    return backbone.encode_text([plain(prompt) for prompt in prompts])


def length(backbone: Backbone, prompt: str) -> int:
    """The length of a prompt's own conditioning."""
    return backbone.length(_read(backbone, prompt))


def unread(backbone: Backbone, prompt: str) -> int:
    """How many tokens at its end are not drawn."""
    return backbone.unread(_read(backbone, prompt))


def _read(backbone: Backbone, prompt: str) -> text.Text:
    return parse(prompt) if backbone.weighs else text.plain(plain(prompt))
