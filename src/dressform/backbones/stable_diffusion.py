"""Stable Diffusion 1.x, and the embedded lay-figure model, which has the same architecture in miniature."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from torch import Tensor

from dressform.backbones import chunks, emphasis, unet
from dressform.backbones.assembled import Assembled
from dressform.backbones.folder import Source
from dressform.backbones.frozen import Part
from dressform.backbones.precision import Placement
from dressform.backbones.text import Span, Text, plain

_OUR_GUIDANCE = 1.5  # it gets more attributes right than 1, 2 or 3 (recipes/layfigure/README.md)
_OUR_ARCHITECTURE = "dressform-layfigure-v1"  # with Stable Diffusion's own id, A1111 would offer our adapters for it


def build(source: Source, where: Placement) -> Assembled:
    """The base model of a source."""
    architecture = architecture_of(
        source.config("unet")["cross_attention_dim"], source.config("scheduler").get("prediction_type", "epsilon")
    )
    asking = OneEncoder(source, where)
    if architecture == _OUR_ARCHITECTURE:  # its finest cells are reached by convolutions alone
        return unet.assembled(source, where, architecture, _OUR_GUIDANCE, asking, usual_targets="all", square=True)
    return unet.assembled(source, where, architecture, 7.0, asking)


def architecture_of(text_width: int, prediction: str) -> str:
    """ModelSpec's id, by the width of the text encoder and, where that is two kinds', what the denoiser predicts."""
    if text_width == 1024:
        return "stable-diffusion-v2-768-v" if prediction == "v_prediction" else "stable-diffusion-v2-512"
    return "stable-diffusion-v1" if text_width == 768 else _OUR_ARCHITECTURE


class OneEncoder:
    """Conditioning is [n, tokens, width], as CLIP's text encoder gives it, chunk after chunk."""

    def __init__(self, source: Source, where: Placement) -> None:
        config = source.config("text_encoder")
        self.shape = int(config["max_position_embeddings"]), int(config["hidden_size"])
        self._source, self._where, self._device = source, where, where.device
        self.encoders = (Part(self._read, where.device),)

    def _read(self) -> Any:
        from transformers import CLIPTextModel

        return self._source.network("text_encoder", CLIPTextModel, self._where.dtype)

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import CLIPTokenizer

        return chunks.fitted(self._source.tokenizer("tokenizer", CLIPTokenizer), self.shape[0])

    def encode(self, texts: list[str]) -> Tensor:
        return self.encode_weighted([plain(text) for text in texts])

    def encode_weighted(self, texts: Sequence[Text]) -> Tensor:
        read = chunks.read(self.tokenizer, texts)
        return read.joined(emphasis.emphasised(self.encoders[0]()(read.ids.to(self._device)).last_hidden_state.float(), read.weights))

    def framed(self, text: Tensor, frames: Tensor) -> Tensor:
        return text

    def ask(self, denoiser: Any, noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        return denoiser(noisy, t, text).sample

    def tokens(self, text: str) -> int:
        return chunks.counted(self.tokenizer, text)

    def length(self, text: Text) -> int:
        return self.shape[0] * chunks.many(self.tokenizer, text)

    def unread(self, text: Text) -> int:
        return chunks.unread(self.tokenizer, text)

    def rows_of(self, text: str, spans: Sequence[Span]) -> list[list[int]]:
        return chunks.rows_of(self.tokenizer, text, spans)
