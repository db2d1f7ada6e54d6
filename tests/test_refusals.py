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
