"""The layout of PEFT and diffusers: ``unet.LAYER.lora_A.weight`` (down) and ``.lora_B.weight`` (up).

It has no alpha of its own. diffusers reads it from the metadata key ``lora_adapter_metadata``, the JSON of a PEFT
configuration with the component before each key (``loaders/lora_base.py``); without that, alpha counts as the rank.
``unet`` stands for the family's word for its denoiser.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dressform.adapters import files, keys
from dressform.adapters.metadata import Card
from dressform.adapters.stack import Adapter
from dressform.errors import BadInput

_SETTINGS = "lora_adapter_metadata"
_NAME = re.compile(r"(\^?)([A-Za-z0-9_]+(?:\\?\.[A-Za-z0-9_]+)*)\$?")
"""What of PEFT's patterns is read: a layer's name or its end, dots written as such or escaped, from the beginning where it has a ``^``."""
_FROM_NOTHING = (None, True, False, "gaussian", "orthogonal", "eva")
"""Beginnings of a training that leave the base model as it is; others (PiSSA, OLoRA, CorDA, LoftQ) take something out of its weights first,
and PEFT takes it out again whenever it loads the adapter (``tuners/lora/layer.py``)."""


def to_bytes(adapter: Adapter, dtype: torch.dtype = torch.float16, card: Card | None = None) -> bytes:
    """The adapter as the ``load_lora_weights`` of its base model's pipeline reads it. The same adapter gives the same bytes."""
    info, family = adapter.info, keys.of(adapter.info.architecture)
    named = family.peft(adapter.layer_names)
    tensors: dict[str, torch.Tensor] = {}
    for layer, down, up in adapter.matrices():
        b = up.detach()
        tensors[f"{named[layer]}.lora_A.weight"] = down.detach().to(dtype).contiguous()
        tensors[f"{named[layer]}.lora_B.weight"] = (b[:, :, None, None] if down.dim() == 4 else b).to(dtype).contiguous()
    configuration = {
        "r": info.rank,
        "lora_alpha": info.alpha,
        "target_modules": list(adapter.layer_names),
        "bias": "none",
        "init_lora_weights": False,
    }
    text = json.dumps({f"{family.component}.{name}": value for name, value in configuration.items()})
    return files.with_metadata(tensors, info, card, {"format": "pt", _SETTINGS: text})


def stated_scalings(
    metadata: Mapping[str, str],
    settings: bytes | None,
    component: str,
    ranks: Mapping[str, tuple[int, Sequence[str]]],
    decomposed: bool = False,
) -> dict[str, float]:
    """alpha / rank of each layer as a PEFT configuration states it; 1 where none does.

    ``metadata`` are a file's own (with diffusers' key), ``settings`` an ``adapter_config.json`` beside it. Ranks and alphas
    may be stated for single layers, by patterns of their names: ``ranks`` has each layer's rank, and the names that it goes by. With
    ``use_rslora`` it is alpha / sqrt(rank).
    ``decomposed``: DoRA's magnitudes are in the file. Raises BadInput, also where it is said to be DoRA and they are not.
    """
    try:
        found = json.loads(settings) if settings is not None else _unprefixed(json.loads(metadata.get(_SETTINGS, "{}")), component)
        if not isinstance(found, dict):
            raise ValueError("not an object")
        if found.get("use_dora") and not decomposed:
            raise BadInput("this adapter is DoRA by its configuration, and has no magnitudes: half an adapter; save it again")
        if (begun := found.get("init_lora_weights")) not in _FROM_NOTHING:
            raise BadInput(
                f"this adapter goes with a base model changed before its training (init_lora_weights {str(begun)[:20]!r}), so it is not "
                "taken; save it converted to a plain LoRA (PEFT: path_initial_model_for_weight_conversion)"
            )
        return {layer: _scaling(found, names, rank) for layer, (rank, names) in ranks.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(f"its PEFT configuration cannot be read ({str(error)[:120]})") from error


def _unprefixed(found: Any, component: str) -> Any:
    prefix = f"{component}."
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def _scaling(found: dict[str, Any], names: Sequence[str], rank: int) -> float:
    patterns = found.get("alpha_pattern") or {}
    alpha = next((value for pattern, value in patterns.items() if any(_matches(pattern, name) for name in names)), found.get("lora_alpha"))
    if alpha is None:
        return 1.0
    if isinstance(alpha, bool) or not 0 < float(alpha) < math.inf:
        raise ValueError(f"lora_alpha {str(alpha)[:20]!r}")
    return float(alpha) / (math.sqrt(rank) if found.get("use_rslora") else rank)


def _matches(pattern: str, layer: str) -> bool:
    """As PEFT's ``get_pattern_key`` finds it. Raises ValueError for an expression that is more than a name."""
    if not (name := _NAME.fullmatch(pattern)):
        raise ValueError(f"alpha_pattern {pattern[:40]!r}: write the layers' names instead of an expression")
    plain = name[2].replace("\\", "")
    return layer == plain if name[1] else f".{layer}".endswith(f".{plain}")
