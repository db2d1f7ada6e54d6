"""When an adapter ends, and how fast it learns until then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dressform.errors import BadInput
from dressform.train.config import TrainConfig
from dressform.train.schedule import Course, course_of, lr_at, stopped_improving

CONVERGED = TrainConfig(steps=600, learning_rate=1.0, warmup_steps=10, until="converged", floor_steps=100, check_steps=25)


def test_for_steps_the_course_is_the_cosine_of_its_own_length() -> None:
    config = TrainConfig(steps=100, learning_rate=1.0, warmup_steps=10)
    assert course_of(config, 40, [5.0] * 9) == Course(40)
    assert Course(40).rate(config, 20) == lr_at(config, 20, 40) == pytest.approx(0.525)
    assert lr_at(config, 0) == pytest.approx(0.1) and lr_at(config, 99) == pytest.approx(0.05, abs=1e-3)


def test_improvement_is_one_percent_over_four_checks() -> None:
    assert not stopped_improving([1.0, 1.0, 1.0, 1.0])
    assert stopped_improving([1.0, 1.0, 1.0, 1.0, 1.0]) and stopped_improving([1.0, 0.995, 1.2, 1.1, 0.991])
    assert not stopped_improving([1.0, 1.2, 1.1, 1.3, 0.98])


def test_converged_ends_between_floor_and_ceiling() -> None:
    flat, falling = [1.0] * 24, [0.9**k for k in range(24)]
    assert course_of(CONVERGED, 600, flat[:4]) == Course(600, 500), "not known yet"
    assert course_of(CONVERGED, 600, flat) == Course(150, 125)
    assert course_of(CONVERGED, 600, falling) == Course(600, 500), "the ceiling"
    late = falling[:8] + [falling[7]] * 10
    assert course_of(CONVERGED, 600, late) == Course(360, 300)
    for k in range(1, len(late) + 1):
        course = course_of(CONVERGED, 600, late[:k])
        assert course == (Course(600, 500) if k < 12 else Course(360, 300)), "what is decided stays decided"


def test_the_floor_holds() -> None:
    assert course_of(replace(CONVERGED, floor_steps=200), 600, [1.0] * 24) == Course(240, 200)


def test_the_rate_stays_up_and_then_falls() -> None:
    course = Course(360, 300)
    assert course.rate(CONVERGED, 0) == pytest.approx(0.1) and course.rate(CONVERGED, 10) == course.rate(CONVERGED, 300) == 1.0
    assert course.rate(CONVERGED, 330) == pytest.approx(0.525) and 0.05 < course.rate(CONVERGED, 359) < 0.07


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(BadInput, match="'steps' or 'converged'"):
        TrainConfig(until="bored")
    with pytest.raises(BadInput, match="micro_rows -1"):
        TrainConfig(micro_rows=-1)
