from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dressform.dress.garments import asked_of
from dressform.errors import BadInput
from dressform.layfigure import canvas as cv
from dressform.layfigure.captions import caption, training_caption, unknown_words
from dressform.layfigure.doll import KINDS, POSES, VIEWS, VOCABULARY, Doll, Garment, Scene, attributes
from dressform.layfigure.render import SKIN_RGB, render
from dressform.layfigure.samples import draw_aoi
from dressform.layfigure.visible import visible
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, held_out_doll, is_held_out, training_doll

AOI = HELD_OUT_IDENTITIES["aoi"]


def test_the_same_parameters_give_the_same_bytes() -> None:
    doll = held_out_doll(random.Random(3))
    first, second = render(doll), render(doll)
    assert np.array_equal(first.picture, second.picture) and np.array_equal(first.labels, second.labels)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_any_size_can_be_drawn(size: int) -> None:
    drawn = render(Doll(AOI, None, Scene()), size)
    assert drawn.picture.shape == (size, size, 3) and drawn.labels.shape == (size, size)


def test_every_kind_view_and_pose_shows_a_garment_and_stays_inside_the_picture() -> None:
    for kind in KINDS:
        for view in VIEWS:
            for pose in POSES:
                labels = render(Doll(AOI, Garment(kind, "red", "white"), Scene(view, pose))).labels
                assert np.isin(labels, cv.GARMENT_LABELS).sum() > 100, (kind, view, pose)
                assert not labels[:, 0].any() and not labels[:, -1].any() and not labels[-1].any(), (kind, view, pose)


def test_the_neutral_layer_has_no_garment_pixel() -> None:
    for view in VIEWS:
        assert not render(Doll(AOI, None, Scene(view))).garment_mask.any()


def test_labels_are_exact_where_the_background_is() -> None:
    plain = render(Doll(AOI, HELD_OUT_DESIGNS["dress-a"], Scene("front", "standing", "white")))
    inside = np.ones_like(plain.labels, dtype=bool)
    inside[1:-1, 1:-1] = (plain.labels[1:-1, 1:-1] == 0) & (plain.labels[:-2, 1:-1] == 0) & (plain.labels[2:, 1:-1] == 0)
    inside &= (np.roll(plain.labels, 1, 1) == 0) & (np.roll(plain.labels, -1, 1) == 0) & (plain.labels == 0)
    assert (np.abs(plain.picture[inside].astype(int) - 252) < 90).mean() > 0.99


def test_every_word_of_a_caption_was_taught_and_one_that_was_not_is_named_with_the_nearest() -> None:
    rng = random.Random(0)
    assert not [w for _ in range(300) for w in unknown_words(caption(training_doll(rng)))]
    assert unknown_words("tall heigth, Wavng, purple sea, zorbel, 24, a") == ["heigth (height?)", "wavng (waving?)", "sea", "zorbel"]
    assert unknown_words("aoi, side view at", ("aoi",)) == ["at"] and unknown_words("glasses") == ["glasses"], "no caption says it"


def test_a_prompt_is_read_for_words_that_are_not_hers_and_were_not_taught(her) -> None:
    from dressform.records import Outfit
    from dressform.workspace import dressing

    her.character = replace(her.character, outfits=(Outfit("dress", "aoi_robe7x"),))
    assert dressing.unknown_words(her, "Aoi, aoi_robe7x, (wavng:1.2), side view") == ["wavng (waving?)"]


def test_training_never_draws_what_is_held_out() -> None:
    rng = random.Random(0)
    drawn = [training_doll(rng) for _ in range(3000)]
    assert not any(is_held_out(d) for d in drawn)
    assert all(is_held_out(held_out_doll(rng)) for _ in range(200))


def test_captions_name_every_attribute_once() -> None:
    doll = Doll(AOI, HELD_OUT_DESIGNS["coat-a"], Scene("side", "waving", "night"))
    text = caption(doll, ("aoi", "aoi_coat"))
    assert text.startswith("aoi, aoi_coat, ")
    assert all(word in text for word in attributes(doll).values() if word != "none")
    assert training_caption(doll, random.Random(1)) == training_caption(doll, random.Random(1))


def test_vocabulary_words_are_what_a_doll_holds() -> None:
    rng = random.Random(5)
    for _ in range(200):
        assert all(word in VOCABULARY[name] for name, word in attributes(training_doll(rng)).items())


def test_a_mark_under_a_coat_is_not_visible_but_on_the_bare_mannequin_it_is() -> None:
    bare, coat = Doll(AOI, None, Scene()), Doll(AOI, Garment("coat", "red", "white"), Scene())
    assert "mark" in visible(bare, render(bare)) and "mark" not in visible(coat, render(coat))
    from_behind = Doll(AOI, None, Scene("back"))
    assert "eyes" not in visible(from_behind, render(from_behind))


def test_a_ponytail_is_not_visible_from_the_front_where_short_hair_looks_the_same() -> None:
    for view, shows in (("front", False), ("side", True), ("back", True)):
        doll = Doll(replace(AOI, hair_style="ponytail"), None, Scene(view))
        assert ("hair_style" in visible(doll, render(doll))) == shows, view


def test_long_hair_and_pointed_ears_are_seen_from_the_front_whatever_is_worn() -> None:
    long_haired = replace(AOI, hair_style="long", ears="pointed")
    for kind in KINDS:
        for view in ("front", "three-quarter"):
            doll = Doll(long_haired, Garment(kind, "red", "white"), Scene(view, "standing", "white"))
            assert {"hair_style", "ears"} <= visible(doll, render(doll)), (kind, view)


def test_ears_and_twintails_are_seen_from_the_side() -> None:
    for field, word, other in (("ears", "cat", "round"), ("ears", "pointed", "round"), ("hair_style", "twintails", "short")):
        seen, without = (
            render(Doll(replace(AOI, **{"hair_style": "short", field: worn}), None, Scene("side"))).picture.astype(int)
            for worn in (word, other)
        )
        assert (np.abs(seen - without).max(-1) > 24).sum() >= 60, word


def test_no_two_skins_are_near_each_other() -> None:
    skins = np.array(list(SKIN_RGB.values()), dtype=np.float64)
    apart = np.linalg.norm(skins[:, None] - skins[None], axis=-1) + 1e9 * np.eye(len(skins))
    assert apart.min() > 80


def test_the_embedded_base_model_is_asked_for_a_garment_in_whole_tags() -> None:
    for said, tag in (
        ("green coat", "plain green and green coat"),
        ("Red, striped sweater dress", "striped red and red dress"),
        ("checked kimono in pink and black", "checked pink and black kimono"),
        ("suit", "plain white and white suit"),
    ):
        assert asked_of("layfigure", said) == tag and asked_of("/models/other", said) == said
    assert asked_of("/models/other", "silk gown") == "silk gown"
    for unknown, hint in (("silk gown", "swimsuit, dress"), ("straw hat", "covers her")):
        with pytest.raises(BadInput, match=hint):
            asked_of("layfigure", unknown)


def test_the_sample_character_is_drawn_as_she_lies_in_the_examples(tmp_path: Path) -> None:
    draw_aoi(tmp_path)
    there = Path(__file__).parents[1] / "examples" / "aoi"
    files = [file.relative_to(there) for file in there.rglob("*") if file.is_file()]
    assert len(files) == 204 and sorted(files) == sorted(f.relative_to(tmp_path) for f in tmp_path.rglob("*") if f.is_file())
    for file in files:
        if file.suffix == ".png":
            assert np.array_equal(np.asarray(Image.open(tmp_path / file)), np.asarray(Image.open(there / file))), file
        else:
            assert (tmp_path / file).read_text() == (there / file).read_text()
