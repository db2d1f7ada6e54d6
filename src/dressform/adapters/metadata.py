"""What an adapter file says of itself: kohya's ``ss_*``, ModelSpec 1.0.1, and ours. Nothing private, and no date.

Facts: kohya sd-scripts ``train_network.py``; https://github.com/Stability-AI/ModelSpec. The trainers' own files also hold captions,
tag counts, folder names and times of day; none of those is ever written here. Without a date the same adapter is the same file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from dressform import __version__
from dressform.adapters import keys
from dressform.errors import BadInput
from dressform.records import AdapterInfo, Worn

_OURS = "dressform."
IDENTITY = _OURS + "identity_tensors_sha256"
_WORD, _DIGEST = re.compile(r"[A-Za-z0-9_-]{1,100}"), re.compile(r"[0-9a-f]{64}|")
_ORIGIN = re.compile(r"[A-Za-z0-9._-]{0,100}")
_TAGS = {"identity": "character", "outfit": "clothing", "accessory": "clothing, accessory", "joined": "character, clothing"}


@dataclass(frozen=True)
class Card:
    """What a file says further when it leaves, for the people and programs that meet it there.

    ``size_px`` is the side of the pictures it was trained on, ``prediction`` the base model's target as ModelSpec has it
    ("epsilon", "v", or empty), ``made_from`` the names of the adapters it stands on or is made of, ``words`` those that call it (empty: its
    trigger word alone). ``identity`` is the SHA-256 of the tensors of the identity it was trained on: of that alone, which no metadata
    change, so that it is known wherever both are taken in.
    """

    size_px: int
    prediction: str = ""
    license: str = ""
    made_from: tuple[str, ...] = ()
    words: str = ""
    identity: str = ""


def written(info: AdapterInfo, digest: str, card: Card | None = None) -> dict[str, str]:
    """The metadata of an adapter file. ``digest`` is the SHA-256 of its tensors alone."""
    family = keys.of(info.architecture)
    found = {
        "ss_base_model_version": family.version,
        "ss_output_name": info.name,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(info.rank),
        "ss_network_alpha": str(info.alpha),
        "sshs_model_hash": digest,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{info.architecture}/lora",
        "modelspec.implementation": family.implementation,
        "modelspec.title": info.name,
        "modelspec.trigger_phrase": info.trigger,
        "modelspec.hash_sha256": f"0x{digest}",
        _OURS + "kind": info.kind,
        _OURS + "rank": str(info.rank),
        _OURS + "alpha": repr(info.alpha),
        _OURS + "targets": info.targets,
        _OURS + "steps": str(info.steps),
        _OURS + "base_model_sha256": info.base_model_sha256,
        _OURS + "identity_sha256": info.identity_sha256,
        _OURS + "version": __version__,
    }
    if family.version.startswith("sd_v2"):
        found["ss_v2"] = "True"  # A1111 goes by this
    if info.origin_sha256:
        found |= {_OURS + "origin_sha256": info.origin_sha256, _OURS + "origin_base": info.origin_base}
    return found | (_on_card(info, card) if card else {})


def _on_card(info: AdapterInfo, card: Card) -> dict[str, str]:
    said = {
        "resolution": f"{card.size_px}x{card.size_px}",
        "license": card.license,
        "usage_hint": f"strength 1; begin the prompt with: {card.words or info.trigger}",
        "tags": _TAGS.get(info.kind, ""),
        "merged_from": ", ".join(card.made_from),
        "prediction_type": card.prediction,
    }
    return {f"modelspec.{name}": text for name, text in said.items() if text} | ({IDENTITY: card.identity} if card.identity else {})


def read(found: Mapping[str, str]) -> AdapterInfo:
    """The inverse, for our own files. Raises BadInput where they are not as ``written`` writes them."""
    try:
        info = AdapterInfo(
            kind=found[_OURS + "kind"],
            name=found["ss_output_name"],
            trigger=found["modelspec.trigger_phrase"],
            rank=int(found[_OURS + "rank"]),
            alpha=float(found[_OURS + "alpha"]),
            targets=found[_OURS + "targets"],
            base_model_sha256=found[_OURS + "base_model_sha256"],
            identity_sha256=found.get(_OURS + "identity_sha256", ""),
            steps=int(found.get(_OURS + "steps", "0")),
            architecture=found["modelspec.architecture"].removesuffix("/lora"),
            origin_sha256=found.get(_OURS + "origin_sha256", ""),
            origin_base=found.get(_OURS + "origin_base", ""),
        )
    except KeyError as error:
        raise BadInput(f"the adapter file has no {error.args[0]}: it was not made by dressform; see dressform import") from error
    except ValueError as error:
        raise BadInput(f"the adapter file's metadata are not as dressform writes them: {str(error)[:80]}") from error
    sound = (
        info.kind in ("identity", *get_args(Worn)), _WORD.fullmatch(info.name), _WORD.fullmatch(info.trigger), info.rank > 0,
        math.isfinite(info.alpha) and info.alpha > 0, info.targets in ("attention", "all"), _DIGEST.fullmatch(info.base_model_sha256),
        _DIGEST.fullmatch(info.identity_sha256), info.steps >= 0, _WORD.fullmatch(info.architecture),
        _DIGEST.fullmatch(info.origin_sha256), _ORIGIN.fullmatch(info.origin_base),
    )  # fmt: skip
    if not all(sound):
        raise BadInput("the adapter file's metadata are not as dressform writes them; export or train it again")
    return info
