"""Stable Diffusion XL and what descends from it: two text encoders, a pooled embedding, and the picture's size as a condition.

Podell et al. 2023, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dressform.backbones import chunks, emphasis, unet
from dressform.backbones.assembled import Assembled
from dressform.backbones.folder import Source
from dressform.backbones.frozen import Part
from dressform.backbones.precision import Placement
from dressform.backbones.text import Span, Text, plain


def build(source: Source, where: Placement) -> Assembled:
    """The base model of a source."""
    return unet.assembled(source, where, "stable-diffusion-xl-v1-base", 6.0, TwoEncoders(source, where))


_FRAME = 6
"""Numbers of a frame. They stand at the end of the pooled row, which is wider than the pooled embedding."""


def packed(tokens: Tensor, pooled: Tensor) -> Tensor:
    """tokens [n, length, width] and pooled [n, p], p + 6 <= width, as one tensor [n, length + 1, width], the pooled row last."""
    assert pooled.shape[-1] + _FRAME <= tokens.shape[-1], "no room for a frame"
    row = functional.pad(pooled, (0, tokens.shape[-1] - pooled.shape[-1]))
    return torch.cat([tokens, row[:, None]], dim=1)


def tokens_of(text: Tensor, length: int) -> Tensor:
    """All tokens of chunks that were ``packed`` with ``length`` tokens each and stand one after another."""
    return text.unflatten(1, (-1, length + 1))[:, :, :-1].flatten(1, 2)


def _network(source: Source, where: Placement, part: str, kind: str) -> Any:
    import transformers

    return source.network(part, getattr(transformers, kind), where.dtype)


class TwoEncoders:
    """Conditioning is [n, chunks * (tokens + 1), width]: of each chunk the encoders' last but one layers side by side, then as a row the
    pooled embedding, which is that of a text's first chunk.
    """

    def __init__(self, source: Source, where: Placement) -> None:
        self._source, self._device = source, where.device
        self.encoders = (
            Part(lambda: _network(source, where, "text_encoder", "CLIPTextModel"), where.device),
            Part(lambda: _network(source, where, "text_encoder_2", "CLIPTextModelWithProjection"), where.device),
        )
        self._cell_px = 2 ** (len(source.config("vae")["block_out_channels"]) - 1)
        config = source.config("unet")
        self.shape = int(source.config("text_encoder")["max_position_embeddings"]) + 1, int(config["cross_attention_dim"])
        self._pooled_width = int(config["projection_class_embeddings_input_dim"]) - 6 * int(config["addition_time_embed_dim"])

    @cached_property
    def tokenizers(self) -> tuple[Any, Any]:
        """One for each encoder; they differ in what they pad with."""
        from transformers import CLIPTokenizer

        first, second = (self._source.tokenizer(part, CLIPTokenizer) for part in ("tokenizer", "tokenizer_2"))
        return chunks.fitted(first, self.shape[0] - 1), chunks.fitted(second, self.shape[0] - 1)

    def encode(self, texts: list[str]) -> Tensor:
        return self.encode_weighted([plain(text) for text in texts])

    def encode_weighted(self, texts: Sequence[Text]) -> Tensor:
        """Each encoder's tokens are weighted by themselves; the pooled embedding is that of the plain words."""
        each = [chunks.read(tokenizer, texts) for tokenizer in self.tokenizers]
        *read, pooled = self._read([one.ids for one in each])
        said = [emphasis.emphasised(z, one.weights) for z, one in zip(read, each, strict=True)]
        return each[0].joined(packed(torch.cat(said, dim=-1), pooled[each[0].firsts.to(pooled.device)]))

    def _read(self, ids: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Each encoder's last layer but one, and the second's pooled embedding."""
        first, second = (e()(i.to(self._device), output_hidden_states=True) for e, i in zip(self.encoders, ids, strict=True))
        return first.hidden_states[-2].float(), second.hidden_states[-2].float(), second.text_embeds.float()

    def framed(self, text: Tensor, frames: Tensor) -> Tensor:
        return torch.cat([text[:, :-1], torch.cat([text[:, -1:, :-_FRAME], frames[:, None].to(text)], dim=-1)], dim=1)

    def ask(self, denoiser: Any, noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        said = {"text_embeds": text[:, -1, : self._pooled_width], "time_ids": self._time_ids(noisy, text[:, -1, -_FRAME:])}
        return denoiser(noisy, t, tokens_of(text, self.shape[0] - 1), added_cond_kwargs=said).sample

    def tokens(self, text: str) -> int:
        return chunks.counted(self.tokenizers[0], text)

    def length(self, text: Text) -> int:
        return self.shape[0] * chunks.many(self.tokenizers[0], text)

    def unread(self, text: Text) -> int:
        return chunks.unread(self.tokenizers[0], text)

    def rows_of(self, text: str, spans: Sequence[Span]) -> list[list[int]]:
        return chunks.rows_of(self.tokenizers[0], text, spans)

    def _time_ids(self, latents: Tensor, frames: Tensor) -> Tensor:
        """[n, 6] in pixels: the frames; where one is zero, the picture's own height and width, no crop, and the same to draw."""
        height, width = (side * self._cell_px for side in latents.shape[-2:])
        own = torch.tensor([height, width, 0, 0, height, width], dtype=torch.float32, device=latents.device)
        return torch.where(frames.any(-1, keepdim=True), frames.float(), own)
