"""A character with a few outfits on the tiny base model, for tests of how outfits are trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from dressform.layfigure import samples
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.store import MemoryStore
from dressform.vault import owner
from dressform.workspace import creating, planning, training
from dressform.workspace.workspace import Workspace

GIB = 2**30


def draw(folder: Path, outfits: Sequence[str]) -> Path:
    """Two small neutral pictures, and two of each outfit."""
    aoi = HELD_OUT_IDENTITIES["aoi"]
    samples.draw(folder / "neutral", aoi, None, 2, seed=0, size=32)
    for i, name in enumerate(outfits):
        samples.draw(folder / name, aoi, HELD_OUT_DESIGNS[f"{name}-a"], 2, seed=i, size=32)
    return folder


def undisturbed(patch: pytest.MonkeyPatch, backbone) -> None:
    """Training in float32, with no previews, and a row that costs a GiB and a second without a trial."""
    patch.setattr(backbone, "autocast", lambda: torch.autocast("cpu", enabled=False))
    patch.setattr(training, "preview", lambda *_: None)
    patch.setattr(planning, "measured", lambda *_, **__: planning.Cost(0, GIB, 0.0, 1.0))


def make(
    root: Path, base: tuple[Path, object], drawn: Path, outfits: Sequence[str], store: MemoryStore, description: str = ""
) -> Workspace:
    """The character aoi with what ``draw`` drew; ``base``: the base model's folder, and itself."""
    folder, backbone = base
    creating.create(root, creating.Asked("aoi", 24, base_model=str(folder), description=description), store)
    her = Workspace(root, store, owner.load())
    her.__dict__["backbone"] = backbone
    her.add([drawn / "neutral"], None)
    for name in outfits:
        her.add([drawn / name], name)
    return her


def adapters(her: Workspace) -> dict[str, bytes]:
    """Every adapter file."""
    return {n: her.store.read(n) for n in her.store.list("adapters/") if n.endswith(".safetensors")}
