"""Frozen networks: read from disk on first use, given back when they are no longer needed, never trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from dressform.backbones.checkpointing import recomputed
from dressform.backbones.offload import Offload


class Part:
    """One network of a base model. Calling it gives the network; ``release`` forgets it until the next call.

    ``settings`` are applied to it each time it was read. ``place`` brings it to its device (None: as a whole).
    """

    def __init__(
        self,
        read: Callable[[], Any],
        device: torch.device,
        settings: Callable[[Any], None] = lambda _network: None,
        place: Callable[[Any], None] | None = None,
    ) -> None:
        self._read, self._settings = read, settings
        self._place = place or (lambda network: network.to(device))
        self._network: Any = None

    def __call__(self) -> Any:
        if self._network is None:
            with torch.inference_mode(False):  # weights that were read while drawing could never be trained through
                self._network = self._made()
        return self._network

    def _made(self) -> Any:
        network = self._read().eval().requires_grad_(False)
        for parameter in network.parameters():
            if parameter.dim() == 4:  # convolutions are several times faster on channels-last weights in bfloat16
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self._place(network)
        self._settings(network)
        return network

    def settle(self) -> None:
        """Apply the settings again where the network is in memory."""
        if self._network is not None:
            self._settings(self._network)

    def release(self) -> None:
        self._network = None


class Denoiser(Part):
    """The network that adapters act on, with gradient checkpointing on or off, and its blocks here or away.

    ``lists`` names the lists of blocks in it: those that gradient checkpointing computes again.
    """

    def __init__(
        self,
        read: Callable[[], Any],
        device: torch.device,
        lists: Sequence[str],
        settings: Callable[[Any], None] = lambda _network: None,
    ) -> None:
        super().__init__(read, device, self._with_checkpointing, self._placed)
        self._checkpointing, self._own_settings = False, settings
        self._device, self._lists, self._away = device, tuple(lists), False
        self._offload: Offload | None = None

    def checkpoint_gradients(self, on: bool) -> None:
        self._checkpointing = on
        self.settle()

    def offload(self, on: bool) -> bool:
        """Whether its blocks lie in the machine's memory from now on; whether they did before."""
        before, self._away = self._away, on
        if self._network is not None and before != on:
            assert self._offload is not None
            self._offload.put_away() if on else self._offload.bring_back()
        return before

    def blocks(self, network: Any) -> list[nn.Module]:
        """The blocks of the network, each a part that works by itself."""
        return [block for name, many in network.named_modules() if name.rpartition(".")[2] in self._lists for block in many]

    def _placed(self, network: Any) -> None:
        self._offload = Offload(network, self.blocks(network), self._device)
        self._offload.put_away() if self._away else self._offload.bring_back()

    def _with_checkpointing(self, network: Any) -> None:
        if self._checkpointing:
            network.enable_gradient_checkpointing(recomputed)
        else:
            network.disable_gradient_checkpointing()
        self._own_settings(network)
