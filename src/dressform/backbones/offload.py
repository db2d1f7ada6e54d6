"""Blocks of a frozen network that lie in the machine's memory and come to the device while they work, one at a time.

diffusers' group offloading gives a parameter other data (``parameter.data = ...``) when its block has worked. Autograd keeps some
weights by reference, so a backward pass would find what lies there by then: it is made for drawing. Here a block is lent other
parameters, and none is ever written to, so what autograd kept stays as it was. Memory is saved where blocks are computed again in
the backward pass (checkpointing.py): a block whose inside is kept keeps its weights there, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_HOME = torch.device("cpu")


class Offload:
    """Blocks of a network that are away between ``put_away`` and ``bring_back``, and come to ``device`` when they work.

    What is in no block lies on the device all the time.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[nn.Module], device: torch.device) -> None:
        self._network, self._blocks, self._device = network, blocks, device
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def put_away(self) -> None:
        """Move the blocks to the machine's memory, and the rest to the device. Undone by ``bring_back``."""
        assert not self._handles, "away already"
        inside = {module for block in self._blocks for module in block.modules()}
        for module, name, tensor in _owned(m for m in self._network.modules() if m not in inside):
            if tensor.device != self._device:
                setattr(module, name, _copied(tensor, self._device))
        for block in self._blocks:
            block.to(_HOME)
            if self._device.type == "cuda":
                _pin(block)
            visit = _Visit(block, self._device)
            self._handles.append(block.register_forward_pre_hook(visit.come))
            self._handles.append(block.register_forward_hook(visit.go, always_call=True))  # a recomputation ends by an exception

    def bring_back(self) -> None:
        """Move everything to the device, for good."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._network.to(self._device)


class _Visit:
    """One block's tensors at home, and the way of copies of them into the block and out of it again."""

    def __init__(self, block: nn.Module, device: torch.device) -> None:
        self._device, self._at_home = device, _owned(block.modules())

    def come(self, *_: Any) -> None:
        for module, name, tensor in self._at_home:
            setattr(module, name, _copied(tensor, self._device))

    def go(self, *_: Any) -> None:
        for module, name, tensor in self._at_home:
            setattr(module, name, tensor)


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on the device, of the same kind. Copied where it is there already, so that a CPU does what a GPU does."""
    there = tensor.detach().to(device, non_blocking=True, copy=True)
    return nn.Parameter(there, requires_grad=False) if isinstance(tensor, nn.Parameter) else there


def _owned(modules: Iterable[nn.Module]) -> list[tuple[nn.Module, str, Tensor]]:
    """Parameters and buffers, each with the module that has it and its name there."""
    each = ((m, (*m.named_parameters(recurse=False), *m.named_buffers(recurse=False))) for m in modules)
    return [(module, name, tensor) for module, named in each for name, tensor in named]


def _pin(block: nn.Module) -> None:
    """From pinned memory a copy is faster, and the CPU does not wait for it."""
    for _, _, tensor in _owned(block.modules()):
        tensor.data = tensor.data.pin_memory()
