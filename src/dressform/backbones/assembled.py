"""A Backbone put together from its parts. What differs from family to family is how a denoiser is asked: ``Asking``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dressform.backbones import precision
from dressform.backbones.folder import Source
from dressform.backbones.frozen import Denoiser, Part
from dressform.backbones.latents import Autoencoder
from dressform.backbones.precision import Placement
from dressform.backbones.protocol import Guided
from dressform.backbones.text import Span, Text
from dressform.errors import BadInput, Failed


class Asking(Protocol):
    """How a family reads texts and asks its denoiser. Only it knows what the rows of a conditioning mean."""

    @property
    def encoders(self) -> tuple[Part, ...]:
        """The text encoders."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Length and width of the shortest conditioning."""
        ...

    def encode(self, texts: list[str]) -> Tensor:
        """Conditioning [n, length, width] of texts."""
        ...

    def framed(self, text: Tensor, frames: Tensor) -> Tensor:
        """The conditioning with the frames in it, as ``Backbone`` states it."""
        ...

    def length(self, text: Text) -> int:
        """The length of a text's conditioning."""
        ...

    def rows_of(self, text: str, spans: Sequence[Span]) -> list[list[int]]:
        """Where its words are, as ``Backbone`` states it."""
        ...

    def ask(self, denoiser: Any, noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """The denoiser's prediction for noisy latents [n, c, h, w] at times t [n] in 0..999."""
        ...

    def tokens(self, text: str) -> int:
        """How many tokens a text is."""
        ...

    def unread(self, text: Text) -> int:
        """How many tokens at its end are cut."""
        ...


class Schedule(Protocol):
    """How noise is added and taken away again (schedule.py), as ``Backbone`` states it."""

    shift: float

    def add_noise(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor: ...

    def target(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor: ...

    def loss_weight(self, t: Tensor, gamma: float) -> Tensor: ...

    def sample(self, noise: Tensor, guided: Guided, steps: int) -> Tensor: ...


@dataclass(frozen=True)
class Traits:
    """What is said of a base model, as ``Backbone`` states it; the names of its target layers end in ``leaves``."""

    architecture: str
    size_px: int
    side_cells: int
    guidance: float
    leaves: tuple[str, ...]
    other_leaves: tuple[str, ...]
    """Those that "all" adds to "attention"."""
    usual_targets: str = "attention"
    square: bool = False
    """Its pictures are all of one size."""


@dataclass(frozen=True)
class Parts:
    """What a base model is put together from."""

    denoiser: Denoiser
    pictures: Autoencoder
    asking: Asking
    schedule: Schedule


class Assembled:
    """A Backbone. Everything is frozen, in evaluation mode, and read on first use."""

    def __init__(self, source: Source, where: Placement, traits: Traits, parts: Parts) -> None:
        self._source, self._traits, self._parts = source, traits, parts
        self.device = where.device
        self.schedule, self.asking, self.shift = parts.schedule, parts.asking, parts.schedule.shift
        self.architecture, self.guidance, self.size_px = traits.architecture, traits.guidance, traits.size_px
        self.usual_targets, self.square = traits.usual_targets, traits.square
        self.cell_px, self.latent_channels = parts.pictures.cell_px, parts.pictures.latent_channels
        self.side_px = traits.side_cells * self.cell_px
        self.float16 = precision.half(where.device) == torch.float16

    @property
    def sha256(self) -> str:
        return self._source.sha256

    @property
    def denoiser(self) -> Any:
        return self._parts.denoiser()

    @property
    def encoders(self) -> tuple[Part, ...]:
        """Everything but the denoiser."""
        return (*self.asking.encoders, self._parts.pictures.part)

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        with torch.no_grad(), self._for_pictures():
            return self._parts.pictures.encode(pictures.to(self.device))

    def decode(self, latents: Tensor) -> Tensor:
        if not latents.isfinite().all():
            raise Failed("the base model's numbers overflowed while drawing: lower --guidance; on a GPU without bfloat16, use the CPU")
        with torch.no_grad(), self._for_pictures():
            return self._parts.pictures.decode(latents).cpu()

    def encode_text(self, texts: list[str]) -> Tensor:
        with torch.no_grad(), self.autocast():
            return self.asking.encode(texts)

    @property
    def weighs(self) -> bool:
        return hasattr(self.asking, "encode_weighted")

    def encode_weighted(self, texts: Sequence[Text]) -> Tensor:
        assert self.weighs, "this base model takes no weights"
        with torch.no_grad(), self.autocast():
            return self.asking.encode_weighted(texts)  # type: ignore[attr-defined]

    def framed(self, text: Tensor, frames: Tensor) -> Tensor:
        return self.asking.framed(text, frames)

    def length(self, text: Text) -> int:
        return self.asking.length(text)

    def rows_of(self, text: str, spans: Sequence[Span]) -> list[list[int]]:
        return self.asking.rows_of(text, spans)

    def predict(self, noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        with self.autocast():
            return self.asking.ask(self.denoiser, noisy, t, text).float()

    def add_noise(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        return self.schedule.add_noise(latents, noise, t)

    def target(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        return self.schedule.target(latents, noise, t)

    def loss_weight(self, t: Tensor, gamma: float) -> Tensor:
        return self.schedule.loss_weight(t, gamma)

    def sample(self, noise: Tensor, guided: Guided, steps: int) -> Tensor:
        return self.schedule.sample(noise, guided, steps)

    def target_layers(self, targets: str) -> dict[str, nn.Module]:
        if targets not in ("attention", "all"):
            raise BadInput(f"target layers {targets!r}: use 'attention' or 'all'")
        leaves = self._traits.leaves + (self._traits.other_leaves if targets == "all" else ())
        return {
            name: module
            for name, module in self.denoiser.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d) and name.endswith(leaves)
        }

    def knows_word(self, word: str) -> bool:
        return self.asking.tokens(word) == 1

    def unread(self, text: Text) -> int:
        return self.asking.unread(text)

    def checkpoint_gradients(self, on: bool) -> None:
        self._parts.denoiser.checkpoint_gradients(on)

    def offload(self, on: bool) -> bool:
        return self._parts.denoiser.offload(on)

    @property
    def blocks(self) -> list[nn.Module]:
        """The parts of the denoiser that are computed again, or offloaded, one at a time."""
        return self._parts.denoiser.blocks(self.denoiser)

    def tile(self, on: bool) -> None:
        self._parts.pictures.tile(on)

    def release_encoders(self) -> None:
        for part in self.encoders:
            part.release()

    def autocast(self) -> torch.autocast:
        return precision.autocast(self.device)

    def _for_pictures(self) -> torch.autocast:
        """Autoencoders overflow in float16; their weights are float32."""
        return precision.autocast(self.device, on=False) if self.float16 else self.autocast()
