"""Booru taggers: how a picture is handed over, what counts as a tag, and what of it becomes a caption."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dressform.errors import BadInput, NotReady, Refused
from dressform.pictures import tagger
from dressform.records import Picture
from dressform.workspace import looking
from tests.test_drafting import put

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace

LIST = "tag_id,name,category,count\n" + "".join(
    f"{i},{name},{category},9\n"
    for i, (name, category) in enumerate(
        [("general", 9), ("from_side", 0), ("blue_skin", 0), ("park_background", 0), ("someone", 4), ("red_dress", 0), ("waving", 0)]
    )
)


class _Session:
    """A tagger that has seen what it was handed, and says what it is told to say."""

    def __init__(self, says: Sequence[float], shape: Sequence[int | str] = ("n", 8, 8, 3)) -> None:
        self.says, self.shape, self.seen = says, shape, np.zeros(0)

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="input", shape=self.shape)]

    def run(self, _names: None, given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        self.seen = given["input"]
        return [np.array([self.says], np.float32)]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """onnxruntime as far as it is used, with a model file and its list on the disk; says what it is given."""
    (tmp_path / "selected_tags.csv").write_text(LIST)
    (tmp_path / "model.onnx").write_bytes(b"a model")

    def install(*says: float, shape: Sequence[int | str] = ("n", 8, 8, 3)) -> tuple[_Session, Path]:
        session, module = _Session(says, shape), ModuleType("onnxruntime")
        module.InferenceSession = lambda _file, providers: session  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "onnxruntime", module)
        return session, tmp_path / "model.onnx"

    return install


def test_a_picture_is_handed_over_in_blue_green_red_on_white(installed) -> None:
    session, file = installed(0.9, 0.5, 0.8, 0.35, 0.9, 0.1, 0.36)
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[..., 0] = 200
    assert tagger.load(file)(pixels) == ("blue skin", "from side", "waving", "park background")
    assert session.seen.shape == (1, 8, 8, 3) and session.seen.dtype == np.float32
    assert session.seen[0, 4, 4].tolist() == [0, 0, 200] and session.seen[0, 0, 0].tolist() == [255, 255, 255]


def test_what_is_no_tagger_is_named_in_one_line(installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, file = installed(0.9, 0.5)
    with pytest.raises(BadInput, match=r"gives 2 probabilities, but selected_tags.csv names 7"):
        tagger.load(file)(np.zeros((8, 8, 3), np.uint8))
    _, file = installed(0.9, shape=("n", 3, 8, 8))
    with pytest.raises(BadInput, match="side, side, 3"):
        tagger.load(file)
    with pytest.raises(BadInput, match="no such file"):
        tagger.load(tmp_path / "other.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NotReady, match="pip install onnxruntime"):
        tagger.load(file)
    (tmp_path / "selected_tags.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="'name' and 'category'"):
        tagger.load(file)


def captions(her: Workspace) -> dict[str | None, str]:
    return {p.outfit: p.caption for p in her.pictures(every=True)}


@pytest.fixture
def two(her: Workspace) -> list[Picture]:
    from dressform.layfigure.doll import Scene

    return [put(her, None, Scene()), put(her, "dress", Scene())]


def test_captions_take_what_may_change_and_never_her_body(her: Workspace, two: list[Picture], installed) -> None:
    _, file = installed(0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9)
    looking.read(her, every=True, tagger=file)
    assert captions(her) == {None: "from side, park background, red dress, waving", "dress": "from side, park background, waving"}


def test_a_tag_that_says_someone_is_under_age_is_refused(her: Workspace, two: list[Picture], installed, tmp_path: Path) -> None:
    (tmp_path / "selected_tags.csv").write_text(LIST.replace("blue_skin", "schoolgirl_child"))
    _, file = installed(*[0.9] * 7)
    before = captions(her)
    with pytest.raises(Refused, match="adults only"):
        looking.read(her, every=True, tagger=file)
    assert captions(her) == before
