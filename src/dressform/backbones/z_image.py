"""Z-Image: a flow-matching transformer over one sequence of picture patches and caption tokens, with one language model as reader.

Z-Image team 2025, "Z-Image: An Efficient Image Generation Foundation Model with Single-Stream Diffusion Transformer".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dressform.backbones.assembled import Assembled, Parts, Traits
from dressform.backbones.folder import Source
from dressform.backbones.frozen import Denoiser, Part
from dressform.backbones.latents import Autoencoder
from dressform.backbones.precision import Placement
from dressform.backbones.schedule import Flow
from dressform.backbones.text import UNSEEN, Span, Text, words_of
from dressform.errors import NotReady

_PATCH_CELLS = 2
_TOKENS = 512
_ATTENTION_LEAVES = (
    "attention.to_q", "attention.to_k", "attention.to_v", "attention.to_out.0",
    "feed_forward.w1", "feed_forward.w2", "feed_forward.w3",
)  # fmt: skip
_OTHER_LEAVES = ("adaLN_modulation.0",)
_BLOCK_LISTS = ("noise_refiner", "context_refiner", "layers")


def build(source: Source, where: Placement) -> Assembled:
    """The base model of a source."""

    def read() -> Any:
        from diffusers import ZImageTransformer2DModel

        return source.network("transformer", ZImageTransformer2DModel, where.dtype)

    denoiser = Denoiser(read, where.device, _BLOCK_LISTS)
    schedule = Flow(source.config("scheduler"), _PATCH_CELLS)
    traits = Traits("z-image", int(source.config("vae")["sample_size"]), _PATCH_CELLS, 4.0, _ATTENTION_LEAVES, _OTHER_LEAVES)
    return Assembled(source, where, traits, Parts(denoiser, Autoencoder(source, where), LanguageModel(source, where), schedule))


def packed(tokens: Tensor, real: Tensor) -> Tensor:
    """tokens [n, length, width] and which of them are real, bool [n, length], as [n, length, width + 1]; the others are zero."""
    return torch.cat([tokens * real[..., None], real[..., None].to(tokens.dtype)], dim=-1)


def unpacked(text: Tensor) -> list[Tensor]:
    """The real tokens [its length, width] of each row that ``packed`` was given; on the meta device, where none is known, all."""
    if text.is_meta:
        return list(text[:, :, :-1])
    return [row[row[:, -1] > 0.5, :-1] for row in text]


class LanguageModel:
    """Conditioning is [n, 512, width + 1]: the caption as the model's last but one layer has it; the last column marks real tokens."""

    def __init__(self, source: Source, where: Placement) -> None:
        from transformers import AutoModel

        self.shape = _TOKENS, int(source.config("text_encoder")["hidden_size"]) + 1
        self._source, self._device = source, where.device
        self.encoders = (Part(lambda: source.network("text_encoder", AutoModel, where.dtype), where.device),)

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return self._source.tokenizer("tokenizer", AutoTokenizer)

    def encode(self, texts: list[str]) -> Tensor:
        tokens = self.tokenizer(
            [self._asked(text) for text in texts], padding="max_length", max_length=_TOKENS, truncation=True, return_tensors="pt"
        )
        ids, real = tokens.input_ids.to(self._device), tokens.attention_mask.to(self._device).bool()
        said = self.encoders[0]()(input_ids=ids, attention_mask=real, output_hidden_states=True)
        return packed(said.hidden_states[-2].float(), real)

    def framed(self, text: Tensor, frames: Tensor) -> Tensor:
        return text

    def ask(self, denoiser: Any, noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """The denoiser counts its time from noise to picture, and gives the velocity in that direction."""
        pictures = list(noisy[:, :, None].unbind(0))  # of one frame each
        towards = denoiser(pictures, 1 - Flow.level(t).flatten(), unpacked(text)).sample
        return -torch.stack(towards)[:, :, 0]

    def tokens(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False).input_ids)

    def length(self, text: Text) -> int:
        return _TOKENS

    def rows_of(self, text: str, spans: Sequence[Span]) -> list[list[int]]:
        raise NotReady(UNSEEN)

    def unread(self, text: Text) -> int:
        return max(0, len(self.tokenizer(self._asked(words_of(text))).input_ids) - _TOKENS)

    def _asked(self, text: str) -> str:
        said = [{"role": "user", "content": text}]
        return self.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True, enable_thinking=True)
