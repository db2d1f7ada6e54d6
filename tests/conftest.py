from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("COLUMNS", "200")


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


@pytest.fixture
def dolls(tmp_path: Path) -> Path:
    """A folder with neutral/ and dress/: three small pictures each, with captions and masks."""
    from dressform.layfigure.captions import scene_tags
    from dressform.layfigure.doll import Doll
    from dressform.layfigure.render import render
    from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, random_scene

    rng = random.Random(0)
    for name, worn in (("neutral", None), ("dress", HELD_OUT_DESIGNS["dress-a"])):
        folder = tmp_path / "pictures" / name
        (folder / "masks").mkdir(parents=True)
        for i in range(3):
            scene = random_scene(rng)
            drawn = render(Doll(HELD_OUT_IDENTITIES["aoi"], worn, scene), 64)
            Image.fromarray(np.ascontiguousarray(drawn.picture)).save(folder / f"{i}.png")
            (folder / f"{i}.txt").write_text(", ".join(scene_tags(scene)))
            if worn:
                Image.fromarray(drawn.garment_mask).save(folder / "masks" / f"{i}.png")
    return tmp_path / "pictures"


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
