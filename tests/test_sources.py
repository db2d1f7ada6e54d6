"""Where pictures come from: folders, kohya folders, imagefolders, archives; and what is refused of them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from dressform.errors import BadInput, DressformError
from dressform.pictures import archive, sources


def picture(colour: int = 100) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), (colour, 50, 60)).save(out, "PNG")
    return out.getvalue()


def laid_out(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder


def packed(file: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return file


def told(found: sources.Found) -> dict[str, str]:
    return {item.called: item.caption() for item in found.items}


PLAIN: dict[str, bytes | str] = {
    "立ち絵.png": picture(1), "立ち絵.txt": "正面", "b.png": picture(2), "b.caption": "side view", "b.txt": "back view",
    "masks/b.png": picture(3), "masks/c.png": picture(4), "lone.txt": "x", "more/d.png": picture(5), "notes.md": "y",
}  # fmt: skip


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_plain_folder_and_the_same_as_an_archive(tmp_path: Path, as_zip: bool) -> None:
    given = packed(tmp_path / "a.zip", PLAIN) if as_zip else laid_out(tmp_path / "a", PLAIN)
    found = sources.found(given)
    assert told(found) == {"立ち絵.png": "正面", "b.png": "back view"}
    masks = {item.called: item.mask() for item in found.items}
    assert masks == {"立ち絵.png": None, "b.png": picture(3)}
    left = {entry.called: entry.reason for entry in found.left}
    assert set(left) == {"lone.txt", "masks/c.png", "more/", "b.caption"} and "by itself" in left["more/"]


KOHYA: dict[str, bytes | str] = {
    "10_aoi woman/1.png": picture(1), "10_aoi woman/1.txt": "aoi, front view", "10_aoi woman/2.png": picture(2),
    "3_aoi dress/3.png": picture(3), "3_aoi dress/deep/4.png": picture(4),
}  # fmt: skip


@pytest.mark.parametrize("as_zip", [False, True])
def test_kohya_folders_caption_by_their_name(tmp_path: Path, as_zip: bool) -> None:
    inside = {f"set/img/{name}": data for name, data in KOHYA.items()}
    given = packed(tmp_path / "a.zip", inside) if as_zip else laid_out(tmp_path, KOHYA)
    found = sources.found(given)
    assert sorted(told(found).values()) == ["aoi dress", "aoi woman", "aoi, front view"]
    assert [left.called.endswith("deep/") for left in found.left] == [True]
    if not as_zip:
        assert told(sources.found(tmp_path / "10_aoi woman")) == {"1.png": "aoi, front view", "2.png": "aoi woman"}


def test_a_year_is_no_count_of_repeats(tmp_path: Path) -> None:
    laid_out(tmp_path, {"1.png": picture(1), "2026_holiday pictures/2.png": picture(2)})
    found = sources.found(tmp_path)
    assert told(found) == {"1.png": ""} and [left.called for left in found.left] == ["2026_holiday pictures/"]
    assert told(sources.found(tmp_path / "2026_holiday pictures")) == {"2.png": ""}


def test_an_imagefolder_captions_by_its_table(tmp_path: Path) -> None:
    rows = [{"file_name": "1.png", "text": "front view"}, {"file_name": "train/2.png", "caption": "横"}, {"file_name": "gone.png"}]
    rows += [{"file_name": name, "text": "x"} for name in ("../out.png", str(tmp_path / "out.png"), "long" * 100 + ".png")]
    rows.append({"file_name": "4.png"})
    files = {"1.png": picture(1), "train/2.png": picture(2), "3.png": picture(3), "4.png": picture(5), "4.txt": b"back view"}
    laid_out(tmp_path / "a", files | {"other/5.png": picture(6)})
    laid_out(tmp_path, {"out.png": picture(4)})
    (tmp_path / "a" / "metadata.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8-sig")
    found = sources.found(tmp_path / "a")
    assert told(found) == {"1.png": "front view", "train/2.png": "横", "3.png": "", "4.png": "back view"}
    assert {left.called for left in found.left} == {"gone.png", "../out.png", str(tmp_path / "out.png")[:80], ("long" * 100)[:80], "other/"}


def test_endings_in_capitals_are_endings(tmp_path: Path) -> None:
    laid_out(tmp_path, {"1.PNG": picture(1), "1.TXT": b"front view", "masks/1.PNG": picture(2)})
    found = sources.found(tmp_path)
    assert told(found) == {"1.PNG": "front view"} and not found.left and found.items[0].mask() == picture(2)
    assert sources.one(tmp_path / "1.PNG").caption() == "front view"


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "x"}', '{"file_name": 3}', '{"file_name": "1.png", "text": ["x"]}', "[" * 10000])
def test_a_table_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    laid_out(tmp_path, {"1.png": picture(), "metadata.jsonl": f'{{"file_name": "1.png"}}\n{line}\n'})
    with pytest.raises(BadInput, match=r"^metadata\.jsonl: line 2"):
        sources.found(tmp_path)


def test_names_of_an_old_japanese_archive_are_put_right(tmp_path: Path) -> None:
    file = packed(tmp_path / "a.zip", {"XXXX.png": picture()})
    file.write_bytes(file.read_bytes().replace(b"XXXX", "前絵".encode("cp932")))
    assert [item.called for item in sources.found(file).items] == ["前絵.png"]


def bomb(file: Path, **change: int) -> Path:
    packed(file, {"a.png": bytes(2 << 20)})
    return file


def test_archives_that_ask_for_too_much_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = packed(tmp_path / "many.zip", {f"{i}.png": b"" for i in range(30)})
    vectors = {"shrink so far": bomb(tmp_path / "bomb.zip")}
    (tmp_path / "cut.zip").write_bytes(many.read_bytes()[:-30])
    vectors["table of contents"] = tmp_path / "cut.zip"
    (tmp_path / "noise.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    vectors["not a whole zip"] = tmp_path / "noise.zip"
    locked = bytearray(packed(tmp_path / "plain.zip", {"a.png": picture()}).read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + at] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    vectors["password"] = tmp_path / "locked.zip"
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("it was unpacked"))
    for says, file in vectors.items():
        with pytest.raises(BadInput, match=says) as caught:
            sources.found(file)
        assert file.name in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.setattr(archive, "COUNT_LIMIT", 20)
    with pytest.raises(BadInput, match="over 20 files"):
        sources.found(many)


def test_a_name_of_many_folders_is_refused_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    for name in ("a/" * 8000 + "x.png", "x" * 2000 + ".png"):
        with pytest.raises(BadInput, match=r"more than 32 folders, or has a name"):
            sources.found(packed(tmp_path / "a.zip", {name: picture()}))
    laid_out(tmp_path / "b", {"1.png": picture()})
    os.mkfifo(tmp_path / "b" / "2.png")
    assert told(sources.found(tmp_path / "b")) == {"1.png": ""}


def test_what_lies_over_one_another_is_refused(tmp_path: Path) -> None:
    file = packed(tmp_path / "a.zip", {f"{i}.png": picture(i) * 9 for i in range(9)})
    data = bytearray(file.read_bytes())
    at = -1
    for _ in range(9):
        at = data.index(b"PK\x01\x02", at + 1)
        data[at + 20 : at + 24] = len(data).to_bytes(4, "little")
    file.write_bytes(data)
    with pytest.raises(BadInput, match="over one another"):
        sources.found(file)


def test_a_damaged_entry_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    file = packed(tmp_path / "a.zip", {"a.png": picture(1), "b.png": picture(2)})
    data = bytearray(file.read_bytes())
    data[60] ^= 0xFF
    file.write_bytes(data)
    first, second = sources.found(file).items
    with pytest.raises(DressformError, match="unpacked"):
        first.read()
    assert second.read() == picture(2)


def test_nothing_to_take_is_said(tmp_path: Path) -> None:
    for given, says in (
        (tmp_path, "no pictures"),
        (tmp_path / "missing", "no such file"),
        (packed(tmp_path / "e.zip", {"a.txt": "x"}), "no pictures"),
    ):
        with pytest.raises(BadInput, match=says):
            sources.found(given)


def test_a_table_with_commas_captions_as_one_with_lines(tmp_path: Path) -> None:
    table = 'file_name,text\r\n1.png,"front view, waving"\r\ntrain/2.png,"横,\r\n公園"\r\ngone.png,x\r\n'
    laid_out(tmp_path, {"1.png": picture(1), "train/2.png": picture(2), "metadata.csv": b"\xef\xbb\xbf" + table.encode()})
    found = sources.found(tmp_path)
    assert told(found) == {"1.png": "front view, waving", "train/2.png": "横, 公園"}
    assert [(left.called, left.reason) for left in found.left] == [("gone.png", "named in metadata.csv, but not there")]


@pytest.mark.parametrize("table", ['file_name,text\n1.png,"x\n', "file_name,text\n1.png,\x00\n"])
def test_a_table_with_commas_that_cannot_be_read_is_named(tmp_path: Path, table: str) -> None:
    laid_out(tmp_path, {"1.png": picture(1), "metadata.csv": table})
    with pytest.raises(BadInput, match=r"^metadata\.csv: line \d is not like columns file_name and text"):
        sources.found(tmp_path)


def test_tables_that_give_no_caption_are_named(tmp_path: Path) -> None:
    laid_out(tmp_path / "a", {"1.png": picture(1), "metadata.jsonl": '{"file_name": "1.png", "additional_feature": "front view"}'})
    found = sources.found(tmp_path / "a")
    assert told(found) == {"1.png": ""} and "has no captions" in found.left[0].reason
    laid_out(tmp_path / "b", {"1.png": picture(1), "1.json": "{}", "meta_cap.json": "{}"})  # the first lies beside its picture
    found = sources.found(tmp_path / "b")
    assert [left.called for left in found.left] == ["meta_cap.json"] and "not read" in found.left[0].reason


def test_masks_of_other_trainers_are_no_pictures(tmp_path: Path) -> None:
    names = ("a.png", "a-masklabel.png", "a-condlabel.png", "b.jpg", "b.mask.png", "c_mask.png")
    laid_out(tmp_path, {name: picture(i) for i, name in enumerate(names)})
    found = sources.found(tmp_path)
    assert set(told(found)) == {"a.png", "b.jpg", "c_mask.png"}, "the last has no picture of its name"
    assert {left.called for left in found.left} == {"a-masklabel.png", "a-condlabel.png", "b.mask.png"}
    assert all("masks/NAME.png" in left.reason for left in found.left) and not any(item.mask_path for item in found.items)
    laid_out(tmp_path, {"metadata.csv": "file_name,text\na.png,front view\n"})
    assert {left.called for left in sources.found(tmp_path).left} == {"a-masklabel.png", "a-condlabel.png", "b.mask.png"}


def test_a_tag_on_each_line_is_a_tag(tmp_path: Path) -> None:
    laid_out(
        tmp_path, {"1.png": picture(1), "1.txt": "front view\nstanding\n\npark  background\n", "2.png": picture(2), "2.txt": "a, b\nc"}
    )
    assert told(sources.found(tmp_path)) == {"1.png": "front view, standing, park background", "2.png": "a, b c"}


def test_a_csv_of_something_else_stops_nothing(tmp_path: Path) -> None:
    laid_out(tmp_path, {"1.png": picture(1), "metadata.csv": "filename,iso\n1.png,100\n"})
    found = sources.found(tmp_path)
    assert told(found) == {"1.png": ""} and "not read" in found.left[0].reason
    laid_out(tmp_path, {"metadata.jsonl": '{"file_name": "1.png", "text": "front view"}'})
    found = sources.found(tmp_path)
    assert told(found) == {"1.png": "front view"} and [left.called for left in found.left] == ["metadata.csv"]


def test_lines_of_prose_are_no_tags(tmp_path: Path) -> None:
    laid_out(
        tmp_path,
        {"1.png": picture(1), "1.txt": "a woman standing there\nin front of a house", "2.png": picture(2), "2.txt": "立っている。\n家の前"},
    )
    assert told(sources.found(tmp_path)) == {"1.png": "a woman standing there in front of a house", "2.png": "立っている。 家の前"}
