"""Every arm of the separation benchmark trains and is asked for everything, on a tiny random base model."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import with_peft
from benchmarks.differences import over_trainings, paired
from benchmarks.separation import report
from benchmarks.separation.arms import Recipe, plain_material
from benchmarks.separation.cases import Case, material
from benchmarks.separation.peft_arm import taken_over
from benchmarks.separation.probing import EVALUATION, Outcome, probe
from benchmarks.separation.table import beside, figures, markdown, matrix, matrix_markdown
from benchmarks.separation.tasks import EVERY, IN_WORDS, PRESETS, TRUE, side_by_side
from dressform import backbones
from dressform.adapters.stack import AdapterStack
from dressform.backbones import precision
from dressform.layfigure.captions import NEUTRAL
from dressform.layfigure.doll import Doll
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_IDENTITIES, random_scene
from dressform.measure.reader import Reader, ReaderNet
from dressform.train.config import TrainConfig
from tests import tiny

CASE = Case("beryl", outfits=2, pictures=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory):
    return backbones.load(tiny.write(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.mark.parametrize("name", [name for name in EVERY if name != TRUE])
def test_an_arm_trains_and_answers(base, name: str) -> None:
    config = TrainConfig(steps=1, rows=2, rank=2, alpha=2.0)
    learned, other = EVERY[name](base, [material(CASE), material(replace(CASE, who="carmen"))], Recipe(config, config))
    assert len(learned.adapters) == len(other.adapters)
    assert name == IN_WORDS or any(up.abs().sum() > 0 for up in learned.adapters[0].up)
    outcomes = probe(base, Reader(ReaderNet(), {}), CASE, learned, each=2)
    assert [o.group for o in outcomes] == ["neutral"] * 2 + ["outfit"] * 4 + ["base garment"] * 2
    assert {o.asked for o in outcomes if o.group == "outfit"} == set(CASE.wardrobe)


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_what_peft_trained_predicts_the_same_in_our_layers(base, targets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "half", lambda *_: None)
    config = TrainConfig(steps=3, rows=2, rank=2, alpha=2.0, targets=targets, learning_rate=1e-2)
    unet = with_peft.trained(base, plain_material(base, material(CASE)), config)
    stack = AdapterStack(base.target_layers(targets), [taken_over(base, unet, config)])
    noisy, t, text = torch.randn(2, base.latent_channels, 8, 8), torch.tensor([900, 10]), base.encode_text(["a", "b"])
    with torch.no_grad(), stack.attached():
        without = base.predict(noisy, t, text)
        with stack.active(torch.ones(2, 1)):
            ours = base.predict(noisy, t, text)
        theirs = base.asking.ask(unet.eval(), noisy, t, text)
    assert (ours - without).abs().max() > 1e-3, "it learned something"
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["one plain LoRA", "ours, neutral"])
def test_cases_side_by_side_are_the_cases_alone(base, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "half", lambda *_: None)
    config = TrainConfig(steps=2, rows=2, rank=2, alpha=2.0)
    cases = [material(replace(CASE, who=who)) for who in ("beryl", "carmen")]
    together = EVERY[name](base, cases, Recipe(config, config))
    for one, given in zip(together, cases, strict=True):
        (alone,) = EVERY[name](base, [given], Recipe(config, config))
        for a, b in zip(one.adapters, alone.adapters, strict=True):
            torch.testing.assert_close(a.values, b.values, rtol=1e-4, atol=1e-4)


def test_the_base_model_is_told_what_she_is_and_wears(base) -> None:
    (told,) = EVERY[IN_WORDS](base, [material(CASE)], Recipe(TrainConfig(), TrainConfig()))
    assert told.words("swimsuit")[0] == "green skin" and "swimsuit" in told.words("swimsuit")[-1] and told.words(None)[-1] == NEUTRAL


def test_the_truth_is_what_was_asked_for_encoded_and_decoded(base, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[torch.Tensor] = []
    base_given, reader = replace(CASE, who="carmen"), Reader(ReaderNet(), {})
    monkeypatch.setattr(base, "encode_pictures", lambda pictures: pictures)
    monkeypatch.setattr(base, "decode", lambda pictures: shown.append(pictures) or pictures)
    given = EVERY[TRUE](base, [material(base_given)], Recipe(TrainConfig(), TrainConfig()))
    outcomes = probe(base, reader, base_given, *given, each=2)
    assert [o.asked for o in outcomes] == ["neutral"] * 2 + ["swimsuit"] * 2 + ["dress"] * 2 + ["shirt", "suit"]
    who, rng = HELD_OUT_IDENTITIES["carmen"], random.Random(f"carmen/probes/{EVALUATION}")
    scenes = [random_scene(rng) for _ in outcomes]
    worn = [None, None, *(base_given.wardrobe[o.asked] for o in outcomes[2:6]), *base_given.base_garments[:2]]
    expected = np.stack([render(Doll(who, one, scene)).picture for one, scene in zip(worn, scenes, strict=True)])
    assert (shown[0].permute(0, 2, 3, 1).numpy() == expected).all()


def test_what_stands_side_by_side_has_one_arm_and_one_shape() -> None:
    units = side_by_side(PRESETS["full"](), at_most=4)
    assert sum(map(len, units)) == len(side_by_side(PRESETS["full"](), 1)) == 166 and max(map(len, units)) == 4
    assert all(len({(t.arm, t.case.seed, t.case.outfits, t.case.pictures) for t in unit}) == 1 for unit in units)


def test_the_arms_are_compared_by_the_recipe_that_train_uses_on_the_embedded_model() -> None:
    recipe = Recipe.of_the_house(backbones.load("layfigure"), seed=3)
    assert (recipe.identity.targets, recipe.outfit.targets) == ("all", "all")
    assert (recipe.identity.seed, recipe.identity.rows, recipe.outfit.rows) == (3, 6, 3)


def test_pictures_are_the_same_for_every_arm_and_differ_between_seeds() -> None:
    once, again, other = material(CASE), material(CASE), material(Case("beryl", 2, 2, seed=1))
    assert (once.neutral.pictures == again.neutral.pictures).all()
    assert (once.neutral.pictures != other.neutral.pictures).any()


def test_the_table_counts_each_group_by_itself() -> None:
    outcomes = [
        Outcome("neutral", "neutral", "swimsuit", False, True, True),
        Outcome("outfit", "dress", "", True, True, True),
        Outcome("outfit", "dress", "swimsuit", False, True, False),
        Outcome("base garment", "coat", "", False, False, True),
    ]
    found = figures(outcomes)
    assert (found["burn_in"].value, found["burn_in_neutral"].value, found["burn_in_outfits"].value) == (0.5, 1.0, 0.5)
    assert (found["outfit_fidelity"].value, found["identity_base_garments"].value, found["conformity"].value) == (0.5, 0.0, 0.5)
    assert "| ours | 50.0%" in markdown({"ours": found})


def test_the_matrix_says_what_showed_where_something_else_was_asked_for() -> None:
    outcomes = [Outcome("outfit", "dress", name, True, True, True) for name in ("", "", "", "swimsuit")]
    outcomes += [Outcome("outfit", "coat", "", True, True, True)] * 2
    found = matrix(outcomes)
    assert (found["dress"]["swimsuit"].value, found["coat"]["swimsuit"].value) == (0.25, 0.0)
    assert "| dress | 25.0% | 4 |" in matrix_markdown(found) and "| coat | - | 2 |" in matrix_markdown(found)


def test_composing_is_judged_against_her_alone() -> None:
    outcomes = [Outcome("neutral", "neutral", "", False, True, True)] * 4 + [
        Outcome("outfit", "dress", "", True, i > 0, True) for i in range(4)
    ]
    change = figures(outcomes)["identity_change"]
    assert change.value == -0.25 and change.low < -0.25 < change.high


def _run(block: str, case: Case, made_with: str = "base+reader") -> report.Run:
    outcomes = [Outcome("neutral", "neutral", "", False, True, True), Outcome("outfit", "swimsuit", "", True, True, True)]
    outcomes += [Outcome("base garment", "coat", "swimsuit", False, True, True)]
    return report.Run(f"{block}/{case}", block, "ours, neutral", case, made_with, "cpu", 60.0, tuple(outcomes))


def test_runs_of_another_base_model_do_not_count(tmp_path: Path) -> None:
    ours, other = _run("arms", CASE), _run("arms", CASE, "another+reader")
    lines = tmp_path / "outcomes.jsonl"
    lines.write_text(ours.line() + other.line())
    assert report.read(lines, "base+reader") == [ours]


def test_the_report_has_tables_matrices_and_curves(tmp_path: Path) -> None:
    runs = [_run("arms", Case("beryl")), *(_run("outfits", Case("beryl", n)) for n in (1, 2, 4))]
    text = report.write(runs, tmp_path)
    assert "## asked and appeared: ours, neutral" in text and "| ours, neutral, 2 outfits |" in text
    assert json.loads((tmp_path / "report.json").read_text())["figures"]["matrix.ours, neutral.coat.swimsuit"]["value"] == 1.0
    assert {"burn_in.svg", "outfits.svg"} <= {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404), ((20, 12, 2, 16), 0.0562, 0.3292), ((35, 14, 0, 1), 0.1461, 0.4175),
        ((1, 97, 1, 1), 0.8736, 0.9850), ((54, 0, 0, 0), -0.0664, 0.0664),
    ],
)  # fmt: skip
def test_pairs_have_the_interval_that_newcombe_printed(cells: tuple[int, int, int, int], low: float, high: float) -> None:
    """Newcombe 1998 (paired data), table III, method 10: (both, first alone, second alone, neither)."""
    both, first, second, neither = cells
    one = [True] * (both + first) + [False] * (second + neither)
    other = [True] * both + [False] * first + [True] * second + [False] * neither
    found = paired(one, other)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4) and found.n == sum(cells)
    turned = paired(other, one)
    assert (turned.low, turned.high) == pytest.approx((-high, -low), abs=1e-4)


def test_arms_are_held_against_a_reference_question_by_question(tmp_path: Path) -> None:
    def run(arm: str, who: str, right: list[bool]) -> report.Run:
        outcomes = tuple(Outcome("outfit", "dress", "", True, one, True) for one in right)
        return report.Run(f"arms/{arm}/{who}", "arms", arm, Case(who), "base+reader", "cpu", 60.0, outcomes)

    ours, words = run("ours, neutral", "beryl", [True, True, True, False]), run(IN_WORDS, "beryl", [True, False, False, True])
    alone = run("ours, neutral", "edda", [True] * 4)  # nothing to hold it against
    curves = [replace(one, block="outfits") for one in (ours, words)]  # other numbers of outfits, and not whole wardrobes
    text = report.write([ours, words, alone, *curves], tmp_path)
    assert f"## more or less than {IN_WORDS!r}, asked the same" in text and "than 'one plain LoRA'" not in text
    found = json.loads((tmp_path / "report.json").read_text())["figures"][f"beside {IN_WORDS}.ours, neutral.identity_fidelity"]
    assert found["value"] == 0.25 and found["n"] == 4
    with pytest.raises(ValueError, match="different things"):
        beside([(ours.outcomes, [replace(o, asked="coat") for o in words.outcomes])])


def test_what_differs_from_training_to_training_widens_the_interval_of_a_difference() -> None:
    """Student's t over 0.5, 0.5, 0.5 and -0.5: 1/4 +- 3.182 x 0.5 / sqrt(4)."""
    better, worse = ([True] * 50 + [True] * 50, [True] * 50 + [False] * 50), ([True] * 50 + [False] * 50, [True] * 50 + [True] * 50)
    found = over_trainings([better, better, worse])
    assert (found.value, found.low, found.high) == pytest.approx((1 / 6, -1.0, 1.0)) and found.n == 300  # no share lies further apart
    found = over_trainings([better, better, better, worse])
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25 - 0.7955, 1.0), abs=1e-3)
    alike = over_trainings([better, better])  # no training differs: what the pictures say stays
    assert alike == paired(better[0] * 2, better[1] * 2) and over_trainings([better]) == paired(*better)


def test_a_run_that_was_half_written_is_made_again(tmp_path: Path) -> None:
    lines, (one, two) = tmp_path / "outcomes.jsonl", (_run("arms", Case("beryl")), _run("arms", Case("edda")))
    report.add(one, lines)
    with lines.open("a") as file:
        file.write(two.line()[:40])
    assert report.read(lines, one.made_with) == [one]
    report.add(two, lines)
    assert report.read(lines, one.made_with) == [one, two]


def test_a_curve_of_wardrobes_ends_at_the_eight_that_the_arms_have() -> None:
    runs = [_run("arms", Case("beryl")), _run("arms", Case("edda")), _run("outfits", Case("beryl", 2))]
    assert {n: found["burn_in"].n for n, found in report.curves_of(runs, "outfits")["ours, neutral"].items()} == {2: 3, 8: 3}
