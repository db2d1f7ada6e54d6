"""Base models. One family per file; ``load`` chooses by what the files on disk hold."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from dressform.backbones import families
from dressform.backbones.embedded import EMBEDDED, embedded_folder
from dressform.errors import BadInput

if TYPE_CHECKING:
    import torch

    from dressform.backbones.assembled import Assembled
    from dressform.backbones.families import Found
    from dressform.backbones.folder import Source
    from dressform.backbones.precision import Placement


def load(path: str | Path, device: str | None = None) -> Assembled:
    """The base model at ``path`` (a diffusers folder or one .safetensors file), or the embedded one for "layfigure".

    ``device`` is the machine's best where none is named. Its networks are read on first use. Raises BadInput if it cannot be used.
    """
    found = families.recognise(_path(path))
    from dressform.backbones import precision

    return _built(found, _source(found), precision.placed(device))


def sketched(path: str | Path, half: bool = True) -> Assembled:
    """The base model at ``path`` without its weights, on the meta device, for memory.estimate. Raises BadInput as ``load`` does.

    ``half``: as it would be on a GPU that computes in bfloat16.
    """
    import torch

    from dressform.backbones.precision import Placement

    return _sketch(path, Placement(torch.device("meta"), torch.bfloat16 if half else torch.float32))


def sketched_for(path: str | Path, device: torch.device) -> Assembled:
    """The same, as it would be on this device."""
    import torch

    from dressform.backbones.precision import Placement, placed

    return _sketch(path, Placement(torch.device("meta"), placed(str(device)).dtype, device))


def _sketch(path: str | Path, where: Placement) -> Assembled:
    from dressform.backbones.sketch import Sketch

    found = families.recognise(_path(path))
    return _built(found, Sketch(_source(found)), where)


def _source(found: Found) -> Source:
    from dressform.backbones import folder, single_file

    return single_file.open_(found.path, found.family.module) if found.single_file else folder.FolderSource(found.path)


def _built(found: Found, source: Source, where: Placement) -> Assembled:
    try:
        return import_module(f"dressform.backbones.{found.family.module}").build(source, where)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"base model {found.path}: its configuration is not that of {found.family.name} ({str(error)[:80]})") from error


def _path(path: str | Path) -> Path:
    if str(path) != EMBEDDED:
        return Path(path)
    if not (embedded_folder() / "model_index.json").is_file():
        raise BadInput("the embedded base model is not in this installation: make it with recipes/layfigure, or name another")
    return embedded_folder()
