"""Blocks that lie elsewhere: the same predictions and gradients, and never more than two of them on the device."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dressform import backbones
from dressform.adapters.stack import Adapter, AdapterStack
from dressform.backbones import offload
from dressform.backbones.offload import Offload
from dressform.records import AdapterInfo


@pytest.fixture
def base(family_folder: Path) -> Iterator[Any]:
    """The backbone of each family, in float32."""
    found: Any = backbones.load(family_folder, "cpu")
    found.autocast = lambda: torch.autocast("cpu", enabled=False)
    yield found


def filled(base: Any) -> Adapter:
    """An adapter on every layer that does something."""
    layers = base.target_layers("all")
    made = Adapter(AdapterInfo("outfit", "o", "o", 2, 1.0, "all", base.sha256), layers, 1)
    for up in made.up:
        up.data.normal_(std=0.1, generator=torch.Generator().manual_seed(up.numel()))
    return made


def learned(base: Any, recompute: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """A prediction and the gradients of an adapter, with the choice of adapters over by the time of the backward pass."""
    base.checkpoint_gradients(recompute)
    draw = torch.Generator().manual_seed(0)
    noisy, t, text = torch.randn(2, 4, 8, 8, generator=draw), torch.tensor([20, 700]), base.encode_text(["red dress", "side view"])
    one = filled(base)
    with AdapterStack(base.target_layers("all"), [one]).attached() as stack:
        with stack.active(torch.ones(2, 1)):
            said = base.predict(noisy, t, text)
        said.square().sum().backward()
    assert one.values.grad is not None
    return said.detach(), [g for matrices in one.parts(one.values.grad) for g in matrices if g.any()]


def tensors(network: torch.nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]


@pytest.mark.parametrize("recompute", [True, False])
def test_the_gradients_are_the_same(base: Any, recompute: bool) -> None:
    here = learned(base, recompute)
    assert base.offload(True) is False
    away = learned(base, recompute)
    assert base.offload(False) is True
    back = learned(base, recompute)
    assert len(here[1]) > 50 and torch.equal(here[0], away[0]) and torch.equal(here[0], back[0])
    for a, b, c in zip(here[1], away[1], back[1], strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)


class Copies:
    """The bytes of the copies that are alive at once, and of all that were made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.most = self.all = 0
        real = offload._copied

        def counted(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
            made, size = real(tensor, device), tensor.numel() * tensor.element_size()
            self.now += size
            self.all += size
            self.most = max(self.most, self.now)
            weakref.finalize(made.untyped_storage(), self._gone, size)
            return made

        monkeypatch.setattr(offload, "_copied", counted)

    def _gone(self, size: int) -> None:
        self.now -= size


def test_two_blocks_are_there_at_the_most(base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    base.offload(True)
    sizes = [sum(t.numel() * t.element_size() for t in tensors(block)) for block in base.blocks]
    copies = Copies(monkeypatch)
    with torch.no_grad():
        base.predict(torch.zeros(1, 4, 8, 8), torch.tensor([5]), base.encode_text(["red"]))
    assert copies.all == sum(sizes) and copies.most <= 2 * max(sizes) and copies.now == 0
    learned(base, recompute=True)
    assert copies.all > 2.5 * sum(sizes) and copies.now == 0
    assert copies.most <= max(2 * max(sizes), max(sizes) + kept_outside(base))


def kept_outside(base: Any) -> int:
    """Bytes of the blocks that gradient checkpointing leaves out: diffusers keeps what the first of a middle block needs."""
    left = [block for name, block in base.denoiser.named_modules() if name == "mid_block.resnets.0"]
    return sum(t.numel() * t.element_size() for block in left for t in tensors(block))


def test_the_blocks_are_those_that_are_computed_again(base: Any) -> None:
    seen: list[torch.nn.Module] = []

    def note(block: torch.nn.Module, *inputs: Any) -> Any:
        seen.append(block)
        return block(*inputs)

    base.denoiser.enable_gradient_checkpointing(note)
    base.predict(torch.zeros(1, 4, 8, 8, requires_grad=True), torch.tensor([5]), base.encode_text(["red"]))
    first_of_the_middle = dict(base.denoiser.named_modules()).get("mid_block.resnets.0")
    assert {id(b) for b in base.blocks} == {id(b) for b in (*seen, first_of_the_middle) if b is not None}


def test_what_is_put_away_comes_for_its_pass_alone_and_is_brought_back() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2)))
    before, places = dict(network[1].named_parameters()), []
    network[1].register_forward_hook(lambda block, _inputs, _output: places.append({t.device.type for t in tensors(block)}))
    away = Offload(network, [network[1]], torch.device("meta"))
    network[0].to("meta")
    away.put_away()
    network(torch.empty(3, 2, device="meta"))
    assert places == [{"meta"}] and all(t.device.type == "cpu" for t in tensors(network[1]))
    assert all(p is before[name] for name, p in network[1].named_parameters())
    away.bring_back()
    assert all(t.is_meta for t in tensors(network)) and not network[1]._forward_pre_hooks
    assert len(network[1]._forward_hooks) == 1


def test_a_block_that_fails_goes_home_too() -> None:
    block = torch.nn.Linear(2, 2)
    home = block.weight
    Offload(block, [block], torch.device("cpu")).put_away()
    with pytest.raises(RuntimeError, match="shapes"):
        block(torch.ones(1, 3))
    assert block.weight is home


def test_a_denoiser_that_is_away_never_comes_whole(family_folder: Path) -> None:
    base: Any = backbones.load(family_folder, "cpu")
    base.offload(True)
    part = base._parts.denoiser
    part._device = torch.device("meta")
    network = part()
    inside = {id(t) for block in base.blocks for t in tensors(block)}
    assert {t.device.type for t in tensors(network) if id(t) in inside} == {"cpu"}
    assert all(t.is_meta for t in tensors(network) if id(t) not in inside)
    part.release()
    base.offload(False)
    assert all(t.is_meta for t in tensors(part()))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_learns_the_same_with_blocks_away(family_folder: Path) -> None:
    base: Any = backbones.load(family_folder, "cuda")
    base.autocast = lambda: torch.autocast("cuda", enabled=False)
    base.denoiser.float()
    base.checkpoint_gradients(True)

    def gradients() -> list[torch.Tensor]:
        one = filled(base).cuda()
        draw = torch.Generator().manual_seed(0)
        noisy, t, text = torch.randn(2, 4, 8, 8, generator=draw).cuda(), torch.tensor([20, 700]).cuda(), base.encode_text(["red", "blue"])
        with AdapterStack(base.target_layers("all"), [one]).attached() as stack:
            with stack.active(torch.ones(2, 1)):
                said = base.predict(noisy, t, text)
            said.square().sum().backward()
        assert one.values.grad is not None
        return [one.values.grad]

    here = gradients()
    base.offload(True)
    assert all(t.is_pinned() for block in base.blocks for t in tensors(block))
    for a, b in zip(here, gradients(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
