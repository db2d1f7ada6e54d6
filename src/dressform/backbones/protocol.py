"""What the rest of the house knows of a base model."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn


class Backbone(Protocol):
    """A frozen base model. Pictures are uint8 [n, 3, h, w]; latents float32 [n, c, h / cell_px, w / cell_px], unit scale.

    ``architecture`` is its ModelSpec id, as adapter files name it.
    """

    sha256: str
    architecture: str
    size_px: int
    cell_px: int
    denoiser: nn.Module

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Latents of pictures."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, uint8 [n, 3, h, w], of latents."""
        ...

    def encode_text(self, texts: list[str]) -> Tensor:
        """Conditioning [n, length, width]."""
        ...

    def predict(self, noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """The denoiser's raw prediction, float32, for noisy latents at integer times t [n]."""
        ...

    def add_noise(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t."""
        ...

    def target(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What ``predict`` should say: noise, v, or flow velocity, whichever this base model was trained on."""
        ...

    def sample(self, noise: Tensor, guided: Guided, steps: int) -> Tensor:
        """Latents from pure noise, in ``steps`` steps; ``guided(x_t, t)`` is the prediction after guidance."""
        ...

    def target_layers(self, targets: str) -> dict[str, nn.Module]:
        """The denoiser layers that adapters act on, by dotted name: "attention", or "all" (convolutions too)."""
        ...

    def knows_word(self, word: str) -> bool:
        """True where the word already means something to this base model's tokenizer (so it is a poor trigger word)."""
        ...


class Guided(Protocol):
    """A prediction after guidance."""

    def __call__(self, noisy: Tensor, t: Tensor) -> Tensor: ...
