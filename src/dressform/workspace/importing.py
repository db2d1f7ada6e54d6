"""The action ``import``: an adapter made elsewhere becomes her identity, an outfit or an accessory, where her owner agreed to it.

It stands where a training would have put one, so it needs what that training needs: ``train:identity`` or ``train:outfit``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from dressform.adapters import files, foreign, header, metadata, projection
from dressform.adapters.foreign import Foreign
from dressform.adapters.stack import Adapter
from dressform.consent.gate import Grant
from dressform.consent.refusals import refuse_undressed, refuse_young, refuse_young_throughout
from dressform.errors import BadInput, Mismatch, Refused
from dressform.records import AdapterInfo, Outfit, Worn, checked_name
from dressform.store import read_at_most
from dressform.workspace.adding import add_worn, refuse_name
from dressform.workspace.character_file import held
from dressform.workspace.checkpoints import Checkpoints
from dressform.workspace.workspace import IMPORTED, Workspace, asset_of, refuse_other_kind

Take = Grant[Literal["train:identity"]] | Grant[Literal["train:outfit"]]
_SETTINGS_LIMIT_BYTES = 1 << 20
_TEXTS = ("ss_output_name", "ss_training_comment", "ss_tag_frequency", "ss_datasets", "ss_dataset_dirs")
_TEXTS_OF_MODELSPEC = ("title", "description", "trigger_phrase", "tags", "usage_hint")
_BASE_HASHES = ("dressform.base_model_sha256", "ss_new_sd_model_hash", "ss_sd_model_hash")


@dataclass(frozen=True)
class Asked:
    """What to take, and as what: ``outfit`` is None for her identity, else the name of an outfit or, by ``kind``, an accessory.

    ``trigger`` is the word that calls a new outfit (None: the file's own where it is one word, else the usual one); ``mu``
    is the strength of soft projection against her identity, 0 for none.
    """

    file: Path
    outfit: str | None = None
    trigger: str | None = None
    mu: float = 0.0
    kind: Worn = "outfit"


@dataclass(frozen=True)
class Taken:
    """What became of it. ``trigger`` calls it, ``its_word`` is what the file names (empty: nothing).

    ``left_out`` counts modules of text encoders. ``overlap`` is the share of an outfit's change that acts on what her identity
    reads, before and after projection; None where there is no identity to hold it against. ``lost`` is the share of DoRA's change that
    two matrices a layer do not say; 0 for any other adapter.
    """

    name: str
    ranks: tuple[int, ...]
    layers: int
    left_out: Mapping[str, int]
    trigger: str
    its_word: str
    overlap: tuple[float, float] | None = None
    lost: float = 0.0
    replaced: bool = False
    """True where an adapter of that name was there before."""


def take(workspace: Workspace, asked: Asked) -> Taken:
    """Take a foreign adapter file in, sealed, with its line in the ledger. It replaces an adapter that was there.

    Raises Refused without consent or for what its texts say, BadInput or Mismatch for a file that does not fit (then nothing
    is changed), NotReady where projection is asked for and there is no identity, and StoreError while she is being trained.
    """
    with held(workspace.root, "training", wait_seconds=0):  # an outfit that is being learned stands on the identity that is there
        return _taken(workspace, asked)


def _taken(workspace: Workspace, asked: Asked) -> Taken:
    _check(workspace, asked)
    grant = _agreed(workspace, asked.outfit)
    if not asked.file.is_file():
        raise BadInput(f"{asked.file}: there is no such file; name an adapter's .safetensors")
    data = read_at_most(asked.file, foreign.FILE_LIMIT_BYTES)
    try:
        said, digest = header.read(data).metadata, sha256(data).hexdigest()
    except BadInput as error:
        raise BadInput(f"{asked.file}: {error}") from error
    if digest in workspace.quarantined():
        raise Refused(f"{asked.file.name}: it comes from pictures whose consent was revoked; it is not taken back in")
    _refuse_texts(said)
    _refuse_other_base(said, workspace.backbone.sha256)
    _refuse_other_kind(said.get("dressform.kind"), asked)
    targets, layers, found = _read(workspace, data, asked.file)
    its_word = said.get("modelspec.trigger_phrase", "").strip()
    trigger = _trigger(workspace, asked, its_word)
    name = workspace.character.name + (f"-{asked.outfit}" if asked.outfit else "")
    info = AdapterInfo(
        asked.kind if asked.outfit else "identity", name, trigger, 1, 1.0, targets, workspace.backbone.sha256,
        architecture=workspace.backbone.architecture, origin_sha256=digest, origin_base=_stated_base(said),
    )  # fmt: skip
    adapter, overlap = foreign.to_adapter(found, info, layers), None
    if asked.outfit is not None:
        overlap = _beside_her(workspace, grant, adapter, said, asked.mu)
    replaced = workspace.adapter_name(asked.outfit) in workspace.store
    exact16 = found.exact16 and found.scaling is not None and not asked.mu
    _keep(workspace, grant, asked.outfit, adapter, torch.float16 if exact16 else torch.float32)
    if asked.outfit is not None and workspace.character.outfit(asked.outfit) is None:
        add_worn(workspace, Outfit(asked.outfit, trigger, asked.kind))
    return Taken(name, found.ranks, len(found.matrices), found.left_out, trigger, its_word, overlap, found.lost, replaced)


def _agreed(workspace: Workspace, outfit: str | None) -> Take:
    if outfit is None:
        return workspace.gate.need("train:identity", asset_of(None))
    return workspace.gate.need("train:outfit", asset_of(None), asset_of(outfit))


def _check(workspace: Workspace, asked: Asked) -> None:
    if asked.outfit is not None:
        refuse_name(asked.outfit, asked.kind)
        refuse_other_kind(workspace.character, asked.outfit, asked.kind)
    if asked.trigger is not None:
        refuse_young(checked_name("trigger word", asked.trigger))
        refuse_undressed(asked.trigger)
    if not 0 <= asked.mu < 1e6 or (asked.mu and asked.outfit is None):
        raise BadInput(f"--project {asked.mu}: a strength from 0 up, and for an outfit only")


def _beside_her(workspace: Workspace, grant: Take, outfit: Adapter, said: Mapping[str, str], mu: float) -> tuple[float, float] | None:
    """Project an outfit against her identity, in place; their overlap before and after.

    None where there is no identity, or the outfit was trained on it, as the file says: by the hash of its file, or of its tensors. What
    stands on her identity, by training or by projection, has its hash in ``info``.
    """
    if workspace.adapter_name(None) not in workspace.store and not mu:
        return None
    who = workspace.adapter(grant, None)
    stated = (said.get("dressform.identity_sha256", ""), said.get(metadata.IDENTITY, ""))
    trained_on_her = stated[0] == who.sha256 or (bool(stated[1]) and stated[1] == workspace.identity_tensors(who.sha256))
    if mu or trained_on_her:
        outfit.info = replace(outfit.info, identity_sha256=who.sha256)
    if not mu and trained_on_her:
        return None
    before = projection.overlap(outfit, who)
    if mu:
        projection.project(outfit, who, mu)
    return before, projection.overlap(outfit, who)


def _read(workspace: Workspace, data: bytes, file: Path) -> tuple[str, Mapping[str, nn.Module], Foreign]:
    """(targets, their layers, what the file has for them): "attention" where that is all it acts on."""
    backbone = workspace.backbone
    every = backbone.target_layers("all")
    beyond = {n for n, m in backbone.denoiser.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)} - every.keys()
    beside = file.with_name("adapter_config.json")
    settings = read_at_most(beside, _SETTINGS_LIMIT_BYTES) if file.name == "adapter_model.safetensors" and beside.is_file() else None
    found = foreign.read(data, backbone.architecture, every, beyond, settings)
    attention = backbone.target_layers("attention")
    if found.matrices.keys() <= attention.keys():
        return "attention", attention, found
    return "all", every, found


def _trigger(workspace: Workspace, asked: Asked, its_word: str) -> str:
    """The word that calls it. A name that is known already keeps its own."""
    her = workspace.character
    known = None if asked.outfit is None else her.outfit(asked.outfit)
    word = her.trigger if asked.outfit is None else known.trigger if known else None
    if word is not None:
        if asked.trigger not in (None, word):
            raise BadInput(f"--trigger {asked.trigger}: it is called by {word!r} already; leave it out, or choose another outfit name")
        return word
    taken = {her.trigger: her.name} | {o.trigger: o.name for o in her.outfits}
    if asked.trigger in taken:
        raise BadInput(f"--trigger {asked.trigger}: calls {taken[asked.trigger]} already; choose a word that calls nothing yet")
    one_word = its_word if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", its_word) and its_word not in taken else None
    return asked.trigger or one_word or f"{her.trigger}_{asked.outfit}"


def _refuse_other_kind(stated: str | None, asked: Asked) -> None:
    """Raises BadInput where one of our own files says that it is another thing: what passes for an outfit passes for dressed."""
    wanted = "identity" if asked.outfit is None else asked.kind
    if stated is None or stated == wanted:
        return
    ways = {"identity": "--as identity", "outfit": "--as outfit --outfit NAME", "accessory": "--as accessory --accessory NAME"}
    way = f"take it with {ways[stated]}" if stated in ways else "import the adapters that it was joined of"
    raise BadInput(f"{asked.file.name}: it says of itself that it is {stated}, and {wanted} was asked for; {way}")


def _refuse_texts(said: Mapping[str, str]) -> None:
    """Raises Refused where the file says that it was trained on someone under age, or on a real person."""
    for name in (*_TEXTS, *(f"modelspec.{n}" for n in _TEXTS_OF_MODELSPEC)):
        refuse_young_throughout(said.get(name, ""))


def _refuse_other_base(said: Mapping[str, str], ours: str) -> None:
    """Only our own files name a base model by the hash that we know it by."""
    stated = said.get("dressform.base_model_sha256", ours)
    if stated != ours:
        raise Mismatch(f"it was trained on base model {stated[:12]!r}, this character uses {ours[:12]}: use an adapter made for that one")


def _stated_base(said: Mapping[str, str]) -> str:
    """The hash of its base model as the file states it; empty where it states none, or no hash."""
    stated = (said[name].removeprefix("0x") for name in _BASE_HASHES if name in said)
    return next((hash for hash in stated if re.fullmatch(r"[0-9a-fA-F]{8,64}", hash)), "")


def _keep(workspace: Workspace, grant: Take, outfit: str | None, adapter: Adapter, dtype: torch.dtype) -> None:
    data = files.to_bytes(adapter, dtype)
    inputs = [adapter.info.origin_sha256, *([adapter.info.identity_sha256] if adapter.info.identity_sha256 else [])]
    workspace.record(grant, inputs, [sha256(data).hexdigest()])  # first, so that no adapter is without its line
    name = workspace.adapter_name(outfit)
    workspace.store.write_all({name: data, f"{name}.mark": IMPORTED}, Checkpoints(workspace.store, [outfit]).names())


def wanted(kind: str, outfit: str, accessory: str = "") -> tuple[str | None, Worn]:
    """What ``--as`` and the names say together: None for her identity, else a name and what it is. Raises BadInput."""
    names: dict[str, tuple[str, Worn]] = {"outfit": (outfit, "outfit"), "accessory": (accessory, "accessory")}
    if kind not in ("identity", *names):
        raise BadInput(f"--as {kind}: use identity, outfit or accessory")
    for other, (name, _) in names.items():
        if name and other != kind:
            raise BadInput(f"--{other} goes with --as {other}")
    if kind == "identity":
        return None, "outfit"
    if not names[kind][0]:
        raise BadInput(f"--as {kind} needs the {kind}'s name: --{kind} NAME")
    return names[kind]
