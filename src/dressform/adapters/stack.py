"""The adapter stack: many low-rank adapters on one frozen denoiser, chosen per batch row by gates.

    y = W x + sum_n g_n s_n B_n A_n x            (Hu et al. 2021, with a gate g for each row and adapter)

Neighbouring rows with the same gates make a group; each group multiplies with its own live adapters alone, all groups
in one batched product (convolutions group by group). So what a row costs does not grow with the wardrobe beside
it. A row whose gate for an adapter is 0 gives that adapter exactly no gradient, so adapters trained side by side are the
adapters that would have been trained alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from dressform.records import AdapterInfo

_LIVE: ContextVar[Mapping[AdapterStack, list[tuple[Tensor, Tensor]] | None]] = ContextVar("live", default=MappingProxyType({}))
"""What is live in each stack. A context variable, so that a block that is computed again in the backward pass finds what it had."""

_COPIED_AT_MOST = 2**30
"""Bytes of weights that may be copied to write an adapter into them for a while."""


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


@dataclass(frozen=True)
class _Live:
    """Which adapters act on which rows: [groups, slots] of adapter numbers and of factors (gate x scaling; 0 in an empty slot)."""

    numbers: Tensor
    factors: Tensor


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
        self._scaling = torch.tensor([a.info.scaling for a in adapters], dtype=torch.float32)

    @property
    def _packed(self) -> list[tuple[Tensor, Tensor]] | None:
        """For each layer what acts on the rows (see ``_pack``), or None where no adapter is live."""
        return _LIVE.get().get(self)

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
        with self._written(scales):
            yield

    @contextmanager
    def drawing(self, gates: Tensor) -> Iterator[None]:
        """Like ``active``, for pictures alone: what every row wears alike (the identity, above all) is written into the weights.

        Only the rest is multiplied at each step. Where a copy of the weights would be large, or their precision would round
        the sum, nothing is written and all of it is multiplied.
        """
        alike = (gates == gates[:1]).all(0) & (gates[0] != 0)
        if not alike.any() or not self._can_be_written():
            with self.active(gates):
                yield
            return
        with self._written(torch.where(alike, gates[0], 0).tolist()), self.active(gates.masked_fill(alike, 0)):
            yield

    def _can_be_written(self) -> bool:
        weights: list[Tensor] = [layer.weight for layer in self.layers.values()]  # type: ignore[misc]
        here = self.adapters[0].up[0].device  # blocks that are offloaded lie elsewhere
        return all(w.dtype == torch.float32 and w.device == here for w in weights) and sum(w.nbytes for w in weights) <= _COPIED_AT_MOST

    @contextmanager
    def _written(self, scales: Sequence[float]) -> Iterator[None]:
        assert len(scales) == len(self.adapters)
        before = [layer.weight.detach().clone() for layer in self.layers.values()]  # type: ignore[operator]
        try:
            with torch.no_grad():
                for i, layer in enumerate(self.layers.values()):
                    for adapter, scale in zip(self.adapters, scales, strict=True):
                        if scale:
                            change = (adapter.up[i] @ adapter.down[i].flatten(1)).view_as(layer.weight)  # type: ignore[arg-type]
                            layer.weight.add_(change, alpha=scale * adapter.info.scaling)  # type: ignore[operator, union-attr]
            yield
        finally:
            with torch.no_grad():
                for layer, weight in zip(self.layers.values(), before, strict=True):
                    layer.weight.copy_(weight)  # type: ignore[operator, union-attr]

    @contextmanager
    def active(self, gates: Tensor, side_by_side: int = 0) -> Iterator[None]:
        """Choose the live adapters of each row: gates [rows, adapters], 0 for off, else the scale.

        The adapters' values are read once, here; gradients flow back to them through what was read. ``side_by_side`` rows at
        most are one product (0: as many as have the same gates), so that none is summed otherwise for the rows around them.
        """
        assert gates.shape[1] == len(self.adapters)
        before = _LIVE.set({**_LIVE.get(), self: self._pack(_live(gates.detach().cpu(), self._scaling, side_by_side))})
        try:
            yield
        finally:
            _LIVE.reset(before)

    def _pack(self, live: _Live) -> list[tuple[Tensor, Tensor]] | None:
        """For each layer, A [groups, slots x rank, in, ...] and B times its factor [groups, slots x rank, out]."""
        groups, slots = live.numbers.shape
        if not slots:
            return None
        used, where = live.numbers.unique(return_inverse=True)
        adapters = [self.adapters[n] for n in used.tolist()]
        rank = max(a.info.rank for a in adapters)
        device = adapters[0].up[0].device
        order, factors = where.flatten().to(device), live.factors.to(device)[:, :, None, None]
        packed = []
        for i in range(len(self.layers)):
            a = _stacked([one.down[i] for one in adapters], rank).index_select(0, order)
            b = _stacked([one.up[i].T for one in adapters], rank).index_select(0, order)
            scaled = b.view(groups, slots, rank, -1) * factors
            packed.append((a.reshape(groups, slots * rank, *a.shape[2:]), scaled.view(groups, slots * rank, -1)))
        return packed

    def _linear(self, i: int):
        def hook(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if (packed := self._packed) is None:
                return output
            a, b = packed[i]
            x = inputs[0]
            low = torch.bmm(x.reshape(len(a), -1, x.shape[-1]), a.to(x.dtype).transpose(1, 2))
            return _raised(output, low, b)

        return hook

    def _convolution(self, i: int):
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if (packed := self._packed) is None:
                return output
            assert isinstance(layer, nn.Conv2d)
            a, b = packed[i]
            x = inputs[0]
            low = (lowered_one_by_one if x.device.type == "cpu" else lowered_at_once)(layer, x, a.to(x.dtype))
            return _raised(output.permute(0, 2, 3, 1), low.permute(0, 2, 3, 1), b).permute(0, 3, 1, 2)

        return hook


def lowered_one_by_one(layer: nn.Conv2d, x: Tensor, a: Tensor) -> Tensor:
    """x [groups x n, in, h, w] convolved with A [groups, rank, in, kh, kw], each group by itself: [groups x n, rank, h', w'].

    On a CPU: a grouped convolution would sum in another order than a plain one, and gains nothing.
    """
    each = zip(x.chunk(len(a)), a, strict=True)
    return torch.cat([functional.conv2d(rows, down, None, layer.stride, layer.padding, layer.dilation) for rows, down in each])


def lowered_at_once(layer: nn.Conv2d, x: Tensor, a: Tensor) -> Tensor:
    """The same as one grouped convolution: on a GPU, where each call has to be launched."""
    groups, rank = a.shape[:2]
    side_by_side = x.unflatten(0, (groups, -1)).transpose(0, 1).flatten(1, 2)
    low = functional.conv2d(side_by_side, a.flatten(0, 1), None, layer.stride, layer.padding, layer.dilation, groups)
    return low.unflatten(1, (groups, rank)).transpose(0, 1).flatten(0, 1)


def _raised(output: Tensor, low: Tensor, b: Tensor) -> Tensor:
    """output [rows, ..., out] and what low [rows, ..., slots x rank] adds by b [groups, slots x rank, out]."""
    own, low = (x.reshape(len(b), -1, x.shape[-1]) for x in (output, low))
    return torch.baddbmm(own, low, b.to(low.dtype)).view(output.shape)


def _live(gates: Tensor, scaling: Tensor, at_most: int) -> _Live:
    """The groups of neighbouring rows with equal gates, all of one length, and what acts on each."""
    starts = (1 + (gates[1:] != gates[:-1]).any(1).nonzero().flatten()).tolist()
    length = math.gcd(len(gates), at_most, *starts)
    factors = (gates * scaling)[::length]
    slots = int((factors != 0).sum(1).max()) if factors.numel() else 0
    numbers = (factors != 0).int().argsort(dim=1, descending=True, stable=True)[:, :slots]
    return _Live(numbers, factors.gather(1, numbers))


def _stacked(parts: Sequence[Tensor], rank: int) -> Tensor:
    """[n, rank, ...]; smaller ranks are filled up with zeros, which change nothing."""
    return torch.stack([p if len(p) == rank else torch.cat([p, p.new_zeros(rank - len(p), *p.shape[1:])]) for p in parts])
