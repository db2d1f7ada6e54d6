from __future__ import annotations

import pytest

from dressform.consent.refusals import refuse_undressed, refuse_young
from dressform.errors import Refused
from dressform.records import Character

UNDRESSED = ("neutral layer", "front view, nude", "NAKED", "no clothes, side view", "neutral_layer", "裸", "ｎｕｄｅ")
YOUNG = ("a child", "teen girl", "Loli", "schoolgirl uniform", "少女", "underage", "ｔｅｅｎ")
BENIGN = ("front view, waving, park background", "a red dress", "barely visible stars", "kidney bean pattern", "childhood home", "bear")


@pytest.mark.parametrize("text", UNDRESSED)
def test_less_than_dressed_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="dressed"):
        refuse_undressed(text)


@pytest.mark.parametrize("text", YOUNG)
def test_younger_than_adult_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="adults only"):
        refuse_young(text)


@pytest.mark.parametrize("text", BENIGN)
def test_ordinary_words_pass(text: str) -> None:
    assert refuse_young(text) is None and refuse_undressed(text) is None


@pytest.mark.parametrize("age", [17, 0, -1])
def test_a_character_is_an_adult(age: int) -> None:
    with pytest.raises(Refused, match="18"):
        Character("mia", "mia", "original", age, "layfigure")


@pytest.mark.parametrize(
    "text",
    [
        '[Character("Mia"){Age("17")Gender("Female")}]', "**Age:** 17", '"age": 17', "Age | 17", "Age — 17", "Age: `17`", "<age>17</age>",
        "Age: {17}", "17–year–old", "年齢「17」", "**年齢**：17", "she turned 16 last week", "turning 17", "age:12,170cm", "15歳, 170 cm",
    ],
)  # fmt: skip
def test_an_age_is_read_in_any_notation(text: str) -> None:
    with pytest.raises(Refused, match="adults only"):
        refuse_young(text)


@pytest.mark.parametrize(
    "text",
    [
        "head turned three quarters, standing", "turned 3/4 view", "head turned 15 degrees", "turned 15° left", "turning 5 degrees",
        "an elf of 1,000 years old", "over 10,000 years old", "1,000歳", "Age: 1,200", "Age: 25, height: 17 heads", "page 12", "stage: 3",
    ],
)  # fmt: skip
def test_turns_of_a_head_and_the_age_of_elves_are_no_childhood(text: str) -> None:
    assert refuse_young(text) is None


def test_a_list_that_was_altered_or_lost_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from dressform.consent import refusals
    from dressform.errors import Tampered

    refusals._load.cache_clear()
    monkeypatch.setitem(refusals._DIGESTS, "younger", "0" * 64)
    with pytest.raises(Tampered, match="not the one that was tested"):
        refuse_young("an adult")
    refusals._load.cache_clear()


def test_labelled_texts() -> None:
    """Every claimed word in every claimed disguise is refused; captions and look-alikes pass. Figures: benchmarks/trust/words.py."""
    from benchmarks.trust import words
    from dressform.consent.refusals import found_in

    english, japanese = words.to_refuse()
    assert len(english) >= 500 and len(japanese) >= 500
    assert [t for t in english + japanese if not found_in(t, "younger")] == []
    benign = words.to_pass()
    assert len(benign) >= 2000
    assert len([t for t in benign if found_in(t, "younger") or found_in(t, "likeness")]) <= len(benign) * 0.005


def test_what_the_lists_are_known_to_miss() -> None:
    """Written down so that nobody relies on the lists alone; a test that fails here is good news."""
    from dressform.consent.refusals import found_in

    for text in ("chlid", "a person who has not finished school yet", "niña", "bG9saQ=="):
        assert found_in(text, "younger") is None


def test_a_text_too_long_to_check_is_refused() -> None:
    with pytest.raises(Refused, match="too long"):
        refuse_young("a " * 2001)


@pytest.mark.parametrize(
    "text",
    [
        "高校二年生", "高校2年生", "高２", "中２", "小6", "中2の女子", "5th grader", "11th grade", "fifth grader",
        "secondary school", "17yr", "16 yrs", "she is 16", "she's only 15", "I'm seventeen", "under 18",
        "seventeen and a half years old", "17½ years old", "17.5 years old", "16th birthday", "bust 88,15歳",
        "8k,1080,14 years old", "1.60,16 years old", "bust 88.15歳", "height 1m60,15yo",
    ],
)  # fmt: skip
def test_grades_of_a_school_and_ages_by_the_way_are_read(text: str) -> None:
    with pytest.raises(Refused, match="adults only"):
        refuse_young(text)


@pytest.mark.parametrize(
    "text",
    [
        "she is 24.5 years old", "24½ years old", "中二病", "she is 16 cm tall", "she is seventeen heads tall",
        "under 18 trees", "for 10 yrs", "10 yrs of experience", "first grade silk", "高さ2m", "中2階",
        "she is 10 out of 10", "12th century castle", "21st birthday", "大学2年生", "the sun is 15 degrees",
        "I am nineteen", "she is 25",
    ],
)  # fmt: skip
def test_sizes_and_the_years_of_adults_pass(text: str) -> None:
    assert refuse_young(text) is None
