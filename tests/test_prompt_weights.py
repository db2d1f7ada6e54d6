"""Prompt weights: vectors as A1111's own rules give them."""

from __future__ import annotations

import pytest

from dressform.dress.prompt_weights import Span, parse, plain, weighted
from dressform.errors import BadInput

VECTORS: dict[str, list[tuple[str, float]]] = {
    "normal text": [("normal text", 1.0)],
    "": [],
    "an (important) word": [("an ", 1.0), ("important", 1.1), (" word", 1.0)],
    "(unbalanced": [("unbalanced", 1.1)],
    "a [less] b": [("a ", 1.0), ("less", 1 / 1.1), (" b", 1.0)],
    "((twice))": [("twice", 1.21)],
    "[[twice]]": [("twice", 1 / 1.21)],
    "(word:1.2)": [("word", 1.2)],
    "(word:.5)": [("word", 0.5)],
    "(word: 1.2 )": [("word", 1.2)],
    "(word:2)": [("word", 2.0)],
    "(word:0)": [("word", 0.0)],
    "(a (b:1.5) c:2)": [("a ", 2.0), ("b", 3.0), (" c", 2.0)],
    "((a:1.2))": [("a", 1.32)],
    "(a:b)": [("a:b", 1.1)],
    "(a:b:1.3)": [("a:b", 1.3)],
    "[word:0.5]": [("word:0.5", 1 / 1.1)],
    r"aoi \(oc\)": [("aoi (oc)", 1.0)],
    r"(aoi \(oc\):1.2)": [("aoi (oc)", 1.2)],
    r"\[x\] \\ \q": [(r"[x] \ \q", 1.0)],
    "(unnecessary)(parens)": [("unnecessaryparens", 1.1)],
    "closed) never [opened": [("closed) never ", 1.0), ("opened", 1 / 1.1)],
    "(a]b)": [("a]b", 1.1)],
    "()": [],
    "(smile, [blush:0.5])": [("smile, ", 1.1), ("blush:0.5", 1.0)],
    "((12:30:0.7))": [("12:30", 0.77)],
    "((a:b) 12:30:1.2)": [("a:b", 1.32), (" 12:30", 1.2)],
    "((a b 12:30))": [("a b 12", 33.0)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky)))": [
        ("a ", 1.0), ("house", 1.3 * 1.1**2), (" ", 1.1), ("on", 1.0), (" a ", 1.1), ("hill", 0.55), (", sun, ", 1.1), ("sky", 1.1**4),
    ],
}  # fmt: skip


@pytest.mark.parametrize("prompt", VECTORS)
def test_spans(prompt: str) -> None:
    (chunk,) = parse(prompt)
    assert [s.text for s in chunk] == [text for text, _ in VECTORS[prompt]]
    assert [s.weight for s in chunk] == pytest.approx([weight for _, weight in VECTORS[prompt]])


def test_breaks_part_a_prompt_and_weights_reach_across_them() -> None:
    assert parse("a BREAK (b BREAK c:2)") == ((Span("a"),), (Span("b", 2.0),), (Span("c", 2.0),))
    assert parse("BREAKFAST a_BREAK") == ((Span("BREAKFAST a_BREAK"),),)


def test_what_a_prompt_says_without_its_weights() -> None:
    assert plain("si(de:1.2) view BREAK [park]") == "side view park"
    assert plain(r"aoi \(oc\)") == "aoi (oc)" and plain("") == ""
    assert [weighted(p) for p in ("a, b", r"a \(b\)", "(a)", "a BREAK b", "(a:1)")] == [False, False, True, True, False]


def test_a_long_row_of_brackets_takes_no_time() -> None:
    (chunk,) = parse("([" * 1000 + "a" + "])" * 1000)
    assert chunk[0].text == "a"


@pytest.mark.parametrize("prompt", ["(a:1000)", f"(a:{'9' * 400})", "(" * 2000 + "a", "(a:-101)"])
def test_a_weight_beyond_reason_is_refused(prompt: str) -> None:
    with pytest.raises(BadInput, match="100 at most"):
        parse(prompt)
