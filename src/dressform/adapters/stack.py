"""The adapter stack: many low-rank adapters on one frozen denoiser, chosen per batch row by gates.

    y = W x + sum_n g_n s_n B_n A_n x            (Hu et al. 2021, with a gate g for each row and adapter)

The A's are stacked into one wide product, the gates act in its middle, and the B's form a second wide product.
A row whose gate for an adapter is 0 gives that adapter exactly no gradient, so adapters trained side by side
are the adapters that would have been trained alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from dressform.records import AdapterInfo

_GATES: ContextVar[Mapping[AdapterStack, Tensor]] = ContextVar("gates", default=MappingProxyType({}))
"""Each stack's gates. A context variable, so that a block that is computed again in the backward pass finds those of its forward pass."""


class Adapter(nn.Module):
    """One low-rank adapter: for each target layer a down matrix A [r, in, ...] and an up matrix B [out, r].

    Linear layers have A [r, in]; convolutions A [r, in, kh, kw]. B starts at zero, so a new adapter changes nothing.
    """

    def __init__(self, info: AdapterInfo, layers: Mapping[str, nn.Module], seed: int = 0) -> None:
        super().__init__()
        self.info = info
        self.layer_names = tuple(layers)
        generator = torch.Generator().manual_seed(seed)
        down, up = [], []
        for layer in layers.values():
            weight = layer.weight
            assert isinstance(weight, Tensor)
            a = torch.empty(info.rank, *weight.shape[1:])
            fan_in = math.prod(weight.shape[1:])
            a.uniform_(-1, 1, generator=generator).mul_(1 / math.sqrt(fan_in))  # kaiming_uniform with a = sqrt(5)
            down.append(nn.Parameter(a.to(weight.device)))
            up.append(nn.Parameter(torch.zeros(weight.shape[0], info.rank, device=weight.device)))
        self.down, self.up = nn.ParameterList(down), nn.ParameterList(up)

    def matrices(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """(layer name, A, B) for each target layer."""
        return zip(self.layer_names, self.down, self.up, strict=True)  # type: ignore[return-value]


class AdapterStack:
    """Adapters attached together to the layers of one denoiser.

    Args:
        layers: the target layers by dotted name, as ``Backbone.target_layers`` gives them.
        adapters: the adapters, in the order of the gate columns; their layer names are those of ``layers``.
    """

    def __init__(self, layers: Mapping[str, nn.Module], adapters: Sequence[Adapter]) -> None:
        for adapter in adapters:
            assert adapter.layer_names == tuple(layers), "an adapter for other layers"
        self.layers, self.adapters = dict(layers), list(adapters)
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        ranks = torch.tensor([a.info.rank for a in adapters], dtype=torch.long)
        self._column_of_rank = torch.repeat_interleave(torch.arange(len(adapters)), ranks)
        self._scaling = torch.tensor([a.info.scaling for a in adapters], dtype=torch.float32)

    @property
    def gates(self) -> Tensor | None:
        """The gates of each row's ranks [rows, sum of ranks], or None where no adapter is live."""
        return _GATES.get().get(self)

    def attach(self) -> None:
        """Put the adapters into the denoiser. Undone by ``detach``; the denoiser's own weights are never touched."""
        assert not self._handles, "already attached"
        for i, layer in enumerate(self.layers.values() if self.adapters else ()):
            hook = self._convolution(i) if isinstance(layer, nn.Conv2d) else self._linear(i)
            self._handles.append(layer.register_forward_hook(hook))

    def detach(self) -> None:
        """Take the adapters out again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    @contextmanager
    def attached(self) -> Iterator[AdapterStack]:
        """Attached inside a with block."""
        self.attach()
        try:
            yield self
        finally:
            self.detach()

    @contextmanager
    def fused(self, scales: Sequence[float]) -> Iterator[None]:
        """One composition for every row, written into the denoiser's weights: no extra cost a step.

        The exact weights from before come back at the end of the with block. Must not be attached.
        """
        assert not self._handles, "attached: a fused adapter would count twice"
        assert len(scales) == len(self.adapters)
        before = [layer.weight.detach().clone() for layer in self.layers.values()]  # type: ignore[operator]
        try:
            with torch.no_grad():
                for i, layer in enumerate(self.layers.values()):
                    for adapter, scale in zip(self.adapters, scales, strict=True):
                        change = (adapter.up[i] @ adapter.down[i].flatten(1)).view_as(layer.weight)  # type: ignore[arg-type]
                        layer.weight.add_(change, alpha=scale * adapter.info.scaling)  # type: ignore[operator, union-attr]
            yield
        finally:
            with torch.no_grad():
                for layer, weight in zip(self.layers.values(), before, strict=True):
                    layer.weight.copy_(weight)  # type: ignore[operator, union-attr]

    @contextmanager
    def active(self, gates: Tensor) -> Iterator[None]:
        """Choose the live adapters of each row: gates [rows, adapters], 0 for off, else the scale."""
        assert gates.shape[1] == len(self.adapters)
        of_ranks = (gates * self._scaling.to(gates.device))[:, self._column_of_rank.to(gates.device)]
        before = _GATES.set({**_GATES.get(), self: of_ranks})
        try:
            yield
        finally:
            _GATES.reset(before)

    def _stacked(self, i: int) -> tuple[Tensor, Tensor]:
        """A [sum of ranks, in, ...] and B [out, sum of ranks] of layer i."""
        return torch.cat([a.down[i] for a in self.adapters]), torch.cat([a.up[i] for a in self.adapters], dim=1)

    def _linear(self, i: int):
        def hook(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if (gates := self.gates) is None:
                return output
            a, b = self._stacked(i)
            x = inputs[0]
            low = functional.linear(x, a)
            return output + functional.linear(low * gates.view(len(gates), *(1,) * (x.dim() - 2), -1).to(low.dtype), b)

        return hook

    def _convolution(self, i: int):
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if (gates := self.gates) is None:
                return output
            assert isinstance(layer, nn.Conv2d)
            a, b = self._stacked(i)
            low = functional.conv2d(inputs[0], a, None, layer.stride, layer.padding, layer.dilation)
            return output + functional.conv2d(low * gates[:, :, None, None].to(low.dtype), b[:, :, None, None])

        return hook
