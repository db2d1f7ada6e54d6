from __future__ import annotations

import pytest
import torch

from dressform.adapters.stack import Adapter
from dressform.errors import BadInput
from dressform.records import AdapterInfo
from dressform.train import checkpoint
from dressform.train.config import TrainConfig
from dressform.train.data import TrainingSet, encode, garment_cells, rows_at, time_of
from dressform.train.loop import Job, Saved, train
from dressform.train.objective import area_mean
from dressform.train.objectives.dressed import identity_from_dressed, masked_identity_loss
from dressform.train.objectives.outfit import outfit_loss, outfit_on_identity
from dressform.train.objectives.plain import plain

CONFIG = TrainConfig(steps=6, rows=2, rank=2, alpha=2.0, learning_rate=5e-3)


@pytest.fixture
def in_float32(tiny_backbone, monkeypatch: pytest.MonkeyPatch):
    """The tiny backbone without autocast."""
    monkeypatch.setattr(tiny_backbone, "autocast", lambda: torch.autocast("cpu", enabled=False))
    return tiny_backbone


def pictures(backbone, seed: int) -> TrainingSet:
    generator = torch.Generator().manual_seed(seed)
    stack = torch.randint(0, 255, (3, 3, 32, 32), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(3, 32, 32, dtype=torch.bool)
    masks[:, 8:16, 8:16] = True
    return encode(backbone, tuple(f"{seed}-{i}" for i in range(3)), stack, [f"word{seed}, front view"] * 3, masks)


def adapter(backbone, name: str, seed: int) -> Adapter:
    info = AdapterInfo("outfit", name, name, CONFIG.rank, CONFIG.alpha, CONFIG.targets, backbone.sha256)
    return Adapter(info, backbone.target_layers(CONFIG.targets), seed)


def values(one: Adapter) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in one.parameters()])


def test_an_area_mean_is_divided_by_its_own_area() -> None:
    error = torch.full((2, 3, 4, 4), 2.0)
    small, large = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    small[..., 0, 0] = 1
    assert area_mean(error, torch.cat([small, large])).tolist() == [2.0, 2.0]
    assert area_mean(error, torch.zeros(2, 1, 4, 4)).tolist() == [0.0, 0.0]


def test_the_outfit_loss_looks_at_the_target_inside_and_at_the_identity_outside() -> None:
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 0, 0] = 1
    zeros, ones = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert outfit_loss(zeros, zeros, ones, mask, 1.0).item() == 1.0
    assert outfit_loss(zeros, ones, zeros, mask, 0.5).item() == 0.5
    assert outfit_loss(zeros, zeros, ones * mask, 1 - mask, 1.0).item() == 0.0


def test_the_dressed_identity_learns_outside_the_mask_and_holds_to_the_anchor_inside() -> None:
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 0, 0] = 1
    zeros, ones = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert masked_identity_loss(zeros, zeros, ones * mask, mask, 1.0).item() == 0.0, "garment pixels taught the identity"
    assert masked_identity_loss(zeros, zeros, ones * (1 - mask), mask, 1.0).item() == 1.0
    assert masked_identity_loss(zeros, ones * mask, zeros, mask, 0.5).item() == 0.5
    assert masked_identity_loss(zeros, ones * (1 - mask), zeros, mask, 0.5).item() == 0.0


def test_the_identity_from_dressed_pictures_asks_the_base_model_in_other_words(in_float32) -> None:
    data = pictures(in_float32, 1)
    asked: list[torch.Tensor | None] = []

    def predict(frozen: bool, own: bool, text: torch.Tensor | None = None) -> torch.Tensor:
        asked.append(text)
        return torch.zeros(2, 4, 8, 8, requires_grad=own)

    rows = rows_at(data, data.text[:1], 0, 0, 2, 0.0)
    identity_from_dressed(1.0)(predict, rows, torch.zeros(2, 4, 8, 8))
    assert asked[0] is rows.anchor and asked[1] is None


def test_the_identity_alone_carries_no_gradient() -> None:
    alone = torch.ones(1, 1, 2, 2, requires_grad=True)
    both = torch.zeros(1, 1, 2, 2, requires_grad=True)
    outfit_loss(both, alone, both.detach(), torch.zeros(1, 1, 2, 2), 1.0).sum().backward()
    assert alone.grad is None and both.grad is not None


def test_masks_are_brought_to_latent_cells_and_dilated_by_one() -> None:
    mask = torch.zeros(1, 32, 32, dtype=torch.bool)
    mask[0, 13, 13] = True
    cells = garment_cells(mask, 4)[0, 0]
    assert cells.shape == (8, 8) and cells.sum() == 9 and cells[2:5, 2:5].all()


def test_a_wardrobe_trained_together_is_the_wardrobe_trained_one_by_one(in_float32) -> None:
    backbone = in_float32
    sets = [pictures(backbone, seed) for seed in (1, 2, 3)]
    frozen = adapter(backbone, "who", 9)
    for up in frozen.up:
        up.data.normal_(generator=torch.Generator().manual_seed(9)).mul_(0.1)
    together = [adapter(backbone, f"o{i}", i) for i in range(3)]
    alone = [adapter(backbone, f"o{i}", i) for i in range(3)]
    before = values(frozen)
    losses: list[dict[str, float]] = []
    jobs = [Job(a, s) for a, s in zip(together, sets, strict=True)]
    train(backbone, jobs, outfit_on_identity(1.0), CONFIG, frozen, on_step=lambda e: losses.append(e.losses))
    for i, one in enumerate(alone):
        single: list[float] = []
        train(
            backbone, [Job(one, sets[i])], outfit_on_identity(1.0), CONFIG, frozen,
            on_step=lambda e, i=i, single=single: single.append(e.losses[f"o{i}"]),
        )  # fmt: skip
        assert [x[f"o{i}"] for x in losses] == pytest.approx(single, rel=1e-5)
        torch.testing.assert_close(values(together[i]), values(one), rtol=1e-4, atol=1e-4)
    assert torch.equal(values(frozen), before), "training an outfit changed the identity"


def test_a_stopped_training_goes_on_exactly(in_float32) -> None:
    backbone = in_float32
    data = pictures(backbone, 1)
    whole, broken = adapter(backbone, "w", 1), adapter(backbone, "w", 1)
    train(backbone, [Job(whole, data)], plain, CONFIG)
    kept: list[bytes] = []
    saved = Saved(lambda: kept[-1] if kept else None, kept.append, checkpoint.fingerprint(CONFIG, "", "", [data]))

    def stop(event) -> None:
        if event.step == 3 and len(kept) == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(backbone, [Job(broken, data)], plain, CONFIG, saved=saved, on_step=stop)
    again = adapter(backbone, "w", 7)
    train(backbone, [Job(again, data)], plain, CONFIG, saved=saved)
    assert len(kept) == 1 and torch.equal(values(again), values(whole))


def test_a_changed_data_set_does_not_resume(in_float32) -> None:
    backbone = in_float32
    one, other = pictures(backbone, 1), pictures(backbone, 2)
    new = adapter(backbone, "w", 1)
    optimizer = torch.optim.AdamW(new.parameters())
    values_before = values(new)
    state = checkpoint.to_bytes(3, checkpoint.fingerprint(CONFIG, "", "", [one]), [new], [optimizer])
    with pytest.raises(BadInput, match="--restart"):
        checkpoint.restore(state, checkpoint.fingerprint(CONFIG, "", "", [other]), [new], [optimizer])
    assert torch.equal(values(new), values_before)


def test_time_steps_cover_everything_and_half_of_them_the_noisiest_fifth() -> None:
    even, noisy = [time_of(i / 1000, 0.0) for i in range(1000)], [time_of(i / 1000, 0.5) for i in range(1000)]
    assert even == list(range(1000))
    assert min(noisy) == 0 and max(noisy) == 999 and sum(t >= 800 for t in noisy) == 600


def test_training_lowers_the_loss(in_float32) -> None:
    losses: list[float] = []
    config = TrainConfig(steps=40, rows=4, rank=4, alpha=4.0, learning_rate=1e-2, targets="all")
    info = AdapterInfo("identity", "w", "w", 4, 4.0, "all", in_float32.sha256)
    new = Adapter(info, in_float32.target_layers("all"), 0)
    train(in_float32, [Job(new, pictures(in_float32, 1))], plain, config, on_step=lambda e: losses.append(e.losses["w"]))
    assert sum(losses[-8:]) < 0.97 * sum(losses[:8])
