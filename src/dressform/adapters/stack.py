"""The adapter stack: many low-rank adapters on one frozen denoiser, chosen per batch row by gates.

    y = W x + sum_n g_n s_n B_n A_n x            (Hu et al. 2021, with a gate g for each row and adapter)

Neighbouring rows with the same gates make a group; each group multiplies with its own live adapters alone, all groups
in one batched product (convolutions group by group). So what a row costs does not grow with the wardrobe beside
it. A row whose gate for an adapter is 0 gives that adapter exactly no gradient, so adapters trained side by side are the
adapters that would have been trained alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from dressform.backbones.rowwise import rounds
from dressform.records import AdapterInfo

_LIVE: ContextVar[Mapping[AdapterStack, list[tuple[Tensor, Tensor] | None] | None]] = ContextVar("live", default=MappingProxyType({}))
"""What is live in each stack. A context variable, so that a block that is computed again in the backward pass finds what it had."""

_COPIED_AT_MOST = 2**30
"""Bytes of weights that may be copied to write an adapter into them for a while."""


class Adapter(nn.Module):
    """One low-rank adapter: for each target layer a down matrix A [r, in, ...] and an up matrix B [out, r].

    Linear layers have A [r, in]; convolutions A [r, in, kh, kw]. B starts at zero, so a new adapter changes nothing. All of it is one
    matrix: row i of ``values`` [r, width] holds row i of every A, then column i of every B, so that many adapters are stacked, scaled
    and updated in a few operations, however many layers there are.
    """

    def __init__(self, info: AdapterInfo, layers: Mapping[str, nn.Module], seed: int = 0) -> None:
        super().__init__()
        self.info = info
        self.sha256 = ""
        """Of the file that it was read from, which lineage knows it by; empty for one in the making."""
        self.layer_names = tuple(layers)
        weights: list[Tensor] = [layer.weight for layer in layers.values()]  # type: ignore[misc]
        self.inner = tuple(weight.shape[1:] for weight in weights)
        """What is behind the rank in each A."""
        self.widths = (*(math.prod(shape) for shape in self.inner), *(len(weight) for weight in weights))
        """Columns of ``values`` that each A takes, then each B."""
        self.values = nn.Parameter(torch.zeros(info.rank, sum(self.widths)))
        generator = torch.Generator().manual_seed(seed)
        for a in self.down:
            a.uniform_(-1, 1, generator=generator).mul_(1 / math.sqrt(a[0].numel()))  # kaiming_uniform with a = sqrt(5)
        if weights:
            self.values.data = self.values.data.to(weights[0].device)

    @property
    def down(self) -> list[Tensor]:
        """A of each layer: views without gradient, to read and to write."""
        return self.parts(self.values.detach())[0]

    @property
    def up(self) -> list[Tensor]:
        """B of each layer: views without gradient, to read and to write."""
        return self.parts(self.values.detach())[1]

    def parts(self, values: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Of anything laid out like ``values`` (its gradient, say): what belongs to each A, and to each B."""
        columns, n = values.split(self.widths, dim=-1), len(self.inner)
        return [a.unflatten(-1, shape) for a, shape in zip(columns[:n], self.inner, strict=True)], [b.mT for b in columns[n:]]

    def matrices(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """(layer name, A, B) for each target layer, as ``down`` and ``up`` give them."""
        return zip(self.layer_names, *self.parts(self.values.detach()), strict=True)


@dataclass(frozen=True)
class _Live:
    """Which adapters act on which rows: [groups, slots] of adapter numbers and of factors (gate x scaling; 0 in an empty slot)."""

    numbers: Tensor
    factors: Tensor


class _LinearOfGroups:
    """What a linear layer does where each group of rows has weights of its own: weight [groups, in, out]."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        self.weight = self.weight.to(dtype)  # once
        y = torch.bmm(x.reshape(len(self.weight), -1, x.shape[-1]).to(dtype), self.weight)
        if self.bias is not None:
            y += self.bias.to(dtype)
        return y.view(*x.shape[:-1], -1)


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
        self._in_weights = torch.zeros(len(adapters))
        """How much of each adapter is written into the denoiser's weights just now."""

    def _acting(self, i: int) -> tuple[Tensor, Tensor] | None:
        """What acts on the rows in layer i (see ``_pack``), or None where no adapter is live."""
        packed = _LIVE.get().get(self)
        return None if packed is None else packed[i]

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
        """One composition written into the denoiser's weights: no extra cost a step. Attached or not; gates say the same as ever.

        A row whose gates ask for less has the rest taken away again. The exact weights from before come back at the end of the with block.
        """
        assert len(scales) == len(self.adapters)
        before, in_weights = [layer.weight.detach().clone() for layer in self.layers.values()], self._in_weights  # type: ignore[operator]
        self._in_weights = in_weights + torch.tensor(scales)
        try:
            with torch.no_grad():
                for adapter, scale in zip(self.adapters, scales, strict=True):
                    for layer, down, up in adapter.matrices() if scale else ():
                        weight = self.layers[layer].weight
                        weight.add_((up @ down.flatten(1)).view_as(weight), alpha=scale * adapter.info.scaling)  # type: ignore[operator, arg-type]
            yield
        finally:
            self._in_weights = in_weights
            with torch.no_grad():
                for layer, weight in zip(self.layers.values(), before, strict=True):
                    layer.weight.copy_(weight)  # type: ignore[operator, union-attr]

    def fused_where_exact(self, scales: Sequence[float]) -> AbstractContextManager[None]:
        """``fused`` where the weights' precision does not round the sum and a copy of them is small; nothing anywhere else."""
        return self.fused(scales) if any(scales) and self._copied_exactly(1) else nullcontext()

    @contextmanager
    def drawing(self, gates: Tensor) -> Iterator[None]:
        """Like ``active``, for pictures alone: what a row wears is written into weights, so that it costs next to nothing a step.

        What every row wears alike (the identity, above all) is fused; the rest is written into a copy of each linear layer for every
        group of rows, and multiplied in convolutions. Where that would round, or copies be large, it is all multiplied.
        """
        gates = gates.detach().cpu()
        alike = ((gates == gates[:1]).all(0) & (gates[0] != self._in_weights)).float()
        with self.fused_where_exact((alike * (gates[0] - self._in_weights)).tolist()):
            live = _live(gates - self._in_weights, self._scaling, 0)
            with self._own_weights(live) if self._copied_exactly(len(live.numbers)) else self._multiplied(self._pack(live)):
                yield

    def _copied_exactly(self, copies: int) -> bool:
        """True where so many copies of the weights are small, and a sum with them is not rounded."""
        weights: list[Tensor] = [layer.weight for layer in self.layers.values()]  # type: ignore[misc]
        here = {a.values.device for a in self.adapters}  # blocks that are offloaded lie elsewhere
        small = copies * sum(w.nbytes for w in weights) <= _COPIED_AT_MOST
        return small and all(w.dtype == torch.float32 and here == {w.device} for w in weights)

    @contextmanager
    def _own_weights(self, live: _Live) -> Iterator[None]:
        """Each group of rows with linear layers of its own, in the precision that they work in; convolutions multiplied."""
        packed, changed = self._pack(live), []
        for i, (layer, acting) in enumerate(zip(self.layers.values(), packed or (), strict=False)):
            if isinstance(layer, nn.Conv2d) or packed is None or acting is None:
                continue
            down, up = acting
            weight = torch.baddbmm(layer.weight.mT, down.mT, up)  # type: ignore[union-attr, arg-type]
            layer.forward = _LinearOfGroups(weight, layer.bias)  # type: ignore[method-assign, arg-type]
            changed.append(layer)
            packed[i] = None
        try:
            with self._multiplied(packed):
                yield
        finally:
            for layer in changed:
                del layer.forward

    @contextmanager
    def active(self, gates: Tensor, side_by_side: int = 0) -> Iterator[None]:
        """Choose the live adapters of each row: gates [rows, adapters], 0 for off, else the scale.

        The adapters' values are read once, here; gradients flow back to them through what was read. ``side_by_side`` rows at
        most are one product (0: as many as have the same gates), so that none is summed otherwise for the rows around them.
        """
        assert gates.shape[1] == len(self.adapters)
        with self._multiplied(self._pack(_live(gates.detach().cpu() - self._in_weights, self._scaling, side_by_side))):
            yield

    @contextmanager
    def _multiplied(self, packed: list[tuple[Tensor, Tensor] | None] | None) -> Iterator[None]:
        """With these acting on the rows of each layer (see ``_pack``)."""
        before = _LIVE.set({**_LIVE.get(), self: packed})
        try:
            yield
        finally:
            _LIVE.reset(before)

    def _pack(self, live: _Live) -> list[tuple[Tensor, Tensor] | None] | None:
        """For each layer, A [groups, slots x rank, in, ...] and B times its factor [groups, slots x rank, out], rounded as its weights."""
        groups, slots = live.numbers.shape
        if not slots:
            return None
        used, where = live.numbers.unique(return_inverse=True)
        adapters = [self.adapters[n] for n in used.tolist()]
        rank, device = max(a.info.rank for a in adapters), adapters[0].values.device
        stacked = torch.stack([_of_rank(a.values, rank) for a in adapters])
        if where.flatten().tolist() != list(range(len(adapters))):
            stacked = stacked.index_select(0, where.flatten().to(device))
        stacked = stacked.view(groups, slots, rank, -1)
        inner, widths = adapters[0].inner, adapters[0].widths
        downs, ups = stacked.split([sum(widths[: len(inner)]), sum(widths[len(inner) :])], dim=-1)
        ups = ups * live.factors.to(device)[:, :, None, None]
        dtype = next(iter(self.layers.values())).weight.dtype
        downs, ups = downs.to(dtype), ups.to(dtype)  # type: ignore[arg-type]
        return [
            (a.unflatten(-1, shape), b)
            for a, shape, b in zip(
                downs.flatten(1, 2).split(widths[: len(inner)], dim=-1), inner, ups.flatten(1, 2).split(widths[len(inner) :], dim=-1),
                strict=True,
            )
        ]  # fmt: skip

    def _linear(self, i: int):
        def hook(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if (acting := self._acting(i)) is None:
                return output
            a, b = acting
            x = inputs[0]
            low = _beside_another(torch.bmm, x.reshape(len(a), -1, x.shape[-1]), _in_precision_of(x, a).transpose(1, 2))
            return _raised(output, low, b)

        return hook

    def _convolution(self, i: int):
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if (acting := self._acting(i)) is None:
                return output
            assert isinstance(layer, nn.Conv2d)
            a, b = acting
            x = inputs[0]
            low = _lowered(layer, x, _in_precision_of(x, a))
            return _raised(output.permute(0, 2, 3, 1), low.permute(0, 2, 3, 1), b).permute(0, 3, 1, 2)

        return hook


def _in_precision_of(x: Tensor, values: Tensor) -> Tensor:
    """Autocast sees to it by itself."""
    return values if torch.is_autocast_enabled(x.device.type) else values.to(x.dtype)


def _slides(layer: nn.Conv2d) -> bool:
    """True where a convolution looks at every place in turn, or at every so many."""
    return layer.padding == tuple((k - 1) / 2 for k in layer.kernel_size) and layer.padding_mode == "zeros" and layer.dilation == (1, 1)


def _lowered(layer: nn.Conv2d, x: Tensor, a: Tensor) -> Tensor:
    """The convolution of each group's rows with its own A, the way that suits the device and the precision."""
    by_taps = _slides(layer) and (x.device.type != "cpu" or (rounds(x) and layer.stride == (1, 1)))
    return (lowered_by_taps if by_taps else lowered_one_by_one)(layer, x, a)


def lowered_by_taps(layer: nn.Conv2d, x: Tensor, a: Tensor) -> Tensor:
    """The same as ``lowered_one_by_one`` for a layer that ``_slides``, summed in another order: each tap of the kernel is multiplied with
    every place, all groups in one batched product, and what the taps say of a place is added up in float32.

    On a GPU, and on a CPU in bfloat16: every small convolution would be a call of its own. Places that a stride leaves out are computed
    and dropped, which only a GPU does not mind.
    """
    groups, inner, (height, width) = len(a), a.shape[2], x.shape[2:]
    taps = a.flip(3, 4).permute(0, 2, 1, 3, 4).reshape(groups, inner, -1)
    said = torch.bmm(x.permute(0, 2, 3, 1).reshape(groups, -1, inner), taps).view(len(x), height * width, -1).transpose(1, 2)
    everywhere = functional.fold(said.float(), (height, width), layer.kernel_size, padding=layer.padding).to(said.dtype)  # type: ignore[arg-type]
    return everywhere[:, :, :: layer.stride[0], :: layer.stride[1]]


def lowered_one_by_one(layer: nn.Conv2d, x: Tensor, a: Tensor) -> Tensor:
    """x [groups x n, in, h, w] convolved with A [groups, rank, in, kh, kw], each group by itself: [groups x n, rank, h', w'].

    On a CPU in float32: a grouped convolution would sum in another order than a plain one, and gains nothing.
    """
    each = zip(x.chunk(len(a)), a, strict=True)
    return torch.cat([functional.conv2d(rows, down, None, layer.stride, layer.padding, layer.dilation) for rows, down in each])


def _raised(output: Tensor, low: Tensor, b: Tensor) -> Tensor:
    """output [rows, ..., out] and what low [rows, ..., slots x rank] adds by b [groups, slots x rank, out]."""
    own, low = (x.reshape(len(b), -1, x.shape[-1]) for x in (output, low))
    return _beside_another(torch.baddbmm, own, low, b.to(low.dtype)).view(output.shape)


def _beside_another(product: Callable[..., Tensor], *groups: Tensor) -> Tensor:
    """A product for each group; where sums must not depend on what is beside them, a lone group's is computed with a twin.

    A library may part the sums of a lone long product among its threads, and sums otherwise than in a batch of them.
    """
    if len(groups[0]) > 1 or rounds(groups[0]):
        return product(*groups)
    return product(*(each.expand(2, -1, -1) for each in groups))[:1].clone()  # a copy, or the twin would be kept with it


def _live(gates: Tensor, scaling: Tensor, at_most: int) -> _Live:
    """The groups of neighbouring rows with equal gates, all of one length, and what acts on each."""
    starts = (1 + (gates[1:] != gates[:-1]).any(1).nonzero().flatten()).tolist()
    length = math.gcd(len(gates), at_most, *starts)
    factors = (gates * scaling)[::length]
    slots = int((factors != 0).sum(1).max()) if factors.numel() else 0
    numbers = (factors != 0).int().argsort(dim=1, descending=True, stable=True)[:, :slots]
    return _Live(numbers, factors.gather(1, numbers))


def _of_rank(values: Tensor, rank: int) -> Tensor:
    """[rank, width]; a smaller rank is filled up with zeros, which change nothing."""
    return values if len(values) == rank else torch.cat([values, values.new_zeros(rank - len(values), values.shape[1])])
