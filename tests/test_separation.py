from __future__ import annotations

import pytest

from dressform.layfigure.canvas import GARMENT, LABELS, SKIN
from dressform.layfigure.doll import VOCABULARY
from dressform.measure.reader import Reading, usual
from dressform.measure.report import Measured, advice, page
from dressform.measure.separation import Probe, Truth, burned_in, figures, matrix, mistakes
from dressform.measure.statistics import share

WHO = {
    "skin": "tan", "hair_colour": "red", "hair_style": "bob", "ears": "cat", "eyes": "green",
    "build": "slim", "height": "tall", "head": "small", "mark": "none",
}  # fmt: skip
RED = {"kind": "dress", "colour": "red", "second": "white", "pattern": "striped"}
BLUE = {"kind": "coat", "colour": "blue", "second": "black", "pattern": "plain"}
TRUTH = Truth(WHO, {"dress": RED, "coat": BLUE})
EVERYTHING = frozenset(VOCABULARY)
SCENE = {"view": "front", "pose": "waving", "background": "white"}


def reading(garment: int = 40, **words: str) -> Reading:
    cells = [0] * len(LABELS)
    cells[SKIN], cells[GARMENT] = 20, garment
    return Reading({**WHO, **SCENE, **words}, tuple(cells))


def probe(asked: str, **words) -> Probe:
    return Probe(asked, SCENE, reading(**words), EVERYTHING)


NEUTRAL = {"kind": "neutral", "garment": 0}


@pytest.mark.parametrize(
    ("one", "appeared"),
    [
        (probe("dress", **RED), None),
        (probe("neutral", **NEUTRAL), None),
        (probe("neutral", **RED), "dress"),
        (probe("neutral", kind="neutral", garment=3), "another"),
        (probe("dress", **BLUE), "coat"),
        (probe("dress", **{**RED, "colour": "blue"}), "coat"),
        (probe("dress", **{**RED, "colour": "green"}), None),
        (probe("coat", **{**BLUE, "colour": "black"}), None),
    ],
)
def test_burn_in_is_a_garment_or_its_colour_that_was_not_asked_for(one: Probe, appeared: str | None) -> None:
    assert burned_in(one, TRUTH) == appeared


def test_the_five_figures() -> None:
    wrong_hair = probe("dress", **{**RED, "hair_colour": "blue"})
    probes = [probe("dress", **RED), wrong_hair, probe("coat", **RED), probe("neutral", **NEUTRAL)]
    found = {name: (f.value, f.n) for name, f in figures(probes, TRUTH).items()}
    assert found == {
        "outfit_fidelity": (pytest.approx(2 / 3), 3),
        "identity_fidelity": (0.75, 4),
        "burn_in": (0.25, 4),
        "conformity": (pytest.approx(1 / 3), 3),
        "prompt_fidelity": (1.0, 4),
    }
    assert matrix(probes, TRUTH)["coat"]["dress"].value == 1.0


def test_what_would_not_show_is_not_judged() -> None:
    unseen = Probe("dress", SCENE, reading(**{**RED, "skin": "blue"}), EVERYTHING - {"skin"})
    assert figures([unseen], TRUTH)["identity_fidelity"].value == 1.0
    assert figures([probe("dress", **{**RED, "skin": "blue"})], TRUTH)["identity_fidelity"].value == 0.0


def test_a_true_picture_of_her_says_what_would_show() -> None:
    assert "eyes" in TRUTH.visible("dress", SCENE)
    behind = TRUTH.visible("neutral", {**SCENE, "view": "back"})
    assert "eyes" not in behind and "colour" not in behind and "skin" in behind


def test_wilson_interval() -> None:
    """Values from the closed form, checked against statsmodels' proportion_confint(method="wilson")."""
    found = share([True] * 8 + [False] * 2)
    assert (found.value, found.n) == (0.8, 10)
    assert (found.low, found.high) == (pytest.approx(0.4901625, abs=1e-6), pytest.approx(0.9433178, abs=1e-6))
    assert share([]).n == 0


def test_usual_takes_the_majority() -> None:
    seen = [reading(hair_colour=c) for c in ("red", "blue", "red")]
    assert usual(seen, ["hair_colour"]) == {"hair_colour": "red"}


def test_a_mark_is_there_where_one_picture_in_ten_shows_it() -> None:
    bare, marked = Reading({"mark": "stripe"}, (1000, 24, 0, 0, 0, 0, 0, 0, 0)), Reading({"mark": "star"}, (1000, 22, 0, 0, 0, 2, 0, 0, 0))
    assert usual([bare] * 3, ["mark"]) == {"mark": "none"}
    assert usual([*[bare] * 9, marked], ["mark"]) == {"mark": "star"}
    assert usual([*[bare] * 10, marked], ["mark"]) == {"mark": "none"}


def test_mistakes_name_what_was_wanted_and_what_was_read() -> None:
    names = ("colour", "view")
    assert mistakes(probe("dress", **RED), TRUTH, names) == {}
    assert mistakes(probe("dress", **{**RED, "colour": "blue"}, view="back"), TRUTH, names) == {
        "colour": ("red", "blue"),
        "view": ("front", "back"),
    }


def test_an_outfit_that_is_not_worn_at_all_appears_as_the_neutral_layer() -> None:
    bare = probe("dress", **NEUTRAL)
    found = matrix([bare], TRUTH)["dress"]
    assert found["neutral"].value == 1 and found["another"].value == 0
    assert "dress is not worn at all" in advice(figures([bare], TRUTH), {"dress": found})[0]


def test_every_failing_cell_of_the_matrix_has_its_advice() -> None:
    leaking = [probe("coat", **BLUE), probe("coat", **RED), probe("neutral", **RED), probe("dress", **RED)]
    lines = advice(figures(leaking, TRUTH), matrix(leaking, TRUTH))
    assert [line for line in lines if "dress shows where coat was asked for (50% of 2)" in line]
    assert [line for line in lines if "Asked for the neutral layer, dress shows" in line]
    well = [probe("coat", **BLUE), probe("neutral", **NEUTRAL)]
    assert advice(figures(well, TRUTH), matrix(well, TRUTH)) == []


def test_the_report_escapes_what_people_wrote() -> None:
    found = [probe("dress", **RED)]
    truth = Truth(WHO, {"dress": RED, "<b>": BLUE})
    text = page("<i>her", Measured(figures(found, truth), matrix(found, truth), truth, {"true renders": {"skin": 0.99}}))
    assert "<b>" not in text and "&lt;b&gt;" in text and "<i>" not in text and "http" not in text
