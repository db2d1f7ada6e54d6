"""What the rest of the house knows of a base model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dressform.backbones.text import Span, Text


class Backbone(Protocol):
    """A frozen base model. Pictures are uint8 [n, 3, h, w]; latents float32 [n, c, h / cell_px, w / cell_px], unit scale.

    h and w are multiples of ``side_px`` and need not be equal. ``architecture`` is its ModelSpec id, as adapter files name it.
    ``square`` is True where its pictures are ``size_px`` on every side; others may have any size of about that area.
    ``guidance`` is the scale that pictures of this base model are usually drawn with, ``usual_targets`` the layers ("attention" or
    "all") that adapters for it usually reach. ``shift`` is how far a flow's noise levels are shifted (Esser et al. 2024; 1: not at
    all). ``device`` is where it works, ``float16`` True where it computes in these numbers:
    small gradients vanish in them, large values overflow. The denoiser is read on first use.
    """

    device: torch.device
    architecture: str
    size_px: int
    cell_px: int
    side_px: int
    square: bool
    latent_channels: int
    guidance: float
    shift: float
    usual_targets: str
    float16: bool

    @property
    def sha256(self) -> str:
        """The identity of its weights."""
        ...

    @property
    def denoiser(self) -> Any:
        """The network that adapters act on."""
        ...

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Latents of pictures."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, uint8 [n, 3, h, w] on the CPU, of latents. Raises Failed for latents that are no numbers."""
        ...

    def encode_text(self, texts: list[str]) -> Tensor:
        """Conditioning, float32 [n, length, width]; a long text's is longer, and those of one call are as long as each other.

        Only ``predict`` of the same base model knows what its rows mean (some are no tokens); everybody else may stack, index, store
        and concatenate it along n, where lengths differ once they are ``alike`` (conditioning.py), and nothing more.
        """
        ...

    @property
    def weighs(self) -> bool:
        """True where its text encoder takes weights."""
        ...

    def encode_weighted(self, texts: Sequence[Text]) -> Tensor:
        """Conditioning as ``encode_text`` gives it, of texts with weights and BREAKs. Only where it ``weighs``."""
        ...

    def framed(self, text: Tensor, frames: Tensor) -> Tensor:
        """Conditioning for pictures that were fitted so; for a base model that is not told of it, the same conditioning.

        ``frames`` [n, 6] in pixels: the picture's height and width as it was given, rows and columns cropped away at its top and left,
        and the height and width that are left; zeros for a picture that is whole and of its own size.
        """
        ...

    def length(self, text: Text) -> int:
        """The length of a text's own conditioning, without encoding it."""
        ...

    def rows_of(self, text: str, spans: Sequence[Span]) -> list[list[int]]:
        """Which of the tokens that picture cells attend to, in their order, each span of a text has; none where it is cut off.

        Raises NotReady where that cannot be known.
        """
        ...

    def predict(self, noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """The denoiser's prediction, float32, for noisy latents at times t [n] in 0..999 (whole in training, any in sampling)."""
        ...

    def autocast(self) -> AbstractContextManager[object]:
        """In which the denoiser works in the device's best precision, as ``predict`` does."""
        ...

    def add_noise(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t, for whole times t [n] in 0..999."""
        ...

    def target(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What ``predict`` should say: noise, v, or flow velocity, whichever this base model was trained on."""
        ...

    def loss_weight(self, t: Tensor, gamma: float) -> Tensor:
        """Min-SNR weight [n] of a row's loss at times t [n] (schedule.min_snr_weight); 1 for a flow."""
        ...

    def sample(self, noise: Tensor, guided: Guided, steps: int) -> Tensor:
        """Latents from pure noise, in ``steps`` steps; ``guided(x_t, t)`` is the prediction after guidance."""
        ...

    def target_layers(self, targets: str) -> dict[str, nn.Module]:
        """The denoiser layers that adapters act on, by dotted name: "attention", or "all" (convolutions too). Else raises BadInput."""
        ...

    def knows_word(self, word: str) -> bool:
        """True where the word already means something to this base model's tokenizer (so it is a poor trigger word)."""
        ...

    def unread(self, text: Text) -> int:
        """How many tokens at the end of a text are cut off, because no more are read."""
        ...

    def checkpoint_gradients(self, on: bool) -> None:
        """Whether the denoiser's blocks are computed again in the backward pass instead of kept: slower, in much less memory."""
        ...

    def offload(self, on: bool) -> bool:
        """Whether the denoiser's blocks lie in the machine's memory and come to the device one at a time; whether they did before.

        Slow, in little memory where gradients are checkpointed; the predictions are the same.
        """
        ...

    def tile(self, on: bool) -> None:
        """Whether large pictures are encoded and decoded in overlapping tiles: the same but for their seams, in less memory."""
        ...

    def release_encoders(self) -> None:
        """Give back the memory of everything but the denoiser; it is read again where it is needed again."""
        ...


class Guided(Protocol):
    """A prediction after guidance."""

    def __call__(self, noisy: Tensor, t: Tensor) -> Tensor: ...
