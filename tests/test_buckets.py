"""Pictures of different aspect: each in the size nearest to its shape, batches of one size, and what XL is told of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dressform import backbones
from dressform.adapters.stack import Adapter
from dressform.pictures import buckets, intake
from dressform.records import AdapterInfo
from dressform.store import MemoryStore
from dressform.train import passes
from dressform.train.cache import Cache, CachedSet, Source
from dressform.train.checkpoint import Mark
from dressform.train.config import TrainConfig
from dressform.train.data import Shares, rows_at
from dressform.train.events import StepDone
from dressform.train.loop import Job, Saved, train
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.objectives.plain import plain
from tests import tiny, tiny_flow, tiny_sdxl

CONFIG = TrainConfig(steps=3, rows=4, rank=2, alpha=2.0, warmup_steps=1)
SHAPES = ((64, 64), (96, 48), (48, 96), (66, 64), (40, 90))


# sizes ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("side", "multiple", "step"), [(1024, 32, 64), (1024, 16, 64), (512, 64, 64), (32, 8, 8)])
def test_buckets_are_multiples_of_about_one_area(side: int, multiple: int, step: int) -> None:
    found = buckets.sizes(side, multiple)
    assert (side, side) in found and len(set(found)) == len(found) >= 9
    for height, width in found:
        assert height % step == width % step == 0 and (width, height) in found
        assert side * side - step * max(height, width) < height * width <= side * side and max(height, width) <= 2 * side


def test_those_of_xl_are_the_sizes_it_was_trained_on() -> None:
    """Podell et al. 2023, appendix I: the ones of at most 1024 x 1024 that are no longer than 2048."""
    paper = {(1024, 1024), (1024, 960), (1088, 960), (1088, 896), (1152, 896), (1152, 832), (1216, 832), (1280, 768), (1344, 768),
             (1344, 704), (1408, 704), (1472, 704), (1536, 640), (1600, 640), (1664, 576), (1728, 576), (1792, 576), (1856, 512),
             (1920, 512), (1984, 512), (2048, 512)}  # fmt: skip
    ours = {(height, width) for height, width in buckets.sizes(1024, 32) if height >= width}
    assert len(ours) == 17 and ours <= paper


@pytest.mark.parametrize(
    ("size", "wanted"), [((3000, 3000), (1024, 1024)), ((1216, 832), (1216, 832)), ((832, 1216), (832, 1216)), ((4000, 400), (2048, 512))]
)
def test_the_nearest_bucket(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert buckets.nearest(size, buckets.sizes(1024, 32)) == wanted


def test_a_picture_is_cropped_evenly_and_its_mask_with_it() -> None:
    pixels, mask = np.zeros((100, 60, 3), dtype=np.uint8), np.zeros((100, 60), dtype=bool)
    pixels[40:60], mask[40:60] = 255, True
    small, cells = buckets.fitted(pixels, (40, 24)), buckets.fitted_mask(mask, (40, 24))
    assert small.shape == (40, 24, 3) and cells.shape == (40, 24) and np.array_equal(cells, small[..., 0] > 127)
    assert buckets.frame((100, 60), (40, 24)) == (100, 60, 0, 0, 40, 24)
    assert buckets.frame((100, 60), (32, 32)) == (100, 60, 10, 0, 32, 32)
    assert np.flatnonzero(buckets.fitted(pixels, (32, 32))[:, 0, 0] > 127).tolist() == list(range(11, 22))  # rows 21.2 to 31.8 of 53


# what the cache makes of them -------------------------------------------------------------------------------------------
def sources(store: MemoryStore, name: str) -> list[Source]:
    made = []
    for i, (height, width) in enumerate(SHAPES):
        rng, mask = np.random.default_rng(i), np.zeros((height, width), dtype=bool)
        mask[height // 4 : height // 2] = True
        store.write(f"pictures/{name}{i}.png", intake.png(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)))
        store.write(f"pictures/{name}{i}.mask.png", intake.png(mask))
        said = f"{name}, view {i % 2}"
        made.append(Source(f"{name}{i}", f"pictures/{name}{i}.png", f"pictures/{name}{i}.mask.png", said, said))
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny XL, working in float32."""
    found: Any = backbones.load(tiny_sdxl.write(tmp_path_factory.mktemp("base") / "tiny_sdxl"), "cpu")
    found.autocast = lambda: torch.autocast("cpu", enabled=False)
    return found


def given(base: Any, name: str = "aoi") -> CachedSet:
    store = MemoryStore()
    return Cache(store, base).examples(sources(store, name))


def test_each_picture_is_encoded_in_its_bucket_with_its_frame(base: Any) -> None:
    found = given(base)
    frames = [found.at(i).frame.tolist() for i in range(len(SHAPES))]
    assert [tuple(f[:2]) for f in frames] == list(SHAPES)
    assert [tuple(found.at(i).latents.shape[1:]) for i in range(len(SHAPES))] == [(int(h) // 4, int(w) // 4) for *_, h, w in frames]
    assert [found.at(i).latents.shape[1] > found.at(i).latents.shape[2] for i in range(3)] == [False, True, False]
    assert all(found.at(i).mask.shape[1:] == found.at(i).latents.shape[1:] and found.at(i).mask.any() for i in range(len(SHAPES)))


def test_a_base_model_of_one_size_gets_the_whole_picture_in_a_square(tiny_backbone) -> None:
    found = given(tiny_backbone)
    assert tiny_backbone.square
    assert all(found.at(i).latents.shape == (4, 8, 8) and not found.at(i).frame.any() for i in range(len(SHAPES)))


# what XL is told --------------------------------------------------------------------------------------------------------
def test_time_ids_are_the_frame_of_each_row(base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[torch.Tensor] = []
    text, noisy, t = base.encode_text(["a", "b", "c"]), torch.randn(3, 4, 12, 5), torch.tensor([1, 2, 3])
    frames = torch.tensor([[96.0, 48, 3, 1, 48, 20], [0] * 6, [40, 90, 0, 7, 48, 20]])
    before = base.predict(noisy, t, text)
    hook = base.denoiser.register_forward_pre_hook(lambda _m, _a, kw: told.append(kw["added_cond_kwargs"]["time_ids"]), with_kwargs=True)
    try:
        after = base.predict(noisy, t, base.framed(text, frames))
    finally:
        hook.remove()
    assert told[0].tolist() == [[96, 48, 3, 1, 48, 20], [48, 20, 0, 0, 48, 20], [40, 90, 0, 7, 48, 20]]
    assert torch.equal(after[1], before[1]) and not torch.allclose(after[0], before[0])


# batches ----------------------------------------------------------------------------------------------------------------
def adapter(base: Any, name: str, seed: int = 0) -> Adapter:
    info = AdapterInfo("outfit", name, name, CONFIG.rank, CONFIG.alpha, "attention", base.sha256)
    return Adapter(info, base.target_layers("attention"), seed)


def test_a_pass_holds_one_size_and_every_row_is_in_one(base: Any) -> None:
    data, empty = given(base), base.encode_text([""])
    parts = [rows_at(data, empty, seed, 0, 4) for seed in (0, 1)]
    assert sum(len(rows.t) for rows in parts[0]) == 4 and len(parts[0]) > 1
    seen = list(passes._passes(parts, 0))
    shapes = [{tuple(rows.latents.shape[1:]) for _, rows in batch} for batch in seen]
    assert all(len(s) == 1 for s in shapes) and len({s.pop() for s in shapes}) == len(seen)
    assert sum(len(rows.t) for batch in seen for _, rows in batch) == 8
    order = [[batch[0][1].latents.shape[1:] for batch in passes._passes(some, 0)] for some in (parts, parts[::-1])]
    assert order[0] == order[1], "gradients are summed in the same order whoever learns beside"


@pytest.mark.parametrize("micro_rows", [0, 1])
def test_the_gradient_is_that_of_the_rows_one_by_one(base: Any, micro_rows: int) -> None:
    data, empty = given(base), base.encode_text([""])
    grads: list[torch.Tensor] = []
    for one_by_one in (False, True):
        learning = adapter(base, "coat", 1)
        for up in learning.up:
            up.data.normal_(std=0.1, generator=torch.Generator().manual_seed(up.numel()))
        rows = rows_at(data, empty, 0, 0, 4, Shares(0.3))
        with passes.attached(base, [learning], adapter(base, "aoi", 2), outfit_on_identity(1.0), CONFIG) as through:
            if one_by_one:
                singles = [passes._slice(some, i, i + 1) for some in rows for i in range(len(some.t))]
                (sum(through._losses([(0, one)])[0].sum() for one in singles) / 4).backward()  # type: ignore[union-attr]
            else:
                through.learn([rows], micro_rows)
        grads.append(torch.cat([p.grad.flatten() for p in learning.parameters() if p.grad is not None]))
    assert grads[1].norm() > 0 and (grads[0] - grads[1]).norm() < 1e-5 * grads[1].norm()


def test_adapters_that_train_together_are_those_that_train_alone(base: Any) -> None:
    """Their pictures differ in shape at every step, so each is often alone in a pass."""

    def trained(names: tuple[str, ...]) -> dict[str, Adapter]:
        made = {name: adapter(base, name, seed=len(name)) for name in names}
        train(base, [Job(one, given(base, name)) for name, one in made.items()], plain, CONFIG)
        return made

    together = trained(("coat", "swimsuit"))
    for name, one in together.items():
        (alone,) = trained((name,)).values()
        assert any(up.any() for up in one.up)
        for ours, theirs in zip(one.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_stopped_training_goes_on_exactly(base: Any) -> None:
    kept: list[Sequence[bytes]] = []
    marks = [Mark("pictures", "recipe", "base", "")]
    saved = Saved(lambda: kept[-1] if kept else None, lambda _step, states: kept.append(states), marks)

    def stop(event: StepDone) -> None:
        if event.step == 2:
            raise KeyboardInterrupt

    whole, stopped = adapter(base, "coat"), adapter(base, "coat")
    train(base, [Job(whole, given(base))], plain, CONFIG)
    with pytest.raises(KeyboardInterrupt):
        train(base, [Job(stopped, given(base))], plain, CONFIG, None, saved, stop)
    again = adapter(base, "coat", seed=5)
    train(base, [Job(again, given(base))], plain, CONFIG, None, saved)
    assert kept and all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_every_family_but_the_embedded_model_takes_other_shapes(base: Any, tiny_backbone, tmp_path: Path) -> None:
    folder = tiny.write(tmp_path / "sd1")
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"cross_attention_dim": 768}))
    sd1, flow = backbones.load(folder), backbones.load(tiny_flow.write(tmp_path / "flow"))
    assert sd1.architecture == "stable-diffusion-v1"
    assert [one.square for one in (tiny_backbone, sd1, base, flow)] == [True, False, False, False]
    text = torch.ones(1, 3, 8)
    assert all(one.framed(text, torch.ones(1, 6)) is text for one in (tiny_backbone, sd1, flow))
