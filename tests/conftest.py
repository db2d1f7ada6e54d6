from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("COLUMNS", "200")
if "PYTEST_XDIST_WORKER" in os.environ:  # one worker a core: threads of one would wait for those of the other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's own place for keys, never the real one."""
    place = tmp_path_factory.mktemp("home")
    os.environ["DRESSFORM_HOME"] = str(place)
    os.environ.pop("XDG_RUNTIME_DIR", None)
    return place


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random base model on disk."""
    from tests import tiny

    return tiny.write(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="session")
def tiny_backbone(tiny_base: Path):
    from dressform import backbones

    return backbones.load(tiny_base)


@pytest.fixture(scope="session", params=["tiny", "tiny_sdxl", "tiny_flow"])
def family_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random base model of each family."""
    from importlib import import_module

    return import_module(f"tests.{request.param}").write(tmp_path_factory.mktemp("family") / request.param)


@pytest.fixture(scope="session")
def family(family_folder: Path):
    """The backbone of each family, working in float32."""
    import torch

    from dressform import backbones

    base = backbones.load(family_folder, "cpu")
    base.autocast = lambda: torch.autocast("cpu", enabled=False)
    return base


@pytest.fixture
def dolls(tmp_path: Path) -> Path:
    """A folder with neutral/ and dress/: three small pictures each, with captions and masks."""
    from dressform.layfigure import samples
    from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES

    aoi, folder = HELD_OUT_IDENTITIES["aoi"], tmp_path / "pictures"
    samples.draw(folder / "neutral", aoi, None, 3, seed=0, size=64)
    samples.draw(folder / "dress", aoi, HELD_OUT_DESIGNS["dress-a"], 3, seed=1, size=64)
    return folder


@pytest.fixture
def her(tmp_path: Path) -> Workspace:
    """The character aoi with the careful grant, her store in memory; needs no base model."""
    from dressform.consent.scopes import CAREFUL
    from dressform.records import Character
    from dressform.store import MemoryStore
    from dressform.vault.owner import Owner
    from dressform.workspace import character_file, consenting
    from dressform.workspace.workspace import Workspace

    owner, store = Owner("AGE-SECRET-KEY-1TEST"), MemoryStore()
    store.write("consent/owner", owner.signing_key.public_key().public_bytes_raw())
    character_file.write(tmp_path / "aoi", Character("aoi", "aoi", "original", 27, "layfigure"))
    made = Workspace(tmp_path / "aoi", store, owner)
    consenting.grant(made, CAREFUL, (), None, "en")
    return made
