"""Texts longer than a text encoder reads at once: where they are parted, and that nothing else changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dressform import backbones
from dressform.adapters.stack import Adapter
from dressform.backbones import chunks
from dressform.backbones.conditioning import alike
from dressform.backbones.text import plain, words_of
from dressform.dress import weighting
from dressform.dress.prompt_weights import parse
from dressform.records import AdapterInfo
from dressform.train.config import TrainConfig
from dressform.train.data import TrainingSet, encode, rows_at
from dressform.train.job import Job
from dressform.train.loop import train
from dressform.train.objectives.identity import anchored_identity
from dressform.train.objectives.outfit import outfit_on_identity
from recipes.layfigure.make_tokenizer import build

TOKENIZER = build()
ROOM = TOKENIZER.model_max_length - 2
RED, COMMA = (TOKENIZER(word, add_special_tokens=False).input_ids for word in ("red", ","))
LONG = ", ".join(["red and blue dress"] * 15)  # 74 tokens: two chunks
LONGER = ", ".join(["striped red and blue coat"] * 25)  # three
SHORT = "side view"


def parted(text: str) -> list[list[int]]:
    """The chunks of a prompt, without begin, end and padding."""
    read = chunks.read(TOKENIZER, [parse(text)])
    special = {TOKENIZER.bos_token_id, TOKENIZER.eos_token_id, TOKENIZER.pad_token_id}
    return [[i for i in row if i not in special] for row in read.ids.tolist()]


def tokens(base, text: torch.Tensor) -> torch.Tensor:
    """A conditioning without its pooled rows."""
    length = base.asking.shape[0]
    return text.unflatten(1, (-1, length))[:, :, : base.asking.encoders[0]().config.max_position_embeddings].flatten(1, 2)


def words(count: int) -> str:
    return " ".join(["red"] * count)


def test_a_text_that_fills_a_chunk_is_one() -> None:
    assert len(RED) == len(COMMA) == 1, "the lengths below are counted in words"
    assert [len(c) for c in parted("")] == [0] and [len(c) for c in parted(words(ROOM))] == [ROOM]
    assert [len(c) for c in parted(words(ROOM + 1))] == [ROOM, 1]


@pytest.mark.parametrize("near", [1, 5, 19])
def test_a_full_chunk_ends_after_its_last_comma_where_that_is_near(near: int) -> None:
    first = f"{words(ROOM - near - 1)},"
    assert [len(c) for c in parted(f"{first} {words(near + 3)}")] == [ROOM - near, near + 3]


def test_a_comma_far_back_or_right_behind_a_full_chunk_moves_nothing() -> None:
    assert [len(c) for c in parted(f"{words(ROOM - 21)}, {words(30)}")] == [ROOM, 10]
    assert [len(c) for c in parted(f"{words(ROOM - 5)}, {words(4)}, {words(2)}")] == [ROOM, 3], "the tag ends where the chunk does"


def test_a_break_ends_a_chunk_and_one_at_the_end_adds_none() -> None:
    assert [len(c) for c in parted("red BREAK red red")] == [1, 2] == [len(c) for c in parted("red BREAK red red BREAK ")]
    assert [len(c) for c in parted("BREAK red BREAK BREAK red")] == [0, 1, 0]
    assert words_of(parse("red BREAK (blue:1.2) dress")) == "red blue dress"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["red", "blue dress,", ",", "side view,", "(coat:1.3)", "BREAK"]), max_size=120))
def test_no_token_is_lost_or_moved_before_the_end(pieces: list[str]) -> None:
    text = " ".join(pieces)
    every = [i for part in parse(text) for said, _ in part for i in TOKENIZER(said, add_special_tokens=False).input_ids]
    found = parted(text)
    read = [i for chunk in found for i in chunk]
    assert len(found) <= chunks.MOST and all(len(chunk) <= ROOM for chunk in found) and read == every[: len(read)]
    assert chunks.unread(TOKENIZER, parse(text)) == len(every) - len(read)


def test_weights_stay_with_their_words_in_every_chunk() -> None:
    read = chunks.read(TOKENIZER, [parse(f"{words(ROOM - 1)} (blue dress:1.5) red")])
    blue, dress = TOKENIZER("blue dress", add_special_tokens=False).input_ids
    assert read.counts == (2,) and read.ids[read.weights == 1.5].tolist() == [blue, dress]
    assert [(row == 1.5).sum().item() for row in read.weights] == [1, 1]


def test_conditionings_are_repeated_to_the_smallest_length_that_all_reach() -> None:
    one, two, three = (torch.arange(2.0 * n).view(1, n, 2) for n in (4, 8, 12))
    a, b = alike([one, two])
    assert a.shape == b.shape == (1, 8, 2) and torch.equal(a, torch.cat([one, one], 1)) and b is two
    assert {c.shape[1] for c in alike([one, two, three])} == {24} and alike([one])[0] is one


def test_a_tokenizer_that_does_not_say_its_length_is_read_by_the_encoders(family_folder: Path, family) -> None:
    folder = family_folder
    names = [name for name in ("tokenizer", "tokenizer_2") if (folder / name / "tokenizer_config.json").is_file()]
    if not family.weighs or not names:
        return
    copy = folder.with_name(f"{folder.name}-silent")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    for name in names:
        file = copy / name / "tokenizer_config.json"
        said = json.loads(file.read_text())
        said.pop("model_max_length", None)
        file.write_text(json.dumps(said))
    silent = backbones.load(copy, "cpu")
    silent.autocast = family.autocast
    assert torch.equal(silent.encode_text(["side view", LONG]), family.encode_text(["side view", LONG]))


def test_a_long_text_is_its_chunks_one_after_another(family) -> None:
    if not family.weighs:
        pytest.skip("its reader takes long texts as they are")
    both, first, second = (family.encode_text([t]) for t in (LONG, LONG[: 12 * 20 - 1], LONG[12 * 20 :]))
    length = family.asking.shape[0]
    assert both.shape[1] == 2 * length and first.shape[1] == second.shape[1] == length
    said = tokens(family, both)
    torch.testing.assert_close(said, torch.cat([tokens(family, first), tokens(family, second)], 1), rtol=1e-4, atol=1e-5)
    parts = weighting.encode(family, [f"{LONG[: 12 * 20 - 1]} BREAK {LONG[12 * 20 :]}"])
    torch.testing.assert_close(parts, both, rtol=1e-4, atol=1e-5)
    assert [family.length(plain(t)) for t in ("", LONG, LONGER)] == [length, 2 * length, 3 * length]
    assert family.unread(plain(LONG)) == 0 < family.unread(plain(", ".join([LONG] * 6)))


def test_what_a_picture_is_of_comes_from_the_first_chunk(family) -> None:
    """Two text encoders' pooled embedding: the web UI and ComfyUI take the first chunk's."""
    if not family.weighs or tokens(family, one := family.encode_text([LONG])).shape == one.shape:
        pytest.skip("no pooled embedding")
    length = family.asking.shape[0]
    rows = one.unflatten(1, (-1, length))[:, :, -1]
    first = family.encode_text([LONG[: 12 * 20 - 1]])[:, -1]
    torch.testing.assert_close(rows[:, 0], first, rtol=1e-4, atol=1e-5)
    assert torch.equal(rows[:, 0], rows[:, 1])


def test_a_prediction_does_not_depend_on_how_long_the_texts_beside_it_are(family) -> None:
    noisy = torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(0))
    t = torch.tensor([20, 500, 900])
    texts = [SHORT, LONG, LONGER]
    with torch.no_grad():
        together = family.predict(noisy, t, family.encode_text(texts))
        alone = [family.predict(noisy[i : i + 1], t[i : i + 1], family.encode_text([text])) for i, text in enumerate(texts)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_the_end_of_a_long_text_counts(family) -> None:
    noisy, t = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(0)), torch.tensor([900])
    with torch.no_grad():
        one, other = (family.predict(noisy, t, family.encode_text([f"{LONG}, {end}"])) for end in ("green coat", "black shorts"))
    assert (one - other).abs().max() > 1e-6


# trained from captions of different lengths --------------------------------------------------------------
def pictures(base, captions: list[str], anchors: list[str] | None = None) -> TrainingSet:
    draws = torch.Generator().manual_seed(len(captions[0]))
    stack = torch.randint(0, 255, (len(captions), 3, 32, 32), generator=draws, dtype=torch.uint8)
    masks = torch.zeros(len(captions), 32, 32, dtype=torch.bool)
    masks[:, 8:16, 8:16] = True
    return encode(base, tuple(f"{len(c)}-{i}" for i, c in enumerate(captions)), stack, captions, masks, anchors)


def test_rows_of_captions_of_any_length_are_read(tiny_backbone) -> None:
    data = pictures(tiny_backbone, [SHORT, LONG, LONGER], [LONG, SHORT, SHORT])
    empty = tiny_backbone.encode_text([""])
    for step in range(3):
        for rows in rows_at(data, empty, 0, step, 2):
            assert rows.text.shape == rows.anchor.shape == rows.named.shape and torch.equal(rows.named, rows.anchor)


@pytest.mark.parametrize("objective", [outfit_on_identity(1.0), anchored_identity(0.5)], ids=["outfit", "identity"])
def test_adapters_of_short_and_long_captions_learn_together_as_they_do_alone(tiny_base, objective) -> None:
    base = backbones.load(tiny_base, "cpu")
    base.autocast = lambda: torch.autocast("cpu", enabled=False)
    config = TrainConfig(steps=3, rows=2, rank=2, alpha=2.0, learning_rate=5e-3)

    def adapter(name: str) -> Adapter:
        return Adapter(AdapterInfo("outfit", name, name, 2, 2.0, config.targets, base.sha256), base.target_layers(config.targets), 1)

    def learned(*which: str) -> dict[str, Adapter]:
        sets = {"short": pictures(base, [SHORT] * 3), "mixed": pictures(base, [SHORT, LONG, LONGER])}
        jobs = [Job(adapter(name), sets[name]) for name in which]
        train(base, jobs, objective, config)
        return {name: job.adapter for name, job in zip(which, jobs, strict=True)}

    together = learned("short", "mixed")
    for name, one in together.items():
        for a, b in zip(one.parameters(), learned(name)[name].parameters(), strict=True):
            assert torch.equal(a, b), name
        assert any(p.abs().max() > 0 for p in one.up), name
