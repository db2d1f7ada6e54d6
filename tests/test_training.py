from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from dressform.adapters.stack import Adapter
from dressform.errors import BadInput, Failed, NotReady
from dressform.records import AdapterInfo
from dressform.train import checkpoint
from dressform.train.config import TrainConfig
from dressform.train.data import HELD_OUT_ROWS, Named, Shares, TrainingSet, apart, encode, garment_cells, held_out_rows, rows_at, time_of
from dressform.train.events import StepDone
from dressform.train.learner import Learner
from dressform.train.loop import Job, Previews, Saved, lr_at, train
from dressform.train.objective import area_mean
from dressform.train.objectives.identity import anchored_identity, identity_loss
from dressform.train.objectives.outfit import outfit_loss, outfit_on_identity
from dressform.train.objectives.plain import plain
from dressform.train.passes import attached

CONFIG = TrainConfig(steps=6, rows=2, rank=2, alpha=2.0, learning_rate=5e-3)


@pytest.fixture
def in_float32(tiny_backbone, monkeypatch: pytest.MonkeyPatch):
    """The tiny backbone without autocast."""
    monkeypatch.setattr(tiny_backbone, "autocast", lambda: torch.autocast("cpu", enabled=False))
    return tiny_backbone


def pictures(backbone, seed: int, count: int = 3) -> TrainingSet:
    generator = torch.Generator().manual_seed(seed)
    stack = torch.randint(0, 255, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(count, 32, 32, dtype=torch.bool)
    masks[:, 8:16, 8:16] = True
    return encode(backbone, tuple(f"{seed}-{i}" for i in range(count)), stack, [f"word{seed}, front view"] * count, masks)


def named(backbone) -> TrainingSet:
    """Pictures that are also called by a garment that they do not show."""
    captions = [f"word1, green coat, {i}" for i in range(3)], [f"a doll, green coat, {i}" for i in range(3)]
    given = pictures(backbone, 1)
    return replace(given, named=Named(*(torch.cat([backbone.encode_text([said]) for said in some]) for some in captions)))


def adapter(backbone, name: str, seed: int, targets: str = CONFIG.targets) -> Adapter:
    info = AdapterInfo("outfit", name, name, CONFIG.rank, CONFIG.alpha, targets, backbone.sha256)
    return Adapter(info, backbone.target_layers(targets), seed)


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


def test_the_identity_learns_outside_the_mask_and_holds_to_the_anchor_inside() -> None:
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 0, 0] = 1
    zeros, ones = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert identity_loss(zeros, zeros, zeros, ones * mask, mask, 1.0).item() == 0.0, "garment pixels taught the identity"
    assert identity_loss(zeros, zeros, zeros, ones * (1 - mask), mask, 1.0).item() == 1.0
    assert identity_loss(zeros, ones * mask, zeros, zeros, mask, 0.5).item() == 0.5
    assert identity_loss(zeros, ones * (1 - mask), zeros, zeros, mask, 0.5).item() == 0.0


def test_what_the_words_for_a_garment_change_is_learned_beside_who_she_is() -> None:
    """Inside the mask on top of the anchor, outside it on top of what the picture shows: 3 = 1 + 2 in both."""
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 0, 0] = 1
    ones = torch.ones(1, 1, 2, 2)
    assert identity_loss(3 * ones, ones * mask, 2 * ones, ones * (1 - mask), mask, 1.0).item() == 0.0
    assert identity_loss(ones, ones, 2 * ones, ones, mask, 0.5).item() == 4 + 0.5 * 4


def test_the_identity_asks_the_base_model_in_other_words_where_she_is_dressed(in_float32) -> None:
    data = pictures(in_float32, 1)
    data.masks[:] = 0
    (rows,) = rows_at(data, data.text[:1], 0, 0, 2)
    dressed = replace(rows, masks=torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)]))
    for given, held in ((rows, []), (dressed, [1])):
        asked: list[tuple[torch.Tensor | None, list[int] | None]] = []

        def predict(frozen: bool, own: bool, text=None, at=None, asked=asked) -> torch.Tensor:
            asked.append((text, None if at is None else at.tolist()))
            return torch.zeros(2 if at is None else len(at), 4, 8, 8, requires_grad=own)

        anchored_identity(1.0)(predict, given, torch.zeros(2, 4, 8, 8))
        assert asked == [*([(rows.anchor, held)] if held else []), (None, None)]


def test_a_named_garment_is_asked_of_the_base_model_with_and_without_it(in_float32) -> None:
    data = named(in_float32)
    data.masks[:] = 0
    (rows,) = rows_at(data, data.text[:1], 0, 0, 2)
    given = replace(rows, named=torch.stack([rows.anchor[0], data.named.anchor[0]]))
    asked: list[tuple[torch.Tensor | None, list[int] | None]] = []

    def predict(frozen: bool, own: bool, text=None, at=None) -> torch.Tensor:
        asked.append((text, None if at is None else at.tolist()))
        said = {id(given.named): 5.0, id(given.anchor): 3.0}.get(id(text), 0.0)
        return torch.full((2 if at is None else len(at), 4, 8, 8), said)

    losses = anchored_identity(1.0)(predict, given, torch.ones(2, 4, 8, 8))
    assert asked == [(given.anchor, [1]), (given.named, [1]), (None, None)]
    assert losses.tolist() == [1.0, 9.0], "the target, 1; and 1 with what the garment changes, 5 - 3"


def test_some_rows_name_a_garment_and_nothing_else_about_them_changes(in_float32) -> None:
    data, empty = named(in_float32), in_float32.encode_text([""])
    rows = {share: rows_at(data, empty, 0, 0, 3, Shares(garment=share))[0] for share in (0.0, 0.5, 0.99)}
    at = [int((data.latents == one).flatten(1).all(1).nonzero()) for one in rows[0.0].latents]
    assert torch.equal(rows[0.0].text, data.text[at]) and torch.equal(rows[0.0].named, rows[0.0].anchor)
    assert torch.equal(rows[0.99].text, data.named.text[at]) and torch.equal(rows[0.99].named, data.named.anchor[at])
    many = [rows_at(data, empty, 0, step, 3, Shares(left_out=0.5, garment=0.5))[0] for step in range(60)]
    naming = torch.cat([(r.named != r.anchor).flatten(1).any(1) for r in many])
    said = torch.cat([r.said.flatten() for r in many])
    assert not (naming & (said == 0)).any(), "a caption that was left out names nothing"
    assert 0.3 < naming[said == 1].float().mean() < 0.7
    for field in ("latents", "noise", "t", "masks", "anchor", "said"):
        assert torch.equal(getattr(rows[0.99], field), getattr(rows[0.0], field)), field
    (looked_at,) = held_out_rows(data, 0, 3, 0.0)
    assert torch.equal(looked_at.text, data.text) and torch.equal(looked_at.named, looked_at.anchor)
    assert data.digest != replace(data, named=None).digest


def test_where_nothing_is_said_an_adapter_learns_to_change_nothing(in_float32) -> None:
    """The pictures would teach ones; with the caption left out, every adapter is held to what is there without it, zeros."""
    data = pictures(in_float32, 1)
    left_out, kept = (rows_at(data, torch.zeros(1, *data.text.shape[1:]), 0, 0, 2, Shares(share))[0] for share in (1.0, 0.0))
    assert left_out.said.sum() == 0 and kept.said.sum() == 2
    assert not left_out.text.any() and not left_out.anchor.any() and kept.anchor.any()

    def drawn(value: float):
        def predict(frozen: bool, own: bool, text=None, at=None) -> torch.Tensor:
            return torch.full((2 if at is None else len(at), 4, 8, 8), value if own else 0.0)

        return predict

    for objective in (anchored_identity(1.0), outfit_on_identity(1.0)):
        assert objective(drawn(0.0), left_out, torch.ones(2, 4, 8, 8)).tolist() == [0.0, 0.0]
        assert objective(drawn(1.0), left_out, torch.ones(2, 4, 8, 8)).tolist() == [1.0, 1.0]
        assert objective(drawn(0.0), kept, torch.ones(2, 4, 8, 8)).tolist() == [1.0, 1.0], "the pictures taught nothing"


def test_a_prediction_of_some_rows_is_theirs_among_all(in_float32) -> None:
    one, seen = adapter(in_float32, "a", 1), {}
    one.values.data.normal_(0, 0.05)

    def objective(predict, rows, target):
        seen["all"], seen["some"] = predict(False, True, rows.anchor), predict(False, True, rows.anchor, torch.tensor([1, 3]))
        return plain(predict, rows, target)

    with attached(in_float32, [one], None, objective, CONFIG) as passes:
        passes.learn([rows_at(pictures(in_float32, 1), in_float32.encode_text([""]), 0, 0, 4)], 0)
    assert torch.allclose(seen["all"][[1, 3]], seen["some"], atol=1e-5) and not torch.allclose(seen["all"][[0, 2]], seen["some"], atol=1e-2)


def test_an_outfit_is_learned_inside_its_mask_where_its_caption_names_it_and_nowhere_else(in_float32) -> None:
    """The objective as the loop calls it: its own prediction is 1, the identity's 0, and so is the target: the mask alone decides."""
    data = pictures(in_float32, 1)
    (rows,) = rows_at(data, data.text[:1], 0, 0, 2)
    inside = torch.zeros(2, 1, 8, 8)
    inside[:, :, :2] = 1
    rows = replace(rows, masks=inside, said=torch.tensor([1.0, 0.0]).view(2, 1, 1, 1))
    target = inside.expand_as(rows.latents)

    def predict(frozen: bool, own: bool, text: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        assert frozen
        return torch.full_like(target, 1.0 if own else 0.0)

    assert outfit_on_identity(0.25)(predict, rows, target).tolist() == [0.25, 0.25]  # inside right, outside 1 off; unsaid: all 1 off
    assert outfit_on_identity(0.25)(predict, rows, 0 * target).tolist() == [1.25, 0.25]
    assert outfit_on_identity(0.25)(predict, replace(rows, masks=1 - inside), target).tolist() == [1.25, 0.25]


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


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_a_wardrobe_trained_together_is_the_wardrobe_trained_one_by_one(in_float32, targets: str) -> None:
    """At the size of the embedded base model, tests/test_rowwise.py holds a step to the last bit."""
    backbone, config = in_float32, replace(CONFIG, targets=targets, steps=20)
    sets = [pictures(backbone, seed) for seed in (1, 2, 3)]
    frozen = who_of(backbone, targets)
    together = [adapter(backbone, f"o{i}", i, targets) for i in range(3)]
    alone = [adapter(backbone, f"o{i}", i, targets) for i in range(3)]
    before = values(frozen)
    losses: list[dict[str, float]] = []
    jobs = [Job(a, s) for a, s in zip(together, sets, strict=True)]
    train(backbone, jobs, outfit_on_identity(1.0), config, frozen, on_step=lambda e: losses.append(e.losses))
    for i, one in enumerate(alone):
        single: list[float] = []
        train(
            backbone, [Job(one, sets[i])], outfit_on_identity(1.0), config, frozen,
            on_step=lambda e, i=i, single=single: single.append(e.losses[f"o{i}"]),
        )  # fmt: skip
        assert [x[f"o{i}"] for x in losses] == pytest.approx(single, rel=1e-5)
        torch.testing.assert_close(values(together[i]), values(one), rtol=1e-4, atol=1e-4)
    assert torch.equal(values(frozen), before), "training an outfit changed the identity"
    assert frozen.values.grad is None and not frozen.values.requires_grad


def who_of(backbone, targets: str = CONFIG.targets, seed: int = 9) -> Adapter:
    frozen = adapter(backbone, "who", seed, targets)
    for up in frozen.up:
        up.data.normal_(generator=torch.Generator().manual_seed(seed)).mul_(0.1)
    return frozen


def test_the_outfits_of_two_characters_train_in_one_pass_each_on_its_own_identity(in_float32) -> None:
    people = [who_of(in_float32, seed=9), who_of(in_float32, seed=10)]
    sets = [pictures(in_float32, seed) for seed in (1, 2)]
    together, alone = ([adapter(in_float32, f"o{i}", i) for i in range(2)] for _ in range(2))
    jobs = [Job(a, s, steps) for a, s, steps in zip(together, sets, (6, 4), strict=True)]
    train(in_float32, jobs, outfit_on_identity(1.0), CONFIG, people)
    assert [who.values.grad for who in people] == [None, None], "an outfit's gradient reached an identity"
    for i, (one, steps) in enumerate(zip(alone, (6, 4), strict=True)):
        train(in_float32, [Job(one, sets[i], steps)], outfit_on_identity(1.0), CONFIG, people[i])
        torch.testing.assert_close(values(together[i]), values(one), rtol=1e-4, atol=1e-4)
    other = adapter(in_float32, "o0", 0)
    train(in_float32, [Job(other, sets[0], 6)], outfit_on_identity(1.0), CONFIG, people[1])
    assert not torch.allclose(values(other), values(together[0]), atol=1e-3), "the identity under it makes a difference"


def trained(backbone, config: TrainConfig = CONFIG, steps: tuple[int | None, ...] = (None, None), only: int | None = None):
    """Two outfits (or one of them) on the identity: their adapters, and the losses of each by name."""
    losses: dict[str, list[float]] = {}

    def on_step(event: StepDone) -> None:
        for name, loss in event.losses.items():
            losses.setdefault(name, []).append(loss)

    jobs = [
        Job(adapter(backbone, f"o{i}", i, config.targets), pictures(backbone, i + 1, 5), own)
        for i, own in enumerate(steps)
        if only in (None, i)
    ]
    train(backbone, jobs, outfit_on_identity(1.0), config, who_of(backbone, config.targets), on_step=on_step)
    return [job.adapter for job in jobs], losses


def same(some, others) -> None:
    for one, other in zip(some[0], others[0], strict=True):
        torch.testing.assert_close(values(one), values(other), rtol=1e-4, atol=1e-5)
    assert some[1].keys() == others[1].keys()
    for name, losses in some[1].items():
        assert losses == pytest.approx(others[1][name], rel=1e-5)


def test_an_adapter_with_fewer_steps_leaves_the_batch_and_nobody_notices(in_float32) -> None:
    together = trained(in_float32, steps=(3, 7))
    assert {name: len(losses) for name, losses in together[1].items()} == {"o0": 3, "o1": 7}
    assert [a.info.steps for a in together[0]] == [3, 7]
    for i in range(2):
        same(([together[0][i]], {f"o{i}": together[1][f"o{i}"]}), trained(in_float32, steps=(3, 7), only=i))


def test_micro_steps_add_up_to_the_step(in_float32) -> None:
    whole = trained(in_float32, replace(CONFIG, rows=3))
    for micro_rows in (1, 2):
        same(whole, trained(in_float32, replace(CONFIG, rows=3, micro_rows=micro_rows)))


def test_recomputing_gives_the_same_adapters_and_leaves_the_denoiser_as_it_was(in_float32) -> None:
    whole = trained(in_float32)
    seen: list[bool] = []
    block = next(m for m in in_float32.denoiser.modules() if hasattr(m, "gradient_checkpointing"))
    hook = block.register_forward_hook(lambda module, _in, _out: seen.append(module.gradient_checkpointing))
    same(whole, trained(in_float32, replace(CONFIG, recompute=True)))
    hook.remove()
    assert all(seen) and seen and not block.gradient_checkpointing


def test_offloading_gives_the_same_adapters_and_brings_the_denoiser_back(in_float32) -> None:
    whole = trained(in_float32, replace(CONFIG, recompute=True))
    block, seen = in_float32.blocks[0], []
    weight = next(block.parameters())
    hook = block.register_forward_hook(lambda module, _in, _out: seen.append(next(module.parameters()) is weight))
    same(whole, trained(in_float32, replace(CONFIG, recompute=True, offload=True)))
    hook.remove()
    assert seen and not any(seen) and next(block.parameters()) is weight
    with pytest.raises(BadInput, match="offload without recompute"):
        replace(CONFIG, offload=True)


def test_only_the_denoiser_stays_in_memory_and_a_preview_reads_the_rest_again(in_float32) -> None:
    def there() -> list[bool]:
        return [part._network is not None for part in in_float32.encoders]

    steps: list[list[bool]] = []
    drawn: list[tuple[list[bool], list[bool]]] = []

    def draw(_stack, _names, _step) -> None:
        before = there()
        in_float32.decode(torch.zeros(1, 4, 8, 8))
        in_float32.encode_text(["red"])
        drawn.append((before, there()))

    data = pictures(in_float32, 1)
    assert all(there())
    job = Job(adapter(in_float32, "w", 1), data)
    train(in_float32, [job], plain, CONFIG, on_step=lambda _e: steps.append(there()), previews=Previews(draw, 2))
    assert len(steps) == CONFIG.steps and not any(map(any, steps))
    assert len(drawn) == 3 and all(all(after) and not any(before) for before, after in drawn) and not any(there())
    assert all(p.grad is None for p in job.adapter.parameters())


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # the compiler's own look at a tensor
@pytest.mark.parametrize("targets", ["attention", "all"])
def test_a_compiled_denoiser_with_the_stack_attached_learns_the_same(in_float32, monkeypatch: pytest.MonkeyPatch, targets: str) -> None:
    config = replace(CONFIG, steps=2, targets=targets)
    plainly = trained(in_float32, config)
    torch.compiler.reset()
    monkeypatch.setattr(in_float32._parts.denoiser, "_network", torch.compile(in_float32.denoiser, backend="eager"))
    same(plainly, trained(in_float32, config))
    torch.compiler.reset()


CONVERGE = replace(CONFIG, steps=40, until="converged", floor_steps=4, check_steps=2, learning_rate=1e-3)


def test_until_converged_each_adapter_ends_by_itself(in_float32) -> None:
    together = trained(in_float32, CONVERGE)
    lengths = {name: len(losses) for name, losses in together[1].items()}
    assert all(10 < n <= 40 for n in lengths.values()) and [a.info.steps for a in together[0]] == list(lengths.values())
    for i in range(2):
        same(([together[0][i]], {f"o{i}": together[1][f"o{i}"]}), trained(in_float32, CONVERGE, only=i))


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": math.nan}, {"learning_rate": -1.0}, {"clip_norm": 0.0}, {"preserve": -5.0},
                                   {"anchor": math.nan}, {"warmup_steps": -1}, {"drop_caption": 2.0}])  # fmt: skip
def test_a_recipe_that_could_not_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        TrainConfig(**wrong)  # type: ignore[arg-type]


def test_a_recipe_may_do_without_a_warm_up() -> None:
    assert lr_at(TrainConfig(warmup_steps=0), 0) == TrainConfig().learning_rate


def test_what_is_held_out_is_never_learned_from(in_float32) -> None:
    data = pictures(in_float32, 1, 25)
    learned, held_out = apart(data, 0)
    assert len(held_out.ids) == 2 and sorted((*learned.ids, *held_out.ids)) == sorted(data.ids)
    assert apart(data, 0)[1].ids == held_out.ids and apart(data, 1)[1].ids != held_out.ids
    assert torch.equal(held_out.at(1).latents, data.at(data.ids.index(held_out.ids[1])).latents)
    (one,), (two,) = held_out_rows(held_out, 0, 8, 0.5), held_out_rows(held_out, 0, 8, 0.5)
    assert torch.equal(one.noise, two.noise) and one.t.tolist() == two.t.tolist() == [125, 375, 625, 875, 825, 875, 925, 975]
    many = pictures(in_float32, 1, 120)
    assert len(apart(many, 0)[1].ids) == HELD_OUT_ROWS  # more would be kept from learning and never be looked at
    with pytest.raises(NotReady, match=r"3 pictures.*needs 4"):
        apart(pictures(in_float32, 1), 0)


@pytest.mark.parametrize("config", [CONFIG, replace(CONVERGE, steps=12)], ids=["steps", "converged"])
def test_a_training_that_is_stopped_again_and_again_goes_on_exactly(in_float32, config: TrainConfig) -> None:
    data, kept, stops = pictures(in_float32, 1, 5), [], [2, 3, 4]
    saved = Saved(lambda: kept[-1] if kept else None, lambda _step, states: kept.append(states), [checkpoint.mark(config, "", "", [data])])
    whole = adapter(in_float32, "w", 1)
    train(in_float32, [Job(whole, data)], plain, config)

    def stop(event: StepDone) -> None:
        if stops and event.step == stops[0]:
            stops.pop(0)
            raise KeyboardInterrupt

    for seed in range(1, 4):
        with pytest.raises(KeyboardInterrupt):
            train(in_float32, [Job(adapter(in_float32, "w", seed), data)], plain, config, saved=saved, on_step=stop)
    again = adapter(in_float32, "w", 7)
    train(in_float32, [Job(again, data)], plain, config, saved=saved, on_step=stop)
    assert len(kept) == 3 and torch.equal(values(again), values(whole)) and again.info.steps == whole.info.steps


def test_a_checkpoint_of_an_earlier_layout_is_refused(in_float32, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters lay in one flat vector once."""
    data, job = pictures(in_float32, 1), Job(adapter(in_float32, "w", 1), pictures(in_float32, 1))
    mark, learner = checkpoint.mark(CONFIG, "", "", [data]), Learner(job, CONFIG, job.data, None)
    state = checkpoint.to_bytes(2, mark, learner)
    assert checkpoint.restore([state], [mark], [learner]) == 2
    monkeypatch.setattr(checkpoint, "load_tensors", lambda data: {k: v.flatten() for k, v in load(data).items()})
    with pytest.raises(BadInput, match=r"earlier version.*--restart"):
        checkpoint.restore([state], [mark], [learner])


def test_a_state_in_the_middle_of_an_update_is_never_saved(in_float32, monkeypatch: pytest.MonkeyPatch) -> None:
    data, kept = pictures(in_float32, 1), []
    saved = Saved(lambda: None, lambda _step, states: kept.append(states), [checkpoint.mark(CONFIG, "", "", [data])])
    update = Learner.update

    def interrupted(self, step: int) -> None:
        update(self, step)
        if step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(in_float32, [Job(adapter(in_float32, "w", 1), data)], plain, CONFIG, saved=saved)
    assert not kept


def test_what_changed_is_named_and_nothing_is_restored(in_float32) -> None:
    one, other = pictures(in_float32, 1), pictures(in_float32, 2)
    learner = Learner(Job(adapter(in_float32, "w", 1), one), CONFIG, one, None)
    before, same = values(learner.adapter), checkpoint.mark(CONFIG, "base", "who", [one])
    state = checkpoint.to_bytes(3, same, learner)
    changes = {
        "pictures, masks or captions": checkpoint.mark(CONFIG, "base", "who", [other]),
        "recipe": checkpoint.mark(replace(CONFIG, rank=3), "base", "who", [one]),
        "base model": checkpoint.mark(CONFIG, "another", "who", [one]),
        "identity": checkpoint.mark(CONFIG, "base", "another", [one]),
        "recipe, base model": checkpoint.mark(CONFIG, "another", "who", [one], [2]),
    }
    for words, mark in changes.items():
        said = ", ".join(f"{what} of w" for what in words.split(", ") if "masks" not in words) or f"{words} of w"
        with pytest.raises(BadInput, match=f"has changed: {said}\\. .*--restart"):
            checkpoint.restore([state], [mark], [learner])
    beside = Learner(Job(adapter(in_float32, "v", 1), one), CONFIG, one, None)
    with pytest.raises(BadInput, match=r"has changed: pictures, masks or captions of v\. "):
        checkpoint.restore([state, state], [same, changes["pictures, masks or captions"]], [learner, beside])
    assert torch.equal(values(learner.adapter), before)
    assert checkpoint.restore([state], [checkpoint.mark(replace(CONFIG, micro_rows=1), "base", "who", [one])], [learner]) == 3


def test_time_steps_cover_everything_and_half_of_them_the_noisiest_fifth() -> None:
    even, noisy = [time_of(i / 1000, 0.0) for i in range(1000)], [time_of(i / 1000, 0.5) for i in range(1000)]
    assert even == list(range(1000))
    assert min(noisy) == 0 and max(noisy) == 999 and sum(t >= 800 for t in noisy) == 600


def test_a_loss_that_is_no_number_ends_the_training_before_it_changes_anything(in_float32) -> None:
    one = adapter(in_float32, "w", 0)
    before = values(one)
    with pytest.raises(Failed, match="w: the loss at step 0"):
        train(in_float32, [Job(one, pictures(in_float32, 1))], lambda predict, rows, y: plain(predict, rows, y) * float("nan"), CONFIG)
    assert torch.equal(values(one), before)


def test_training_lowers_the_loss(in_float32) -> None:
    losses: list[float] = []
    config = TrainConfig(steps=40, rows=4, rank=4, alpha=4.0, learning_rate=1e-2, targets="all")
    info = AdapterInfo("identity", "w", "w", 4, 4.0, "all", in_float32.sha256)
    new = Adapter(info, in_float32.target_layers("all"), 0)
    train(in_float32, [Job(new, pictures(in_float32, 1))], plain, config, on_step=lambda e: losses.append(e.losses["w"]))
    assert sum(losses[-8:]) < 0.97 * sum(losses[:8])
