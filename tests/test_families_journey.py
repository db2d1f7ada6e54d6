"""The whole journey on a tiny random base model of each family, by the same commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from dressform.cli.app import app
from dressform.store import MemoryStore
from dressform.vault import owner
from dressform.workspace import training, workspace
from dressform.workspace.workspace import Workspace

pytestmark = pytest.mark.recipe


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_new_add_train_dress(family_folder: Path, tmp_path: Path, dolls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new", "aoi", "--age", "24", "--base-model", family_folder, "--yes").exit_code == 0
    assert "took 3 of 3" in run("add", "aoi", dolls / "neutral", "--neutral").output
    assert "took 3 of 3" in run("add", "aoi", dolls / "dress", "--outfit", "dress").output
    assert "trained identity, dress" in run("train", "aoi", "--steps", "2").output
    assert "nothing to do" in run("train", "aoi", "--steps", "2").output
    drawn = run("dress", "aoi", "side view", "--outfit", "dress", "-n", "2", "--steps", "2")
    assert drawn.exit_code == 0 and len(list((tmp_path / "aoi" / "looks").glob("*.png"))) == 2


def test_a_stopped_training_goes_on_exactly(family_folder: Path, tmp_path: Path, dolls: Path) -> None:
    def made(name: str) -> Workspace:
        store = MemoryStore()
        workspace.create(tmp_path / name, workspace.Asked("aoi", 24, base_model=str(family_folder)), store)
        her = Workspace(tmp_path / name, store, owner.load())
        her.add([dolls / "neutral"], None)
        her.add([dolls / "dress"], "dress")
        return her

    def stop(what: str, event: object) -> None:
        if what == "outfits" and event.step == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    whole, stopped = made("whole"), made("stopped")
    training.run(whole, *training.recipes(2, 0, 2))
    with pytest.raises(KeyboardInterrupt):
        training.run(stopped, *training.recipes(2, 0, 2), on_step=stop)
    training.run(stopped, *training.recipes(2, 0, 2))
    for outfit in (None, "dress"):
        assert whole.store.read(whole.adapter_name(outfit)) == stopped.store.read(stopped.adapter_name(outfit))
