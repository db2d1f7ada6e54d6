from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from benchmarks.pictures.making_sheets import laid_out, sheet, turnaround
from benchmarks.pictures.scoring import whole
from dressform.errors import BadInput
from dressform.layfigure import samples
from dressform.layfigure.doll import Doll, Scene
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, random_garment, random_identity
from dressform.pictures import components, sheets
from dressform.pictures.intake import Decoded
from dressform.pictures.sheets import Cutting
from dressform.pictures.symmetry import mirrored_edge, symmetry
from tests import paper_dolls

AUTO = Cutting()


def drawn_over(pixels: np.ndarray, *draw) -> np.ndarray:
    image = Image.fromarray(pixels)
    for one in draw:
        one(ImageDraw.Draw(image))
    return np.asarray(image)


def test_parts_and_runs_of_a_small_picture() -> None:
    mask = np.array([[1, 1, 0, 0, 1], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 1, 1, 1]], bool)
    labels, count = components.labelled(mask)
    assert count == 4 and labels[0, 0] == labels[1, 1] != labels[0, 4] == labels[1, 3] and not labels[2].any()
    assert sorted(p.area for p in components.parts(labels, count)) == [1, 3, 3, 3]
    assert components.run_lengths(mask).tolist()[0] == [2, 2, 0, 0, 1] and components.run_lengths(mask)[3].tolist() == [1, 0, 3, 3, 3]


def test_a_winding_part_is_one_part() -> None:
    spiral = np.zeros((41, 41), bool)
    for i in range(0, 20, 2):
        spiral[i, i : 41 - i] = spiral[40 - i, i : 41 - i] = spiral[i : 41 - i, i] = spiral[i : 41 - i, 40 - i] = True
        spiral[i + 1, i] = False
        if i < 18:
            spiral[i + 2, i + 1] = True
    assert components.labelled(spiral)[1] == 1


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_the_figures_of_a_sheet_are_counted_and_cut_from_left_to_right(count: int) -> None:
    pixels = paper_dolls.sheet(count)
    found = sheets.cut(pixels, AUTO)
    assert sheets.figures(pixels) == len(found.cuts) == count
    step = round(160 * 0.32) + 30
    for i, one in enumerate(found.cuts):
        assert abs((one.left + one.right) / 2 - (20 + step // 2 + i * step)) < 4 and one.bottom - one.top >= 160


def test_labels_lines_and_palettes_are_no_figures_and_are_painted_over() -> None:
    def extras(paint: ImageDraw.ImageDraw) -> None:
        paint.line((0, 190, 400, 190), fill=(0, 0, 0), width=2)
        paint.text((40, 196), "FRONT", fill=(0, 0, 0), font_size=14)
        for i in range(5):
            paint.rectangle((262, 40 + 20 * i, 282, 60 + 20 * i), fill=(200, 40 * i, 90))

    pixels = drawn_over(paper_dolls.sheet(3), extras)
    found = sheets.cut(pixels, AUTO)
    assert len(found.cuts) == 3 and max(one.right for one in found.cuts) <= 275


def test_figures_that_touch_are_parted() -> None:
    def bridge(paint: ImageDraw.ImageDraw) -> None:
        paint.rectangle((50, 100, 140, 106), fill=(120, 60, 30))

    pixels = drawn_over(paper_dolls.sheet(2, gap=10), bridge)
    found = sheets.cut(pixels, AUTO)
    assert len(found.cuts) == 2
    assert abs(found.cuts[0].right - found.cuts[1].left) < 40


@pytest.mark.parametrize("seed", [700289, 700306, 700500], ids=["a sleeve", "an arm and an ear", "a pony tail"])
def test_what_lies_between_two_figures_goes_to_the_one_that_has_its_like_on_the_other_side(seed: int) -> None:
    made = sheet(seed, 256)
    assert made.touching and all(whole(made.pixels, made.owners, made.count))


@pytest.mark.parametrize("seed", [700462, 700678, 700784], ids=["hair", "hair, twice", "an ear"])
def test_two_that_hang_together_all_the_way_down_are_larger_than_the_others_and_parted(seed: int) -> None:
    made = sheet(seed, 256)
    assert whole(made.pixels, made.owners, made.count) == [True] * made.count


@pytest.mark.parametrize("seed", [6, 28, 57], ids=["a tracksuit", "a uniform", "a sweater"])
def test_a_wide_front_beside_narrow_sides_is_one_figure(seed: int) -> None:
    rng = random.Random(seed)
    who, worn = random_identity(rng), random_garment(rng)
    made = laid_out(rng, [Doll(who, worn, Scene(view)) for view in ("front", "side", "side")], False, 256)
    assert sheets.figures(made.pixels) == 3


@pytest.mark.parametrize("seed", [700232, 700294, 700440, 700692], ids=["bare legs", "grain", "a moon behind her", "a moon between two"])
def test_on_a_dark_ground_figures_have_the_outline_that_it_hides(seed: int) -> None:
    made = sheet(seed, 256)
    assert whole(made.pixels, made.owners, made.count) == [True] * made.count


def test_a_front_is_the_same_left_and_right_and_a_side_is_not() -> None:
    front = np.zeros((40, 60), bool)
    front[5:35, 20:31] = front[10:14, 14:37] = True
    side = front.copy()
    side[20:24, 31:45] = True
    assert (symmetry(front).columns, round(symmetry(front).share, 6)) == (50, 1) and symmetry(side).share < 0.9
    edge = mirrored_edge(front, symmetry(front), right=False)
    assert edge[12] == 36 and edge[30] == 30 and np.isnan(edge[0])


def test_white_hair_on_white_paper_is_hers_where_its_outline_has_a_small_gap() -> None:
    ring = np.zeros((30, 30), bool)
    ring[5:25, 5:25] = True
    ring[7:23, 7:23] = False
    open_ = ring.copy()
    ring[5:7, 10:12] = False
    open_[5:7, 10:16] = False
    assert components.enclosed(ring, 1)[15, 15] and not components.enclosed(open_, 1)[15, 15]
    assert not components.enclosed(ring, 1)[:4].any()


def test_one_figure_is_not_cut_whatever_her_arms_do() -> None:
    def arms(paint: ImageDraw.ImageDraw) -> None:
        paint.line((20, 30, 61, 70), fill=(236, 190, 160), width=9)
        paint.line((61, 70, 112, 40), fill=(236, 190, 160), width=9)

    pixels = np.pad(paper_dolls.sheet(1), [(0, 0), (40, 40), (0, 0)], constant_values=255)
    assert sheets.figures(pixels) == 1 and sheets.figures(drawn_over(pixels, arms)) == 1
    with pytest.raises(BadInput, match=r"one figure found.*--cuts"):
        sheets.cut(pixels, AUTO)
    assert sheets.figures(np.full((100, 200, 3), 255, np.uint8)) == 1


def test_a_white_coat_is_part_of_her() -> None:
    image = Image.new("RGB", (300, 240), (255, 255, 255))
    for x in (80, 220):
        paper_dolls.doll(ImageDraw.Draw(image), x, 220, 200, body=(255, 255, 255))
    found = sheets.cut(np.asarray(image), AUTO)
    assert len(found.cuts) == 2 and (found.owners == 1).sum() > 1.4 * 200 * 22


def test_each_cut_has_its_view_and_nothing_of_its_neighbours() -> None:
    pixels = paper_dolls.sheet(3, gap=4)
    whole = Decoded(pixels, pixels[..., 2] > 190, "turnaround sheet, standing, front view", original=b"as given")
    cut = sheets.pictures(whole, AUTO, 100)
    assert [p.caption for p in cut] == ["front view, standing", "side view, standing", "back view, standing"]
    assert [p.original for p in cut] == [b"as given", b"", b""] and len({p.id for p in cut}) == 3
    for one in cut:
        red = (one.pixels[..., 0] > 180) & (one.pixels[..., 2] < 90)
        columns = np.nonzero(red.any(axis=0))[0]
        assert one.mask is not None and one.mask.shape == one.pixels.shape[:2] and np.ptp(columns) < 0.22 * 160


def test_a_cut_figure_stands_as_in_a_picture_of_one_figure() -> None:
    """On her own feet at the usual height, her legs in the middle, however far a ponytail reaches behind her."""
    made = turnaround(HELD_OUT_IDENTITIES["petra"], None, 6)
    for one in sheets.pictures(Decoded(made.pixels, None, ""), Cutting(), 64):
        height, width = one.pixels.shape[:2]
        drawn = np.abs(one.pixels.astype(int) - one.pixels[0, 0]).sum(-1) > 60
        rows = np.nonzero(drawn.any(1))[0] / height
        assert height == width and abs(rows[0] - 0.12) < 0.03 and abs(rows[-1] - 0.95) < 0.03
        legs = drawn[round(0.74 * height) : round(0.86 * height)]
        assert abs(np.nonzero(legs)[1].mean() / width - 0.5) < 0.01


def test_a_person_corrects_the_cuts_and_names_the_views() -> None:
    pixels = paper_dolls.sheet(5)
    whole = Decoded(pixels, None, "")
    assert [p.caption for p in sheets.pictures(whole, AUTO, 100)] == [""] * 5
    cut = sheets.pictures(whole, Cutting(sheets.columns("0-100, 100-181"), ("front", "back")), 100)
    assert [p.caption for p in cut] == ["front view", "back view"]
    assert np.array_equal(cut[1].pixels, pixels[:, 100:181])
    named = sheets.pictures(whole, Cutting(views=("3/4", "from behind", "left side", "portrait", "tilted")), 100)
    assert [p.caption for p in named] == ["3/4 view", "from behind", "left side view", "portrait", "tilted view"]


@pytest.mark.parametrize(
    ("cutting", "says"),
    [
        (Cutting(((0, 9000),)), "columns 0 to"),
        (Cutting(((90, 20),)), "90-20"),
        (Cutting(views=("front",)), "names 1, but there are 3"),
        (Cutting(views=("front", "sied", "back")), "'sied': did you mean side"),
        (Cutting(((0, 30), (30, 60))), "figure 1 is 30x"),
    ],
)
def test_cuts_that_do_not_fit_are_refused(cutting: Cutting, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        sheets.pictures(Decoded(paper_dolls.sheet(3), None, ""), cutting, 300 if cutting.columns[:1] == ((0, 30),) else 50)
    with pytest.raises(BadInput, match="for example"):
        sheets.columns("0-10-20,x")


def test_the_preview_holds_no_colour_of_the_sheet() -> None:
    pixels = paper_dolls.sheet(3)
    shown = sheets.outlined(pixels, sheets.cut(pixels, AUTO))
    assert shown.shape == pixels.shape
    assert not (np.abs(shown.astype(int) - (70, 120, 200)).sum(axis=-1) < 20).any()


def test_a_picture_with_nothing_tall_is_no_sheet() -> None:
    def scribble(paint: ImageDraw.ImageDraw) -> None:
        paint.ellipse((100, 150, 140, 170), fill=(120, 60, 30))

    assert sheets.figures(drawn_over(np.full((200, 300, 3), 255, np.uint8), scribble)) == 1


def test_a_small_doll_is_no_sheet(tmp_path: Path) -> None:
    samples.draw(tmp_path, HELD_OUT_IDENTITIES["aoi"], HELD_OUT_DESIGNS["dress-a"], 3, seed=1, size=64)
    assert [sheets.figures(np.asarray(Image.open(file))) for file in sorted(tmp_path.glob("*.png"))] == [1, 1, 1]
