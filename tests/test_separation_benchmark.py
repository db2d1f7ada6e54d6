"""Every arm of the separation benchmark trains and is asked for everything, on a tiny random base model."""

from __future__ import annotations

import pytest

from benchmarks.separation.__main__ import EVERY
from benchmarks.separation.arms import Recipe
from benchmarks.separation.cases import Case, material
from benchmarks.separation.probing import Outcome, probe
from benchmarks.separation.table import figures, markdown
from dressform import backbones
from dressform.measure.reader import Reader, ReaderNet
from dressform.train.config import TrainConfig
from tests import tiny

CASE = Case("beryl", outfits=2, pictures=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory):
    return backbones.load(tiny.write(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.mark.parametrize("name", EVERY)
def test_an_arm_trains_and_answers(base, name: str) -> None:
    config = TrainConfig(steps=1, rows=2, rank=2, alpha=2.0)
    learned = EVERY[name](base, material(CASE), Recipe(config, config))
    assert any(up.abs().sum() > 0 for up in learned.adapters[0].up)
    outcomes = probe(base, Reader(ReaderNet(), {}), CASE, learned, each=2)
    assert [o.group for o in outcomes] == ["neutral"] * 2 + ["outfit"] * 4 + ["base garment"] * 2
    assert {o.asked for o in outcomes if o.group == "outfit"} == set(CASE.wardrobe)


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
