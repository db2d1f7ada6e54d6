"""The account of memory, held against a CPU's own account of the same pass; no GPU was at hand for the figures themselves."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from dressform import backbones
from dressform.adapters.stack import Adapter, AdapterStack
from dressform.backbones import memory, single_file, stable_diffusion_xl
from dressform.backbones.folder import read_config
from dressform.backbones.memory import Settings, Tally, Training
from dressform.backbones.precision import Placement
from dressform.backbones.sketch import Sketch
from dressform.records import AdapterInfo

TRAINING = Training(32, 32, outfits=2, rows=2, rank=4)
GIB = 1 << 30


class Live(TorchDispatchMode):
    """The most bytes that were alive at once among the tensors made inside."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor):
                self._meet(tensor.untyped_storage())
        return made

    def _meet(self, storage: Any) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place in self._known:
            return
        self._known.add(place)
        self.now += size
        self.most = max(self.most, self.now)

        def gone() -> None:
            self._known.discard(place)
            self.now -= size

        weakref.finalize(storage, gone)


def stepped(base: Any, training: Training) -> tuple[AdapterStack, tuple[torch.Tensor, ...]]:
    """Adapters that are trained, a frozen identity, and one step's inputs."""
    layers = base.target_layers(training.targets)
    info = AdapterInfo("outfit", "o", "o", training.rank, 1.0, training.targets, base.sha256)
    adapters = [Adapter(info, layers, i) for i in range(training.outfits + 1)]
    adapters[-1].requires_grad_(False)
    n = training.outfits * training.rows
    noisy = torch.randn(n, base.latent_channels, training.height_px // base.cell_px, training.width_px // base.cell_px)
    text = torch.randn(n, *base.asking.shape)
    text[..., -1] = 1  # where the last column says which tokens are real, all are
    return AdapterStack(layers, adapters), (noisy, torch.full((n,), 500), text)


def with_fused_attention(base: Any) -> Any:
    """A GPU's attention; on a CPU the backbones choose another."""
    from diffusers.models.attention_processor import AttnProcessor2_0

    if hasattr(base.denoiser, "set_attn_processor"):
        base.denoiser.set_attn_processor(AttnProcessor2_0())
    return base


def test_what_is_counted_without_weights_is_what_a_pass_with_weights_keeps(family_folder: Path) -> None:
    base = with_fused_attention(backbones.load(family_folder, "cpu"))
    base.autocast = lambda: torch.autocast("cpu", enabled=False)
    stack, inputs = stepped(base, TRAINING)
    tally = Tally(base.denoiser.parameters())
    with stack.attached(), stack.active(torch.ones(len(inputs[0]), 3)), tally.counting():
        base.predict(*inputs)
    counted = memory.estimate(backbones.sketched(family_folder, half=False), TRAINING, Settings())
    assert counted.kept == pytest.approx(tally.bytes, rel=0.1)
    assert counted.denoiser == sum(p.numel() * 4 for p in base.denoiser.parameters())
    assert counted.adapters == sum(p.numel() for p in stack.adapters[0].parameters()) * (2 * 16 + 4)


def test_on_a_cpu_its_own_attention_is_counted(family_folder: Path) -> None:
    """Where a UNet keeps every score, and nothing is in half precision."""
    base: Any = backbones.load(family_folder, "cpu")
    base.autocast = lambda: torch.autocast("cpu", enabled=False)
    stack, inputs = stepped(base, TRAINING)
    tally = Tally(base.denoiser.parameters())
    with stack.attached(), stack.active(torch.ones(len(inputs[0]), 3)), tally.counting():
        base.predict(*inputs)
    counted = memory.estimate(backbones.sketched_for(family_folder, torch.device("cpu")), TRAINING, Settings())
    assert counted.kept == pytest.approx(tally.bytes, rel=0.1)
    fused = memory.estimate(backbones.sketched(family_folder, half=False), TRAINING, Settings())
    assert counted.kept > 1.02 * fused.kept or family_folder.name == "tiny_flow"


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_step_takes_about_the_memory_that_was_told(tiny_sdxl_base: Path, checkpointing: bool) -> None:
    base = with_fused_attention(backbones.load(tiny_sdxl_base, "cpu"))
    base.autocast = lambda: torch.autocast("cpu", enabled=False)
    base.checkpoint_gradients(checkpointing)
    stack, inputs = stepped(base, TRAINING)
    with stack.attached(), Live() as live:
        with stack.active(torch.ones(len(inputs[0]), 3)):
            loss = base.predict(*inputs).square().mean()
        loss.backward()
    told = memory.estimate(backbones.sketched(tiny_sdxl_base, half=False), TRAINING, Settings(checkpoint_gradients=checkpointing))
    gradients = sum(p.numel() * 4 for a in stack.adapters[:-1] for p in a.parameters())
    assert 0.6 < (told.kept + told.working + gradients) / live.most < 1.7


@pytest.fixture(scope="session")
def tiny_sdxl_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests import tiny_sdxl

    return tiny_sdxl.write(tmp_path_factory.mktemp("base") / "tiny_sdxl")


def test_each_setting_saves_what_it_says(tiny_sdxl_base: Path) -> None:
    sketch = backbones.sketched(tiny_sdxl_base)
    plain, released, recomputed, small, away = (memory.estimate(sketch, TRAINING, settings) for settings in memory.LADDER)
    assert released.encoders == 0 < plain.encoders and released.kept == plain.kept
    assert recomputed.kept < 0.7 * released.kept and small.adapters < recomputed.adapters
    assert plain.total > released.total > recomputed.total > small.total > away.total
    sizes = [memory._bytes_of(block) for block in sketch.blocks]
    assert small.denoiser - away.denoiser == sum(sizes) - 2 * max(sizes) and small.kept == away.kept


def test_more_outfits_and_larger_pictures_need_more(tiny_sdxl_base: Path) -> None:
    sketch = backbones.sketched(tiny_sdxl_base)

    def kept(training: Training) -> int:
        return memory.estimate(sketch, training, Settings()).kept

    first = kept(TRAINING)
    assert kept(Training(32, 32, 4, 2, 4)) > 1.8 * first and kept(Training(64, 32, 2, 2, 4)) > 1.4 * first
    assert kept(Training(64, 32, 2, 2, 4)) == kept(Training(32, 64, 2, 2, 4))


def test_autocast_is_imitated() -> None:
    x, weight = torch.empty(2, 3, 4, device="meta"), torch.empty(5, 4, device="meta")
    with memory._LikeAGpu(torch.bfloat16):
        assert functional.linear(x, weight).dtype == torch.bfloat16
        assert functional.layer_norm(x.bfloat16(), (4,)).dtype == torch.float32
        assert functional.scaled_dot_product_attention(x, x, x).dtype == torch.bfloat16


class Shipped:
    """The full size of a family, from the configurations that a single file is read with."""

    sha256 = ""

    def __init__(self, family: str) -> None:
        self._folder = single_file.shipped() / family

    def config(self, part: str) -> dict[str, Any]:
        return read_config(self._folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json"))


@pytest.mark.recipe
def test_four_outfits_of_the_large_family_fit_a_card_of_12_gib() -> None:
    source: Any = Shipped("stable_diffusion_xl")
    sketch = stable_diffusion_xl.build(Sketch(source), Placement(torch.device("meta"), torch.bfloat16))
    told = memory.estimate(sketch, Training(1024, 1024, outfits=4, rank=8), Settings(True, True))
    encoders = sum(memory._bytes_of(part()) for part in sketch.encoders)
    assert (told.denoiser / GIB, encoders / GIB) == pytest.approx((4.78, 1.83), abs=0.1)
    assert told.encoders == 0 and told.total <= 12 * GIB
