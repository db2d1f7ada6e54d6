"""The action ``export``: adapters as files that other programs read, where her owner agreed to give them away.

Neutral pictures, and renders of the neutral layer, have no export.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from dressform.adapters import comfyui, files, peft_file
from dressform.adapters.joined import joined
from dressform.adapters.stack import Adapter
from dressform.consent.gate import Grant
from dressform.errors import BadInput
from dressform.store import write_atomically
from dressform.workspace.dressing import prompt_for
from dressform.workspace.workspace import Workspace, asset_of

Form = Literal["kohya", "peft", "joined", "comfyui"]
Export = Grant[Literal["export:identity"]] | Grant[Literal["export:outfit"]]


def export(workspace: Workspace, outfits: Sequence[str], form: Form, folder: Path, identity: bool = False) -> list[Path]:
    """Write the adapters of these outfits (and her own, with ``identity``) into ``folder``; the files written.

    "kohya" and "peft" are one file for each adapter. "joined" is one file for each outfit that holds the identity too,
    and "comfyui" a workflow beside kohya files; both give the identity away. Raises Refused without consent, NotReady
    before training, UnknownName for an outfit, BadInput where another file is in the way.
    """
    names = [workspace.outfit(name).name for name in outfits]
    whole = identity or form in ("joined", "comfyui")
    if not names and not identity:
        raise BadInput("nothing to export: name outfits with --outfit, or her own adapter with --identity")
    granted: dict[str | None, Export] = {name: workspace.gate.need("export:outfit", asset_of(name)) for name in names}
    if whole:
        granted[None] = workspace.gate.need("export:identity", asset_of(None))
    adapters = {name: workspace.adapter(grant, name) for name, grant in granted.items()}
    parts: list[_Part] = []
    if form == "joined":
        whole_looks = {name: _joined(workspace, adapters[None], adapters[name]) for name in names}
        parts += [_Part(f"{a.info.name}.safetensors", files.to_bytes(a), (None, name)) for name, a in whole_looks.items()]
        parts += [_Part(f"{a.info.name}.json", _card(workspace, name), (None, name)) for name, a in whole_looks.items()]
    else:
        write = peft_file.to_bytes if form == "peft" else files.to_bytes
        parts += [_Part(f"{a.info.name}.safetensors", write(a), (name,)) for name, a in adapters.items()]
    if form == "kohya":
        parts += [_Part(f"{a.info.name}.json", _card(workspace, name), (name,)) for name, a in adapters.items()]
    if form == "comfyui":
        parts += [_Part(f"{adapters[n].info.name}.workflow.json", _workflow(workspace, adapters, n), (None, n)) for n in names]
    return _written(workspace, granted, folder, parts)


def form_of(word: str) -> Form:
    """The word as a form of export. Raises BadInput."""
    if word not in get_args(Form):
        raise BadInput(f"format {word!r}: use {', '.join(get_args(Form))}")
    return word  # type: ignore[return-value]


@dataclass(frozen=True)
class _Part:
    """One file to write, and whose adapters it tells of (None: her own)."""

    name: str
    data: bytes
    holds: tuple[str | None, ...]


def _written(workspace: Workspace, granted: Mapping[str | None, Export], folder: Path, parts: Sequence[_Part]) -> list[Path]:
    """Every file, and a line in the ledger for each, written before it: nothing leaves unrecorded."""
    for part in parts:
        if (folder / part.name).exists() and (folder / part.name).read_bytes() != part.data:
            raise BadInput(f"{folder / part.name}: another file is there already; move it away, or name another folder with --to")
    for part in parts:
        inputs = [workspace.adapter_sha256(name) for name in part.holds]
        for name in part.holds:
            workspace.record(granted[name], inputs, [sha256(part.data).hexdigest()])
        write_atomically(folder / part.name, part.data)
    return [folder / part.name for part in parts]


def _joined(workspace: Workspace, who: Adapter, worn: Adapter) -> Adapter:
    layers = workspace.backbone.target_layers(worn.info.targets)
    return joined(f"{worn.info.name}-joined", f"{who.info.trigger}, {worn.info.trigger}", layers, [who, worn], [1.0, 1.0])


def _workflow(workspace: Workspace, adapters: Mapping[str | None, Adapter], outfit: str) -> bytes:
    base = workspace.backbone
    loras = [(f"{adapters[name].info.name}.safetensors", 1.0) for name in (None, outfit)]
    prompt = prompt_for(workspace, outfit, "front view, standing, white background")
    checkpoint = f"{Path(workspace.character.base_model).stem}.safetensors"
    return comfyui.workflow(checkpoint, loras, prompt, "", base.size_px, f"{workspace.character.name}-{outfit}")


def _card(workspace: Workspace, outfit: str | None) -> bytes:
    """A1111's card for a file (``NAME.json`` beside it): the words that call it, and how strongly it is worn."""
    words = prompt_for(workspace, outfit, "")
    return json.dumps({"activation text": words, "preferred weight": 1.0}, indent=1).encode() + b"\n"
