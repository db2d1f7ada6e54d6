"""Accessories and scales, measured: where the answer is known, and through the whole command's action on a tiny model."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from dressform.errors import NotReady
from dressform.layfigure.accessories import Accessory, render_with
from dressform.layfigure.doll import COLOURS, VIEWS, Doll, Garment, Scene, attributes
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, distinct_scenes
from dressform.measure.accessories import TRIED_ON, appearance, shows
from dressform.measure.curves import SCALES, curves, drawing
from dressform.measure.report import Measured, page
from dressform.measure.separation import figures, matrix
from dressform.pictures import intake
from tests.test_separation import BLUE, NEUTRAL, RED, TRUTH, probe

AOI = HELD_OUT_IDENTITIES["aoi"]


@pytest.mark.parametrize(("kind", "colour"), [("hat", "red"), ("glasses", "black"), ("bag", "yellow")])
def test_an_accessory_is_seen_where_it_is_and_only_there(kind: str, colour: str) -> None:
    """Known from ten pictures over the neutral layer; looked for in pictures over other garments, all of them true ones."""
    accessory, scenes = Accessory(kind, colour), distinct_scenes(random.Random(0), 26)
    own = [(s, render_with(Doll(AOI, None, s), accessory)) for s in scenes[:10] if s.view != "back"]
    known = appearance([d.picture for _, d in own], [d.mask for _, d in own], [s.view for s, _ in own])
    on, off = [], []
    for i, scene in enumerate(s for s in scenes[10:] if s.view != "back"):
        doll = Doll(AOI, list(HELD_OUT_DESIGNS.values())[2 * i], scene)
        bare = render(doll).picture
        on.append(shows(known, render_with(doll, accessory).picture, bare, scene.view))
        off.append(shows(known, bare, bare, scene.view))
    assert len(told := [one for one in on if one is not None]) > 8 and all(told) and not any(off)
    other = COLOURS[(COLOURS.index(colour) + 4) % len(COLOURS)]
    front = Doll(AOI, None, Scene())
    assert not shows(known, render_with(front, Accessory(kind, other)).picture, render(front).picture, "front")


def test_a_yellow_bag_before_a_yellow_coat_is_not_judged() -> None:
    bag, scene = Accessory("bag", "yellow"), Scene("side")
    own = render_with(Doll(AOI, None, scene), bag)
    known = appearance([own.picture], [own.mask], ["side"])
    for colour, told in (("yellow", None), ("blue", True)):
        coat = Doll(AOI, Garment("coat", colour, "black"), scene)
        assert shows(known, render_with(coat, bag).picture, render(coat).picture, "side") is told, colour


def test_a_view_that_no_picture_has_says_nothing() -> None:
    front = render_with(Doll(AOI, None, Scene()), Accessory("hat", "red"))
    known = appearance([front.picture], [front.mask], ["front"])
    assert shows(known, front.picture, front.picture, "back") is None and known.places.keys() == {"front"} < set(VIEWS)


def test_curves_count_each_measure_at_each_scale() -> None:
    found = curves(
        {1.0: [probe("dress", **RED)] * 4, 0.5: [probe("dress", **RED), probe("dress", **BLUE), *[probe("dress", **NEUTRAL)] * 2]}, TRUTH
    )
    assert {name: [f.value for f in line.values()] for name, line in found.items()} == {
        "outfit_fidelity": [0.25, 1.0],
        "identity_fidelity": [1.0, 1.0],
        "burn_in": [0.25, 0.0],
        "undressed": [0.5, 0.0],
    }
    assert list(found["burn_in"]) == ["0.5", "1"] and found["burn_in"]["0.5"].n == 4


def test_the_drawing_shows_every_figure_and_stands_in_the_page() -> None:
    found = curves({1.0: [probe("dress", **RED)], 0.5: [probe("dress", **BLUE)]}, TRUTH)
    svg = drawing(found)
    root = ElementTree.fromstring(f"<div>{svg}</div>")
    dots = [(d.get("cx"), d.get("cy"), d[0].text) for d in root.iter("circle")]
    assert len(dots) == 8 and any("outfit fidelity at 0.5: 0.0%" in text for _, _, text in dots)
    heights = {text.split(":")[0]: float(y) for _, y, text in dots}
    assert heights["outfit fidelity at 1"] < heights["outfit fidelity at 0.5"], "more is drawn lower"
    probes = [probe("dress", **RED), probe("neutral", **NEUTRAL)]
    plain = Measured(figures(probes, TRUTH), matrix(probes, TRUTH), TRUTH, {"true": {"skin": 1.0}})
    whole = page("her", replace(plain, accessories={"<hat": {"shows": found["burn_in"]["1"]}}, curves=found))
    assert svg in whole and "With &lt;hat" in whole and TRIED_ON["shows"] in whole and "http" not in whole
    assert "<svg" not in page("her", plain)


class _SeesTheDress:
    """A reader that sees aoi in her dress from the front in every picture."""

    card = {"true renders": {"kind": 1.0}}  # noqa: RUF012

    def read(self, pictures):
        from dressform.measure.reader import Reading

        doll = Doll(AOI, HELD_OUT_DESIGNS["dress-a"], Scene())
        return [Reading(dict(attributes(doll)), (700, 40, 30, 10, 4, 0, 180, 40, 20)) for _ in pictures]


@pytest.mark.recipe
def test_measuring_her_tries_on_what_she_has(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dressform.dress.sampler import SampleConfig
    from dressform.layfigure import samples
    from dressform.measure import reader
    from dressform.workspace import measuring, training
    from tests.test_accessories import made

    samples.draw(tmp_path / "neutral", AOI, None, 2, seed=0, size=64)
    samples.draw(tmp_path / "dress", AOI, HELD_OUT_DESIGNS["dress-a"], 2, seed=1, size=64)
    samples.draw_accessory(tmp_path / "hat", AOI, Accessory("hat", "red"), None, 2, seed=2, size=64)
    monkeypatch.setattr(reader, "load", lambda device: _SeesTheDress())
    monkeypatch.setattr(training, "preview", lambda *_a: None)
    her = made(tmp_path / "aoi", tiny_base, tmp_path, ("neutral", "dress", "hat"))
    training.run(her, *training.recipes(2, 0, 1))
    drawn: list[int] = []
    plain = measuring.measure(her, 2, 1, SampleConfig(1), lambda done, _all: drawn.append(done))
    assert drawn[-1] == 2 + 2 + 2 and plain.curves == {} and plain.accessories["hat"].keys() == TRIED_ON.keys()
    tried = plain.accessories["hat"]
    assert tried["outfit_fidelity_with"].n == tried["outfit_fidelity_without"].n == 2 and tried["seen_in_true"].n == 2
    assert her.gate.ledger.entries()[-2].body["assets"] == ["neutral", "outfit:dress", "outfit:hat"]
    whole = measuring.measure(her, 2, 1, SampleConfig(1), lambda done, _all: drawn.append(done), scales_too=True)
    assert drawn[-1] == 6 + 2 * (len(SCALES) - 1) and list(whole.curves["burn_in"]) == ["0.5", "0.75", "1", "1.2", "1.5"]
    assert asdict(whole.figures["burn_in"]) == asdict(plain.figures["burn_in"])
    measuring.write_page(whole, "aoi", tmp_path / "page.html")
    assert "<svg" in (tmp_path / "page.html").read_text() and '"0.75"' in measuring.to_json(whole)
    for picture in her.pictures("hat"):
        size = (picture.height_px, picture.width_px)
        her.store.write(f"pictures/{picture.id}.mask.png", intake.png(np.zeros(size, bool)))
    without = measuring.measure(her, 2, 1, SampleConfig(1))
    assert without.accessories == {} and without.figures == plain.figures, "a mask of nothing says nothing of a hat"
    real = measuring.read_pictures

    def bare(workspace, reader_, pictures):
        seen = real(workspace, reader_, pictures)
        return [replace(r, words={**r.words, "kind": "neutral"}) if p.outfit else r for p, r in zip(pictures, seen, strict=True)]

    monkeypatch.setattr(measuring, "read_pictures", bare)
    with pytest.raises(NotReady, match="dress: the reader, which knows lay-figure dolls, sees no garment"):
        measuring.measure(her, 2, 1, SampleConfig(1))


@pytest.mark.recipe
def test_an_outfit_in_which_no_garment_is_seen_is_left_out_and_named(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dressform.dress.sampler import SampleConfig
    from dressform.layfigure import samples
    from dressform.measure import reader
    from dressform.workspace import measuring, training
    from tests.test_accessories import made

    samples.draw(tmp_path / "neutral", AOI, None, 2, seed=0, size=64)
    for i, name in enumerate(("dress", "coat")):
        samples.draw(tmp_path / name, AOI, HELD_OUT_DESIGNS[f"{name}-a"], 2, seed=1 + i, size=64)
    monkeypatch.setattr(reader, "load", lambda device: _SeesTheDress())
    monkeypatch.setattr(training, "preview", lambda *_a: None)
    her = made(tmp_path / "aoi", tiny_base, tmp_path, ("neutral", "dress", "coat"))
    training.run(her, *training.recipes(2, 0, 1))
    real = measuring.read_pictures

    def bare(workspace, reader_, pictures):
        seen = real(workspace, reader_, pictures)
        return [replace(r, words={**r.words, "kind": "neutral"}) if p.outfit == "coat" else r for p, r in zip(pictures, seen, strict=True)]

    monkeypatch.setattr(measuring, "read_pictures", bare)
    found = measuring.measure(her, 2, 1, SampleConfig(1))
    assert list(found.matrix) == ["neutral", "dress"] and list(found.matrix["dress"]) == ["neutral", "dress", "another"]
    dolls_alone, left = found.notes
    assert "lay-figure dolls alone" in dolls_alone and left.startswith("coat: not measured")
    measuring.write_page(found, "aoi", tmp_path / "page.html")
    assert all(line in (tmp_path / "page.html").read_text() and line in measuring.to_json(found) for line in found.notes)
