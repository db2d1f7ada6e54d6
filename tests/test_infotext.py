"""Infotext: read back by the rules of the program that it is written for."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from dressform import __version__
from dressform.dress.infotext import KEY, Made, Worn, text
from dressform.errors import BadInput
from tests import infotext_reader

MADE = Made(
    "aoi, aoi_dress, (red scarf:1.2), side view", (Worn("aoi", 1.0, "a" * 64), Worn("aoi-dress", 0.8, "b" * 64)), 20, 1.5, 42, 512, 768,
    "layfigure", "0123456789abcdef" * 4,
)  # fmt: skip


def test_a1111_reads_everything_back() -> None:
    found = infotext_reader.read(text(MADE))
    assert found == {
        "Prompt": "aoi, aoi_dress, (red scarf:1.2), side view <lora:aoi:1> <lora:aoi-dress:0.8>", "Negative prompt": "",
        "Steps": "20", "CFG scale": "1.5", "Seed": "42", "Size-1": "512", "Size-2": "768", "Model hash": "0123456789",
        "Model": "layfigure", "Lora hashes": f"aoi: {'a' * 12}, aoi-dress: {'b' * 12}", "Version": f"dressform {__version__}",
    }  # fmt: skip
    assert infotext_reader.loras(found["Prompt"]) == [("aoi", "1"), ("aoi-dress", "0.8")]


@pytest.mark.parametrize("model", ["plain", "a, b", "c: d", 'say "hi"', "back\\slash", 'all, of: "them\\'])
def test_values_that_need_quotes_get_them(model: str) -> None:
    assert infotext_reader.read(text(replace(MADE, model=model)))["Model"] == model


def test_line_ends_do_not_end_the_prompt() -> None:
    made = replace(MADE, prompt="aoi\nNegative prompt: x\nSteps: 1, Seed: 2, Size: 1x1", negative="blur,\nhaze")
    found = infotext_reader.read(text(made))
    assert found["Seed"] == "42" and found["Negative prompt"] == "blur, haze"
    assert found["Prompt"].startswith("aoi Negative prompt: x Steps: 1")


def test_without_an_adapter_there_are_no_hashes() -> None:
    found = infotext_reader.read(text(replace(MADE, worn=())))
    assert "Lora hashes" not in found and found["Prompt"] == MADE.prompt


@pytest.mark.parametrize("made", [replace(MADE, prompt="青い aoi"), replace(MADE, model="modèle")])
def test_what_is_not_ascii_is_refused(made: Made) -> None:
    with pytest.raises(BadInput, match="ASCII"):
        text(made)


def test_a_name_that_would_break_the_tag_is_refused() -> None:
    with pytest.raises(BadInput, match="lora:NAME"):
        text(replace(MADE, worn=(Worn("a:b>", 1.0, ""),)))


def test_a_prompt_that_would_load_something_else_is_refused() -> None:
    for made in (replace(MADE, prompt="aoi, <lora:other:0.9>"), replace(MADE, negative="<hypernet:blur:1>")):
        with pytest.raises(BadInput, match="would load that"):
            text(made)
    assert "<3" in infotext_reader.read(text(replace(MADE, prompt="aoi <3")))["Prompt"]


def test_pillow_writes_it_as_the_chunk_that_every_site_reads() -> None:
    from dressform.workspace.finishing import png

    data = png(Image.new("RGB", (4, 4)), text(MADE))
    assert data.count(b"tEXtparameters\x00") == 1 and b"iTXt" not in data
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.info == {KEY: text(MADE)}
    with Image.open(io.BytesIO(png(Image.new("RGB", (4, 4))))) as picture:
        assert picture.info == {}
