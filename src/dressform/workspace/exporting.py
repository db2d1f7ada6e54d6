"""The action ``export``: adapters as files that other programs read, where her owner agreed to give them away.

Neutral pictures, and renders of the neutral layer, have no export.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol, get_args

from dressform.adapters import comfyui, files, peft_file
from dressform.adapters.joined import joined
from dressform.adapters.metadata import Card
from dressform.adapters.stack import Adapter
from dressform.adapters.widening import widened, widest
from dressform.consent.gate import Grant
from dressform.consent.profile import EMPTY
from dressform.errors import BadInput
from dressform.records import Composition
from dressform.store import made_folder, write_atomically
from dressform.workspace import bundling, labelling
from dressform.workspace.dressing import prompt_for
from dressform.workspace.workspace import Workspace, asset_of

Form = Literal["kohya", "peft", "joined", "comfyui", "charx"]
Export = Grant[Literal["export:identity"]] | Grant[Literal["export:outfit"]]
Adapters = Mapping[str | None, Adapter]
"""By outfit; None is her identity."""


@dataclass(frozen=True)
class _Part:
    """One file to write, and whose adapters it tells of (None: her own)."""

    name: str
    data: bytes
    holds: tuple[str | None, ...]


class Write(Protocol):
    """Writes an adapter as a file."""

    def __call__(self, adapter: Adapter, *, card: Card) -> bytes: ...


@dataclass(frozen=True)
class Wanted:
    """What to give away, and how: outfits, and accessories; "joined" and "comfyui" wear these with each outfit.

    ``identity`` is her own adapter; "joined", "comfyui" and "charx" give it away in any case. ``profile`` lets her name, the
    text about her and her boundaries into a "charx". ``license`` is written into every adapter.
    """

    outfits: tuple[str, ...] = ()
    form: Form = "kohya"
    identity: bool = False
    profile: bool = False
    license: str = ""
    accessories: tuple[str, ...] = ()


def export(workspace: Workspace, wanted: Wanted, folder: Path) -> list[Path]:
    """Write the adapters of these outfits and accessories (and her own) into ``folder``; the files written.

    "kohya" and "peft" are one file for each adapter. "joined" is one file for each outfit that holds the identity and the
    accessories too, "comfyui" a workflow beside kohya files, "charx" one file with everything. Raises Refused without consent, NotReady
    before training, UnknownName for an outfit, BadInput where another file is in the way.
    """
    names = [*workspace.worn("outfit", wanted.outfits), *workspace.worn("accessory", wanted.accessories)]
    whole = wanted.identity or wanted.form in ("joined", "comfyui", "charx")
    if not names and not wanted.identity and wanted.form != "charx":
        raise BadInput("nothing to export: name outfits with --outfit, accessories with --with, or her own adapter with --identity")
    if not wanted.outfits and wanted.form in ("joined", "comfyui"):
        raise BadInput(f"--format {wanted.form} is of her in an outfit: name one with --outfit, or use --format kohya")
    if wanted.profile and wanted.form != "charx":
        raise BadInput("--profile goes with --format charx: no other file has a place for it")
    granted: dict[str | None, Export] = {name: workspace.gate.need("export:outfit", asset_of(name)) for name in names}
    if whole:
        granted[None] = workspace.gate.need("export:identity", asset_of(None))
    adapters = {name: workspace.adapter(grant, name) for name, grant in granted.items()}
    return _written(workspace, granted, folder, adapters, _FORMS[wanted.form](workspace, wanted, adapters))


def _kohya(workspace: Workspace, wanted: Wanted, adapters: Adapters) -> list[_Part]:
    sheets = [_Part(f"{a.info.name}.json", _card(workspace, (name,) if name else ()), (name,)) for name, a in adapters.items()]
    return [*_each(workspace, wanted, adapters, files.to_bytes), *sheets]


def _peft(workspace: Workspace, wanted: Wanted, adapters: Adapters) -> list[_Part]:
    return _each(workspace, wanted, adapters, peft_file.to_bytes)


def _joined(workspace: Workspace, wanted: Wanted, adapters: Adapters) -> list[_Part]:
    who, parts = adapters[None], []
    for name in wanted.outfits:
        worn = (name, *wanted.accessories)
        together = [who, *(adapters[one] for one in worn)]
        targets = widest(together)
        layers = workspace.backbone.target_layers(targets)
        words, called = ", ".join(a.info.trigger for a in together), "-".join((adapters[name].info.name, *wanted.accessories, "joined"))
        one = joined(called, words, layers, [widened(a, targets, layers) for a in together], [1.0] * len(together))
        data = files.to_bytes(one, card=labelling.card(workspace, wanted.license, tuple(a.info.name for a in together)))
        parts += [_Part(f"{called}.safetensors", data, (None, *worn))]
        parts += [_Part(f"{called}.json", _card(workspace, worn), (None, *worn))]
    return parts


def _comfyui(workspace: Workspace, wanted: Wanted, adapters: Adapters) -> list[_Part]:
    flows = []
    for name in wanted.outfits:
        worn = (name, *wanted.accessories)
        called = "-".join((adapters[name].info.name, *wanted.accessories))
        flows.append(_Part(f"{called}.workflow.json", _workflow(workspace, adapters, worn), (None, *worn)))
    return [*_each(workspace, wanted, adapters, files.to_bytes), *flows]


def _charx(workspace: Workspace, wanted: Wanted, adapters: Adapters) -> list[_Part]:
    inside = {p.name.removesuffix(".safetensors"): p.data for p in _each(workspace, wanted, adapters, files.to_bytes)}
    her = workspace.character.name
    bundle = bundling.charx(her, workspace.profile if wanted.profile else EMPTY, inside)
    return [_Part(f"{her}.charx", bundle, tuple(adapters))]


def _each(workspace: Workspace, wanted: Wanted, adapters: Adapters, write: Write) -> list[_Part]:
    """One file for each. An outfit names the identity that it was trained on."""
    parts = []
    for name, adapter in adapters.items():
        stands_on = (workspace.character.name,) if adapter.info.identity_sha256 else ()
        words, identity = _words(workspace, (name,) if name else ()), workspace.identity_tensors(adapter.info.identity_sha256)
        data = write(adapter, card=labelling.card(workspace, wanted.license, stands_on, words, identity))
        parts.append(_Part(f"{adapter.info.name}.safetensors", data, (name,)))
    return parts


_FORMS: dict[Form, Callable[[Workspace, Wanted, Adapters], list[_Part]]] = {
    "kohya": _kohya, "peft": _peft, "joined": _joined, "comfyui": _comfyui, "charx": _charx,
}  # fmt: skip


def form_of(word: str) -> Form:
    """The word as a form of export. Raises BadInput."""
    if word not in get_args(Form):
        raise BadInput(f"format {word!r}: use {', '.join(get_args(Form))}")
    return word  # type: ignore[return-value]


def _written(
    workspace: Workspace, granted: Mapping[str | None, Export], folder: Path, adapters: Adapters, parts: Sequence[_Part]
) -> list[Path]:
    """Every file, and a line in the ledger for each, written before it: nothing leaves unrecorded."""
    for part in parts:
        there = folder / part.name
        if there.exists() and not (there.is_file() and there.read_bytes() == part.data):
            raise BadInput(f"{there}: another file is there already; move it away, or name another folder with --to")
    made_folder(folder)
    for part in parts:
        inputs = [adapters[name].sha256 for name in part.holds]
        for name in part.holds:
            workspace.record(granted[name], inputs, [sha256(part.data).hexdigest()])
        write_atomically(folder / part.name, part.data)
    return [folder / part.name for part in parts]


def _workflow(workspace: Workspace, adapters: Adapters, worn: tuple[str, ...]) -> bytes:
    base = workspace.backbone
    loras = [(f"{adapters[name].info.name}.safetensors", 1.0) for name in (None, *worn)]
    prompt = prompt_for(workspace, Composition.of(worn), "front view, standing, white background")
    asked = comfyui.Asked(
        prompt, "", base.size_px, base.guidance, "-".join((workspace.character.name, *worn)), base.shift,
        labelling.prediction(base) == "v", labelling.zero_snr(base),
    )  # fmt: skip
    return comfyui.workflow(base.architecture, workspace.checkpoint, loras, asked)


def _card(workspace: Workspace, worn: tuple[str, ...]) -> bytes:
    """A1111's card for a file (``NAME.json`` beside it): the words that call it, and how strongly it is worn."""
    return json.dumps({"activation text": _words(workspace, worn), "preferred weight": 1.0}, indent=1).encode() + b"\n"


def _words(workspace: Workspace, worn: tuple[str, ...]) -> str:
    """What a prompt begins with, for her in these."""
    return prompt_for(workspace, Composition.of(worn), "")
