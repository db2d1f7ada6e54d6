"""Frozen networks: read from disk on first use, given back when they are no longer needed, never trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dressform.backbones.checkpointing import recomputed


class Part:
    """One network of a base model. Calling it gives the network; ``release`` forgets it until the next call.

    ``settings`` are applied to it each time it was read.
    """

    def __init__(self, read: Callable[[], Any], device: torch.device, settings: Callable[[Any], None] = lambda _network: None) -> None:
        self._read, self._device, self._settings = read, device, settings
        self._network: Any = None

    def __call__(self) -> Any:
        if self._network is None:
            network = self._read().to(self._device).eval().requires_grad_(False)
            for parameter in network.parameters():
                if parameter.dim() == 4:  # convolutions are several times faster on channels-last weights in bfloat16
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
            self._settings(network)
            self._network = network
        return self._network

    def settle(self) -> None:
        """Apply the settings again where the network is in memory."""
        if self._network is not None:
            self._settings(self._network)

    def release(self) -> None:
        self._network = None


class Denoiser(Part):
    """The network that adapters act on, with gradient checkpointing on or off."""

    def __init__(self, read: Callable[[], Any], device: torch.device, settings: Callable[[Any], None] = lambda _network: None) -> None:
        super().__init__(read, device, self._with_checkpointing)
        self._checkpointing, self._own_settings = False, settings

    def checkpoint_gradients(self, on: bool) -> None:
        self._checkpointing = on
        self.settle()

    def _with_checkpointing(self, network: Any) -> None:
        if self._checkpointing:
            network.enable_gradient_checkpointing(recomputed)
        else:
            network.disable_gradient_checkpointing()
        self._own_settings(network)
