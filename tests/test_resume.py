"""A whole training that was stopped in its second stage gives the files of one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dressform.store import MemoryStore
from dressform.workspace import creating, training
from dressform.workspace.workspace import Workspace


def made(root: Path, base: Path, dolls: Path) -> Workspace:
    store = MemoryStore()
    creating.create(root, creating.Asked("aoi", 24, base_model=str(base)), store)
    from dressform.vault import owner

    her = Workspace(root, store, owner.load())
    her.add([dolls / "neutral"], None)
    her.add([dolls / "dress"], "dress")
    return her


@pytest.mark.recipe
def test_an_outfit_that_was_stopped_is_the_outfit_that_was_not(tmp_path: Path, tiny_base: Path, dolls: Path) -> None:
    def stop(what: str, event: object) -> None:
        if what == "outfits" and event.step == 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    whole, stopped = made(tmp_path / "whole", tiny_base, dolls), made(tmp_path / "stopped", tiny_base, dolls)
    training.run(whole, *training.recipes(2, 0, 4))
    with pytest.raises(KeyboardInterrupt):
        training.run(stopped, *training.recipes(2, 0, 4), on_step=stop)
    training.run(stopped, *training.recipes(2, 0, 4))
    for outfit in (None, "dress"):
        name = whole.adapter_name(outfit)
        assert whole.store.read(name) == stopped.store.read(name)
