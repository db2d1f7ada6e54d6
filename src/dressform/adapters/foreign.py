"""Adapter files that other programs made, read exactly, or as well as two matrices a layer can say them, or refused.

    W + s B A,   s = alpha / rank for each layer, 1 where no alpha is stated        (Hu et al. 2021)

Read: kohya's layout and LoCon's (convolutions, Tucker's ``lora_mid`` too), PEFT's and diffusers' with the mixed suffixes of
older diffusers scripts. DoRA, whose magnitudes scale the frozen weight itself, is brought down to a low rank (dora.py). Refused:
LoHa, LoKr, OFT and whole-weight differences.
Facts: LyCORIS ``modules/locon.py``; PEFT ``tuners/lora``; diffusers ``loaders/lora_base.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from dressform.adapters import dora, files, header, keys, peft_file
from dressform.adapters.stack import Adapter
from dressform.errors import BadInput, Mismatch
from dressform.records import AdapterInfo

FILE_LIMIT_BYTES = 4 << 30
"""Bytes of a file, and of the adapter in float32 that is made of it."""
_ROLES = {
    ".lora_down.weight": "down", ".lora_up.weight": "up", ".lora_mid.weight": "mid", ".alpha": "alpha",
    ".lora_A.weight": "down", ".lora_B.weight": "up", ".lora_A.default.weight": "down", ".lora_B.default.weight": "up",
    ".lora.down.weight": "down", ".lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down", ".lora_linear_layer.up.weight": "up",
    ".dora_scale": "magnitude", ".lora_magnitude_vector": "magnitude", ".lora_magnitude_vector.weight": "magnitude",
    ".lora_magnitude_vector.default.weight": "magnitude",
}  # fmt: skip
_OLD_PROCESSOR = re.compile(r"(.+)\.processor\.to_(q|k|v|out)_lora\.(down|up)\.weight")
_OTHER_KINDS = {
    "LoHa": (".hada_",),
    "LoKr": (".lokr_",),
    "OFT": (".oft_", ".boft_"),
    "IA3": (".on_input", ".ia3_"),
    "a difference of whole weights": (".diff", ".diff_b", ".set_weight"),
    "LoRA with a bias": (".lora_B.bias", ".lora_up.bias", ".bias"),
}


@dataclass
class _Module:
    """What a file has for one layer: the name of each of its tensors, by role."""

    tensors: dict[str, str] = field(default_factory=dict)
    rank: int = 0
    magnitude: tuple[int, ...] | None = None
    """DoRA: the shape in which its magnitudes stand beside the weight."""
    share: tuple[int, int] = (0, 1)
    """Which of how many layers it is, where the file has them in one: its rows of the up matrix."""


@dataclass(frozen=True)
class Foreign:
    """An adapter from elsewhere: for each layer A [r, in, ...], B [out, r] and alpha / rank, as the file has them.

    ``left_out`` counts modules of text encoders, which adapters here do not reach. ``exact16`` is True where every tensor
    is float16 in the file already, and kept as it is. ``lost`` is the share of DoRA's change that no matrices of this rank say; 0
    for any other adapter, which is read exactly.
    """

    matrices: Mapping[str, tuple[Tensor, Tensor]]
    scalings: Mapping[str, float]
    left_out: Mapping[str, int]
    exact16: bool
    lost: float = 0.0

    @property
    def ranks(self) -> tuple[int, ...]:
        """Every rank that occurs, sorted."""
        return tuple(sorted({len(a) for a, _ in self.matrices.values()}))

    @property
    def scaling(self) -> float | None:
        """alpha / rank where it is one and the same with one rank, else None."""
        found = set(self.scalings.values())
        return found.pop() if len(found) == 1 and len(self.ranks) == 1 else None


def read(
    data: bytes, architecture: str, layers: Mapping[str, nn.Module], beyond: Collection[str] = (), settings: bytes | None = None
) -> Foreign:
    """Read a foreign adapter for these layers of a base model; ``beyond`` names the denoiser's layers that are not adapted here.

    ``settings`` is the ``adapter_config.json`` of a PEFT folder. No tensor is made before the header fits the layers.
    Raises BadInput for a damaged file or one of another kind, Mismatch where it belongs to another base model.
    """
    described = header.read(data)
    _refuse_other_kinds(described.shapes)
    family = keys.of(architecture)
    spelt = family.spellings(layers)
    modules = _parted(_modules(described.shapes), family, spelt)
    text = [name for name in modules if name not in spelt and family.encoder_of(name)]
    left_out = {part: sum(family.encoder_of(n) == part for n in text) for part in sorted({str(family.encoder_of(n)) for n in text})}
    ours = {name: module for name, module in modules.items() if name not in text}
    _refuse_unknown(ours, spelt, family.spellings(beyond), described.metadata, architecture)
    by_layer: dict[str, _Module] = {}
    for name, module in ours.items():
        layer = spelt[name]
        if layer in by_layer:
            raise BadInput(f"layer {layer} stands in the file twice, under two names; export it again")
        _fit(layer, module, described.shapes, layers[layer])
        by_layer[layer] = module
    _refuse_bomb(max(module.rank for module in by_layer.values()), layers)
    decomposed = any(module.magnitude for module in by_layer.values())
    ranks = {layer: (module.rank, family.called_there(layer, module.share[1] > 1)) for layer, module in by_layer.items()}
    stated = peft_file.stated_scalings(described.metadata, settings, family.component, ranks, decomposed)
    found = _matrices(data, by_layer, left_out, stated, layers)
    return _brought_down(found, data, by_layer, layers) if decomposed else found


def to_adapter(found: Foreign, info: AdapterInfo, layers: Mapping[str, nn.Module]) -> Adapter:
    """An adapter of ours over ``layers`` that does exactly the same. Rank and alpha of ``info`` are replaced by the file's.

    Smaller ranks are padded with zeros, and layers that the file leaves alone are zero. Where layers differ in alpha / rank the largest
    is kept, and what others have less is folded into B: so that no B grows small for float16.
    """
    rank, most = max(found.ranks), max(found.scalings.values())
    made = Adapter(replace(info, rank=rank, alpha=most * rank), layers)
    with torch.no_grad():
        for layer, down, up in made.matrices():
            down.zero_()
            if layer in found.matrices:
                a, b = found.matrices[layer]
                down[: len(a)] = a.view_as(down[: len(a)])
                up[:, : len(a)] = b * (found.scalings[layer] / most)
    return made


def _refuse_other_kinds(shapes: Collection[str]) -> None:
    for kind, marks in _OTHER_KINDS.items():
        if hit := next((name for name in shapes if any(_marked(name, mark) for mark in marks)), None):
            raise BadInput(
                f"this adapter is {kind} (tensor {hit[:100]!r}): it cannot be said exactly by two matrices a layer, so it is not taken; "
                "train it as a plain LoRA or LoCon"
            )


def _marked(name: str, mark: str) -> bool:
    return mark in name if mark.endswith("_") else name.endswith((mark, f"{mark}.weight"))


def _modules(shapes: Collection[str]) -> dict[str, _Module]:
    """The modules of a file by the name that it gives them. Raises BadInput for a tensor that belongs to none."""
    found: dict[str, _Module] = {}
    for tensor in shapes:
        name, role = _parsed(tensor)
        if role in found.setdefault(name, _Module()).tensors:
            raise BadInput(f"{name[:100]}: two tensors for the same matrix; export it again")
        found[name].tensors[role] = tensor
    for name, module in found.items():
        if not {"down", "up"} <= module.tensors.keys():
            raise BadInput(
                f"{name[:100]}: its {'down' if 'up' in module.tensors else 'up'} matrix is missing: half an adapter; copy it again"
            )
    return found


def _parted(modules: Mapping[str, _Module], family: keys.Family, spelt: Collection[str]) -> dict[str, _Module]:
    """The same, each of several layers in one as those layers.

    Raises BadInput for DoRA there, whose magnitudes are of all of them, and for a layer that stands there alone too.
    """
    found: dict[str, _Module] = {}
    for name, module in modules.items():
        parts = () if name in spelt else family.parts_of(name)
        if parts and "magnitude" in module.tensors:
            raise BadInput(f"{name[:100]}: DoRA over several layers in one is not read; save it as a plain LoRA")
        if twice := next((part for part in parts if part in modules), None):
            raise BadInput(f"layer {twice[:100]} stands in the file twice, alone and with others; export it again")
        found |= {part: replace(module, share=(i, len(parts))) for i, part in enumerate(parts)} or {name: module}
    return found


def _parsed(tensor: str) -> tuple[str, str]:
    """(module, role) of a tensor."""
    if old := _OLD_PROCESSOR.fullmatch(tensor):
        return f"{old[1]}.to_{'out.0' if old[2] == 'out' else old[2]}", old[3]
    for suffix, role in _ROLES.items():
        if tensor.endswith(suffix):
            return tensor.removesuffix(suffix), role
    raise BadInput(f"tensor {tensor[:100]!r} is no part of a LoRA that is known; kohya's, LoCon's, PEFT's and diffusers' layouts are read")


def _refuse_unknown(
    ours: Mapping[str, _Module], spelt: Mapping[str, str], beyond: Mapping[str, str], said: Mapping[str, str], architecture: str
) -> None:
    if not ours:
        raise BadInput("the file adapts text encoders only, and adapters here act on the denoiser: nothing to take")
    if unknown := [name for name in ours if name not in spelt]:
        if all(name in beyond for name in unknown):
            raise BadInput(f"it also adapts {beyond[unknown[0]]} ({len(unknown)} such layers), which adapters here do not reach")
        made_for = said.get("ss_base_model_version") or said.get("modelspec.architecture") or "an unnamed one"
        raise Mismatch(
            f"{len(unknown)} of {len(ours)} layers are not in this base model (such as {unknown[0][:100]!r}): "
            f"it was made for another ({made_for[:60]}), this character's is {architecture}"
        )


def _fit(layer: str, module: _Module, shapes: Mapping[str, tuple[int, ...]], target: nn.Module) -> None:
    """Raises Mismatch where the shapes do not fit the layer; else notes the rank."""
    weight = target.weight
    assert isinstance(weight, Tensor)
    down, up = shapes[module.tensors["down"]], shapes[module.tensors["up"]]
    mid = shapes.get(module.tensors.get("mid", ""))
    inside, rank = tuple(weight.shape[1:]), up[1] if len(up) > 1 else 0
    if mid is None:
        fits = down[:1] == (rank,) and math.prod(down[1:]) == math.prod(inside) and _flat(down[1:]) in (_flat(inside), inside)
    else:
        fits = mid == (rank, down[0], *inside[1:]) and math.prod(down[1:]) == inside[0]
    rows = len(weight) * module.share[1]
    if not fits or rank < 1 or up[:1] != (rows,) or math.prod(up) != rows * rank:
        raise Mismatch(
            f"{layer}: matrices {down} and {up} do not fit this base model's layer of {tuple(weight.shape)}: it was made for another"
        )
    if name := module.tensors.get("magnitude"):
        module.magnitude = dora.aligned(shapes[name], tuple(weight.shape), peft=not name.endswith(".dora_scale"))
        if module.magnitude is None:
            raise Mismatch(f"{layer}: DoRA's magnitudes {shapes[name]} do not fit this base model's layer of {tuple(weight.shape)}")
    if "alpha" in module.tensors and math.prod(shapes[module.tensors["alpha"]]) != 1:
        raise BadInput(f"{layer}: alpha is not one number; export it again")
    module.rank = rank


def _refuse_bomb(rank: int, layers: Mapping[str, nn.Module]) -> None:
    """One layer of an enormous rank would have every other one padded to it."""
    sides = 0
    for layer in layers.values():
        assert isinstance(layer.weight, Tensor)
        sides += len(layer.weight) + math.prod(layer.weight.shape[1:])
    if 4 * rank * sides > FILE_LIMIT_BYTES:
        raise BadInput(f"rank {rank} in {len(layers)} layers is more than {FILE_LIMIT_BYTES >> 30} GiB; use an adapter of a smaller rank")


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1x1 convolution is a linear layer."""
    return shape[:1] if all(n == 1 for n in shape[1:]) else shape


def _matrices(
    data: bytes, by_layer: Mapping[str, _Module], left_out: Mapping[str, int], stated: Mapping[str, float], layers: Mapping[str, nn.Module]
) -> Foreign:
    tensors = _tensors(data)
    matrices, scalings = {}, {}
    for layer, module in by_layer.items():
        got = {role: tensors[name].float() for role, name in module.tensors.items()}
        largest = max(got[role].abs().max().item() for role in ("down", "up", "mid") if role in got)
        if not all(t.isfinite().all() for t in got.values()) or largest > files.LARGEST:
            raise BadInput(f"{layer}: the file holds values that are no numbers, or beyond float16's; train it again")
        weight = layers[layer].weight
        assert isinstance(weight, Tensor)
        part, parts = module.share
        down, up = got["down"], got["up"].reshape(parts, len(weight), module.rank)[part]
        if "mid" in got:  # Tucker: first the 1x1, then the kernel, so one kernel does both
            down = torch.einsum("pq...,qi->pi...", got["mid"], down.flatten(1))
        matrices[layer] = down.reshape(module.rank, *weight.shape[1:]), up
        scalings[layer] = got["alpha"].item() / module.rank if "alpha" in got else stated[layer]
        if not 0 < scalings[layer] < math.inf:
            raise BadInput(f"{layer}: alpha {scalings[layer] * module.rank} is not above 0; export it again")
    whole = all(t.dtype == torch.float16 for name, t in tensors.items() if not name.endswith(".alpha"))
    return Foreign(matrices, scalings, left_out, whole and not any("mid" in m.tensors for m in by_layer.values()))


def _brought_down(found: Foreign, data: bytes, by_layer: Mapping[str, _Module], layers: Mapping[str, nn.Module]) -> Foreign:
    """The same adapter with DoRA's layers as plain ones, by the base model's own weights. Raises BadInput where too much is lost."""
    tensors = _tensors(data)
    decomposed = {layer: module for layer, module in by_layer.items() if module.magnitude}

    def changes() -> Iterator[tuple[str, Tensor]]:
        for layer, module in decomposed.items():
            frozen, (down, up) = layers[layer].weight, found.matrices[layer]
            assert isinstance(frozen, Tensor) and module.magnitude
            weight = frozen.detach().float()
            plain = found.scalings[layer] * (up @ down.flatten(1)).view_as(weight).to(weight.device)
            magnitude = tensors[module.tensors["magnitude"]].to(weight.device, torch.float32)
            yield layer, dora.change(weight, plain, magnitude.view(module.magnitude))

    low = dora.low_rank(changes())
    _refuse_bomb(max(len(a) for a, _ in low.matrices.values()), layers)
    scalings = {**found.scalings, **dict.fromkeys(decomposed, 1.0)}
    return replace(found, matrices={**found.matrices, **low.matrices}, scalings=scalings, exact16=False, lost=low.lost)


def _tensors(data: bytes) -> dict[str, Tensor]:
    try:
        return load_tensors(data)
    except (SafetensorError, ValueError) as error:
        raise BadInput(f"not a whole safetensors adapter file ({error}); copy it again") from error
