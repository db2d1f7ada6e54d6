"""Garment masks: refined from coarse maps, from a neutral twin, from the base model's own attention, and kept sealed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from dressform import backbones
from dressform.backbones import attention_maps, chunks
from dressform.backbones.attention_maps import Looks
from dressform.backbones.embedded import embedded_folder
from dressform.backbones.text import plain
from dressform.errors import BadInput, NotReady, Refused, UnknownName
from dressform.layfigure import canvas as cv
from dressform.layfigure.captions import NEUTRAL, scene_tags
from dressform.layfigure.doll import Doll, Scene
from dressform.layfigure.render import Render, render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.pictures import foreground, intake, masks
from dressform.records import Outfit, Picture
from dressform.workspace import consenting, masking
from recipes.layfigure.make_tokenizer import build

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace

SCENE = Scene("front", "waving", "sky")
AOI = HELD_OUT_IDENTITIES["aoi"]


def drawn(kind: str | None = "dress-a", scene: Scene = SCENE, side: int = 128) -> Render:
    return render(Doll(AOI, HELD_OUT_DESIGNS[kind] if kind else None, scene), side)


def coarse(values: np.ndarray, cells: int) -> np.ndarray:
    """Shares of labels over cells, as a reader without any fault would give them."""
    side = values.shape[0] // cells
    one_hot = np.stack([values == label for label in range(len(cv.LABELS))]).astype(np.float32)
    return one_hot.reshape(len(cv.LABELS), cells, side, cells, side).mean((2, 4))


def test_a_coarse_label_map_is_refined_to_the_pixels_of_the_picture() -> None:
    shown = drawn()
    shares = coarse(shown.labels, 16)
    blunt = masks.resized(shares[list(cv.GARMENT_LABELS)].sum(0), 128) > 0.5
    fine = masks.refined(shown.picture, shares, cv.GARMENT_LABELS)
    assert masks.overlap(fine, shown.garment_mask) > 0.9 > masks.overlap(blunt, shown.garment_mask)


def test_a_blurred_map_of_the_garment_finds_it_by_its_colours() -> None:
    shown = drawn("kimono-a")
    blurred = masks.resized(coarse(shown.labels, 8)[list(cv.GARMENT_LABELS)].sum(0), 128)
    found, blunt = foreground.garment(shown.picture, blurred), blurred > 0.5
    assert masks.overlap(found, shown.garment_mask) > masks.overlap(blunt, shown.garment_mask)


def test_a_map_without_any_garment_is_no_error() -> None:
    blank = np.full((128, 128, 3), 200, np.uint8)
    assert foreground.garment(blank, np.zeros((8, 8))).shape == (128, 128)


def test_overlap_counts_intersection_over_union() -> None:
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert masks.overlap(one, other) == 1.0
    one[:2], other[1:3] = True, True
    assert masks.overlap(one, other) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (100, 50), (50, 100), (33, 97), (500, 3)])
def test_a_mask_made_on_the_fitted_square_returns_to_its_picture(width: int, height: int) -> None:
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = True
    back = masks.unfitted(intake.fitted_mask(mask, 128), width, height)
    assert back.shape == mask.shape and (height < 10 or masks.overlap(back, mask) > 0.85)


def test_the_difference_with_a_neutral_twin_is_the_garment() -> None:
    dressed, neutral = drawn(), drawn(None)
    found = masks.changed(dressed.picture, neutral.picture)
    assert masks.overlap(found, dressed.garment_mask) > 0.8
    assert not masks.changed(neutral.picture, neutral.picture).any()


# the base model's own attention -------------------------------------------------------------------------
def test_recording_changes_nothing_and_leaves_nothing_behind(tiny_backbone, monkeypatch) -> None:
    monkeypatch.setattr(tiny_backbone, "autocast", lambda: torch.autocast("cpu", enabled=False))
    text, t = tiny_backbone.encode_text(["red dress"]), torch.tensor([100])
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    before = {n: m.processor for n, m in tiny_backbone.denoiser.named_modules() if n.endswith("attn2")}
    with torch.no_grad():
        plain = tiny_backbone.predict(noisy, t, text)
        with attention_maps.recorded(tiny_backbone.denoiser) as found:
            kept = tiny_backbone.predict(noisy, t, text)
    torch.testing.assert_close(kept, plain, rtol=1e-4, atol=1e-4)
    assert before and set(found.maps) == set(before)
    for one in found.maps.values():
        torch.testing.assert_close(one.sum(-1), torch.ones_like(one.sum(-1)), rtol=1e-2, atol=1e-2)
    assert {n: m.processor for n, m in tiny_backbone.denoiser.named_modules() if n.endswith("attn2")} == before
    with pytest.raises(RuntimeError), attention_maps.recorded(tiny_backbone.denoiser):
        raise RuntimeError
    assert {n: m.processor for n, m in tiny_backbone.denoiser.named_modules() if n.endswith("attn2")} == before


def test_every_word_has_the_rows_of_its_own_tokens(tiny_backbone) -> None:
    text = "tan skin, striped red and blue dress, three-quarter view, waving"
    offsets = tiny_backbone.asking.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    words = ("tan skin", "red", "blue", "dress", "three-quarter view", "waving")
    spans = [(text.index(w), text.index(w) + len(w)) for w in words]
    wanted = [[i for i, (a, b) in enumerate(offsets) if start <= a < b <= end] for start, end in spans]
    assert all(wanted) and tiny_backbone.rows_of(text, spans) == wanted


def test_a_word_that_the_text_encoder_cuts_off_has_no_rows(tiny_backbone) -> None:
    text = ", ".join(["red and blue dress"] * 80)
    first, last = tiny_backbone.rows_of(text, [(0, 3), (len(text) - 5, len(text))])
    assert first and not last


@pytest.mark.parametrize("before", [" ".join(["red"] * n) for n in (0, 57, 58, 59, 60, 61, 62, 63, 121, 124)])
@pytest.mark.parametrize("comma", ["", ","])
@pytest.mark.parametrize("after", ["", ", side view", ", red" * 40])
def test_words_of_a_long_text_have_their_rows_in_every_chunk(family, before: str, comma: str, after: str) -> None:
    """The words stand before, over and after the places where the text is parted, and at their ends."""
    text, start = f"{before}{comma} striped green coat{after}", len(before) + len(comma) + 1
    span = (start, start + len("striped green coat"))
    if not family.weighs:
        with pytest.raises(NotReady, match="--by neutral"):
            family.rows_of(text, [span])
        return
    (rows,) = family.rows_of(text, [span])
    read, coat = chunks.read(build(), [plain(text)]), build()("striped green coat", add_special_tokens=False).input_ids
    assert read.ids.flatten()[rows].tolist() == coat


@pytest.mark.parametrize("before", [59, 60, 75])
def test_words_at_the_end_of_a_chunk_are_looked_for(before: int) -> None:
    embedded = backbones.load("layfigure", "cpu")
    text = f"{' '.join(['red'] * before)}, coat"
    found = attention_maps.word_maps(
        embedded, torch.zeros(3, 128, 128, dtype=torch.uint8), text, [(len(text) - 4, len(text))], Looks((100,), 1)
    )
    assert found.shape == (1, 128, 128) and found.max() > 0


def test_a_base_model_without_such_layers_is_named(tiny_backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_maps, "_CROSS", "no_such_layer")
    with pytest.raises(NotReady, match="--by neutral"):
        attention_maps.word_maps(tiny_backbone, torch.zeros(3, 32, 32, dtype=torch.uint8), "dress", [(0, 5)], Looks())


# a character's pictures ------------------------------------------------------------------------------------
def put(her: Workspace, name: str, outfit: str | None, shown: Render, caption: str) -> Picture:
    side = shown.picture.shape[0]
    picture = Picture(f"id{name}", outfit, caption, side, side, False, f"{name}.png")
    her.store.write(f"pictures/{picture.id}.png", intake.png(np.ascontiguousarray(shown.picture)))
    her.store.write(f"pictures/{picture.id}.json", json.dumps(asdict(picture)).encode())
    return picture


@pytest.fixture
def unmasked(her: Workspace) -> Workspace:
    """Two dress pictures, one with a neutral twin, none with a mask."""
    her.character = replace(her.character, base_model="elsewhere", outfits=(Outfit("dress", "aoi_dress"),))
    put(her, "n", None, drawn(None), ", ".join([NEUTRAL, *scene_tags(SCENE)]))
    put(her, "with", "dress", drawn(), ", ".join(scene_tags(SCENE)))
    put(her, "without", "dress", drawn(scene=Scene("back")), ", ".join(scene_tags(Scene("back"))))
    return her


def mask_of(her: Workspace, name: str) -> np.ndarray:
    return intake.from_png(her.store.read(f"pictures/id{name}.mask.png")) > 127


def test_masks_from_neutral_twins_are_kept_recorded_and_shown(unmasked: Workspace) -> None:
    found = masking.mask(unmasked, "dress", "neutral")
    assert found.done == ("with.png",) and [s for s, _ in found.left] == ["without.png"]
    assert masks.overlap(mask_of(unmasked, "with"), drawn().garment_mask) > 0.8
    assert {p.source: p.has_mask for p in unmasked.pictures("dress")} == {"with.png": True, "without.png": False}
    assert intake.from_png(unmasked.store.read(found.preview)).shape == (128, 128, 3)
    line = unmasked.gate.ledger.entries()[-1].body
    assert line["action"] == "caption" and line["inputs"] == ["idwith"] and line["assets"] == ["outfit:dress", "neutral"]


def test_what_has_a_mask_is_left_alone_unless_it_is_asked_for_again(unmasked: Workspace) -> None:
    masking.mask(unmasked, "dress", "neutral")
    unmasked.store.write("pictures/idwith.mask.png", intake.png(np.ones((128, 128), bool)))
    assert masking.mask(unmasked, "dress", "neutral").done == ()
    assert mask_of(unmasked, "with").all()
    assert masking.mask(unmasked, "dress", "neutral", again=True).done == ("with.png",)
    assert not mask_of(unmasked, "with").all()


def test_where_every_picture_has_its_mask_nothing_is_asked_of_a_way_to_find_one(unmasked: Workspace) -> None:
    masking.mask(unmasked, "dress", "neutral")
    for picture in unmasked.pictures():
        unmasked.store.delete(f"pictures/{picture.id}.json")
    for picture in unmasked.pictures("dress"):
        row = json.loads(unmasked.store.read(f"pictures/{picture.id}.json")) | {"has_mask": True}
        unmasked.store.write(f"pictures/{picture.id}.json", json.dumps(row).encode())
    assert masking.mask(unmasked, "dress", "neutral") == masking.Masked("neutral", (), (), "")
    with pytest.raises(NotReady, match="no neutral picture"):
        masking.mask(unmasked, "dress", "neutral", again=True)


def test_a_mask_of_nothing_or_of_everything_is_not_kept(unmasked: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (False, True):
        monkeypatch.setattr(masks, "changed", lambda *_, value=value: np.full((128, 128), value))
        found = masking.mask(unmasked, "dress", "neutral")
        assert found.done == () and "no garment was found" in found.left[0][1]
    assert not [n for n in unmasked.store.list("pictures/") if "mask" in n]


def test_a_garment_is_looked_for_by_its_own_words_where_the_body_holds_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[int, int]] = []

    def maps(*given: list[tuple[int, int]]) -> torch.Tensor:
        said[:] = given[3]
        return torch.rand(len(said), 8, 8)

    monkeypatch.setattr(attention_maps, "word_maps", maps)
    asked = ("greenish skin", "green dress", "green")
    text, square = ", ".join(asked), torch.zeros(3, 64, 64, dtype=torch.uint8)
    for tag, parts in (("green dress", ["green", "dress"]), ("green", ["green", "green"])):
        masking.by_words(None, square, asked, [tag])  # type: ignore[arg-type]
        assert [text[a:b] for a, b in said] == parts
        assert said[0][0] == len(", ".join(asked[: asked.index(tag)])) + 2, "the tag itself, not the same letters within another"


def test_masks_need_consent_and_names_that_exist(unmasked: Workspace) -> None:
    with pytest.raises(UnknownName, match="dress"):
        masking.mask(unmasked, "dres")
    with pytest.raises(BadInput, match="reader, words, neutral"):
        masking.way_of("magic")
    with pytest.raises(NotReady, match="lay-figure world alone"):
        masking.mask(unmasked, "dress", "reader")
    consenting.narrow(unmasked, ("caption",), "en")
    with pytest.raises(Refused, match="caption"):
        masking.mask(unmasked, "dress", "neutral")
    assert not [n for n in unmasked.store.list("pictures/") if "mask" in n]


@pytest.mark.recipe
@pytest.mark.skipif(not (embedded_folder().parent / "reader").is_dir(), reason="the reader is not trained yet")
def test_on_the_embedded_world_both_ways_find_the_garment(unmasked: Workspace) -> None:
    from dressform.layfigure.captions import garment_tag, identity_tags

    unmasked.character = replace(unmasked.character, base_model="layfigure", description=", ".join(identity_tags(AOI)))
    for by, least in (("auto", 0.85), ("words", 0.6)):
        found = masking.mask(unmasked, "dress", masking.way_of(by), [garment_tag(HELD_OUT_DESIGNS["dress-a"])], again=True)
        assert len(found.done) == 2
        assert masks.overlap(mask_of(unmasked, "with"), drawn().garment_mask) > least, by
