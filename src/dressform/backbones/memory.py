"""How much memory a training needs, told before it starts: counted on the base model's networks without their weights.

One forward pass is made on the meta device and every tensor is counted that the backward pass would keep; CUDA's autocast and
its fused attention are imitated, because they decide what is kept and in which precision. What is counted was compared with
a CPU's own account of the same pass (tests/test_memory.py). ``ALLOWANCE`` is an assumption: no GPU was at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from dressform.backbones.assembled import Assembled

ALLOWANCE = 1 << 30
"""Bytes for the driver's context, kernels' own room and gaps between allocations. Assumed, not measured."""
_LOWER = {functional.linear, functional.conv2d, torch.matmul, torch.bmm, torch.baddbmm, Tensor.matmul, Tensor.__matmul__}
_UPPER = {functional.layer_norm, functional.group_norm, functional.softmax, functional.mse_loss, Tensor.softmax}


@dataclass(frozen=True)
class Training:
    """What is trained together: ``outfits`` adapters on one frozen identity, ``rows`` pictures of each in a step."""

    height_px: int
    width_px: int
    outfits: int
    rows: int = 1
    rank: int = 8
    targets: str = "attention"


@dataclass(frozen=True)
class Settings:
    """What can be done to make it fit."""

    release_encoders: bool = False
    checkpoint_gradients: bool = False
    small_optimizer: bool = False
    """Moments of 8 bits."""
    offload: bool = False
    """Blocks of the denoiser lie in the machine's memory and come one at a time."""


LADDER = (Settings(), Settings(True), Settings(True, True), Settings(True, True, True), Settings(True, True, True, True))
"""From what costs nothing to what costs most."""


@dataclass(frozen=True)
class Estimate:
    """Bytes in a step of training, by what they are for."""

    denoiser: int
    encoders: int
    adapters: int
    """Their weights, gradients and moments, and the frozen identity."""
    kept: int
    """What the forward pass keeps for the backward pass."""
    working: int
    """What is alive for a moment in the backward pass."""
    allowance: int = ALLOWANCE

    @property
    def total(self) -> int:
        """All of it together."""
        return self.denoiser + self.encoders + self.adapters + self.kept + self.working + self.allowance


def estimate(sketch: Assembled, training: Training, settings: Settings) -> Estimate:
    """What a step would need on a GPU. ``sketch`` comes from ``backbones.sketched``."""
    kept, working = _activations(sketch, training, settings.checkpoint_gradients)
    ranks = training.rank * sum(_widths(layer) for layer in sketch.target_layers(training.targets).values())
    each = 4 + 4 + (2 if settings.small_optimizer else 8)  # float32 weights and gradients, and two moments
    return Estimate(
        denoiser=_at_hand(sketch) if settings.offload else _bytes_of(sketch.denoiser),
        encoders=0 if settings.release_encoders else sum(_bytes_of(part()) for part in sketch.encoders),
        adapters=ranks * (each * training.outfits + 4),
        kept=kept,
        working=working,
    )


class Tally:
    """Bytes of the tensors that a backward pass keeps: each piece of memory once, weights not at all."""

    def __init__(self, weights: Iterator[Tensor]) -> None:
        self._weights = {_place(weight) for weight in weights}
        self._held: dict[int, Tensor] = {}
        self.largest = 0

    @property
    def bytes(self) -> int:
        return sum(tensor.untyped_storage().nbytes() for tensor in self._held.values())

    def keep(self, tensor: Tensor) -> Tensor:
        """Count this tensor."""
        if _place(tensor) not in self._weights:
            self._held[_place(tensor)] = tensor
            self.largest = max(self.largest, tensor.untyped_storage().nbytes())
        return tensor

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is kept for the backward pass inside the with block."""
        with torch.autograd.graph.saved_tensors_hooks(self.keep, lambda tensor: tensor):
            yield


@lru_cache(maxsize=8)
def _activations(sketch: Assembled, training: Training, checkpointing: bool) -> tuple[int, int]:
    """(bytes kept after the forward pass, bytes alive for a moment in the backward pass)."""
    denoiser, n = sketch.denoiser, training.outfits * training.rows
    dtype = next(denoiser.parameters()).dtype
    noisy = torch.empty(n, sketch.latent_channels, training.height_px // sketch.cell_px, training.width_px // sketch.cell_px, device="meta")
    text = torch.empty(n, *sketch.asking.shape, device="meta")
    outer, inner = Tally(denoiser.parameters()), [0]

    def block(layer: Any, *inputs: Any) -> Any:
        for tensor in inputs:
            if isinstance(tensor, Tensor):
                outer.keep(tensor)
        inside = Tally(denoiser.parameters())
        with inside.counting():
            made = layer(*inputs)
        inner[0] = max(inner[0], inside.bytes)
        outer.largest = max(outer.largest, inside.largest)
        return made

    if checkpointing:
        denoiser.enable_gradient_checkpointing(block)
    try:
        ranks = training.rank * (training.outfits + 1)
        with _pairs(sketch.target_layers(training.targets), ranks), outer.counting(), _LikeAGpu(dtype):
            sketch.predict(noisy.to(dtype), torch.empty(n, device="meta", dtype=torch.long), text.to(dtype))
    finally:
        denoiser.disable_gradient_checkpointing()
    return outer.bytes, inner[0] + 3 * outer.largest  # a gradient, its input's gradient, and one in the making


@contextmanager
def _pairs(layers: Mapping[str, nn.Module], ranks: int) -> Iterator[None]:
    """The adapter stack's products, without adapters: one wide pair of matrices at each layer."""
    handles = []

    def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        weight, x = layer.weight, inputs[0]
        assert isinstance(weight, Tensor)
        down = torch.empty(ranks, *weight.shape[1:], device="meta", requires_grad=True)
        up = torch.empty(weight.shape[0], ranks, device="meta", requires_grad=True)
        gates = torch.empty(len(x), ranks, device="meta")
        if isinstance(layer, nn.Conv2d):
            low = functional.conv2d(x, down, None, layer.stride, layer.padding, layer.dilation)  # type: ignore[arg-type]
            return output + functional.conv2d(low * gates[:, :, None, None].to(low.dtype), up[:, :, None, None])
        low = functional.linear(x, down)
        return output + functional.linear(low * gates.view(len(x), *(1,) * (x.dim() - 2), -1).to(low.dtype), up)

    for layer in layers.values():
        handles.append(layer.register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _LikeAGpu(TorchFunctionMode):
    """CUDA's autocast (products in half precision, norms in float32) and its fused attention, where nothing is computed."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
            return _Attention.apply(*(named[name].to(self._dtype) for name in ("query", "key", "value")))
        if self._dtype != torch.float32 and (func in _LOWER or func in _UPPER):
            wanted = self._dtype if func in _LOWER else torch.float32
            args, kwargs = [_cast(a, wanted) for a in args], {k: _cast(v, wanted) for k, v in kwargs.items()}
        return func(*args, **kwargs)


class _Attention(torch.autograd.Function):
    """What fused attention keeps: its three inputs, its output, and one number for each query (Dao et al. 2022)."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise NotImplementedError("nothing is computed here")


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _bytes_of(network: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in network.parameters())


def _at_hand(sketch: Assembled) -> int:
    """What of the denoiser lies on the device when its blocks are away: all but those, and two of them (one goes, one comes)."""
    blocks = [_bytes_of(block) for block in sketch.blocks]
    return _bytes_of(sketch.denoiser) - sum(blocks) + 2 * max(blocks)


def _widths(layer: nn.Module) -> int:
    """Numbers of an adapter of rank 1 at this layer."""
    assert isinstance(layer.weight, Tensor)
    return layer.weight[0].numel() + len(layer.weight)
