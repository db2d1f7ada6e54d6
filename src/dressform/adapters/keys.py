"""What other programs call a layer, by the family of its base model. Loading and saving ask here, so that both mean the same layer.

Facts: kohya sd-scripts ``networks/lora.py`` and ``library/sdxl_original_unet.py`` (which trains XL under the names of the
original code, sgm); diffusers ``loaders/lora_pipeline.py``. A family that is not named here goes by its denoiser's own names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Blocks:
    """How a U-Net is built: the layers of a block on its way down, and the blocks on its way up that attend."""

    layers: int
    attending: frozenset[str]


Rename = Callable[[str, Blocks], str]
"""(diffusers' dotted name, how the U-Net is built) -> the dotted name that kohya's trainer and ComfyUI know."""


def _own(layer: str, _blocks: Blocks) -> str:
    return layer


_INNER = {"resnets": 0, "attentions": 1}
_RESNET = {"conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
_ENDS = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def _sgm(layer: str, blocks: Blocks) -> str:
    """``down_blocks.1.attentions.0.proj_in`` -> ``input_blocks.4.1.proj_in``."""
    row = blocks.layers + 1
    match layer.split("."):
        case ["down_blocks", block, "downsamplers", _, *_]:
            return f"input_blocks.{int(block) * row + row}.0.op"
        case ["down_blocks", block, kind, i, *rest]:
            return f"input_blocks.{int(block) * row + int(i) + 1}.{_INNER[kind]}.{_inside(kind, rest)}"
        case ["mid_block", kind, i, *rest]:
            return f"middle_block.{1 if kind == 'attentions' else 2 * int(i)}.{_inside(kind, rest)}"
        case ["up_blocks", block, "upsamplers", _, *rest]:
            behind = 2 if block in blocks.attending else 1
            return f"output_blocks.{int(block) * row + blocks.layers}.{behind}.{'.'.join(rest)}"
        case ["up_blocks", block, kind, i, *rest]:
            return f"output_blocks.{int(block) * row + int(i)}.{_INNER[kind]}.{_inside(kind, rest)}"
        case _:
            return _ENDS.get(layer, layer)


def _inside(kind: str, rest: list[str]) -> str:
    return _RESNET.get(rest[0], rest[0]) if kind == "resnets" else ".".join(rest)


@dataclass(frozen=True)
class Family:
    """How adapters for one family of base models are written.

    ``component`` is diffusers' word for the denoiser, ``text_encoders`` kohya's prefix of each text encoder and diffusers'
    word for it. ``version`` is ``ss_base_model_version`` (A1111 goes by it), ``implementation`` that of ModelSpec.
    """

    component: str
    text_encoders: Mapping[str, str]
    version: str
    implementation: str
    rename: Rename = _own
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The end of a name that other programs have for several layers in one, and the ends of those, in the order of its rows."""
    dotted: bool = False
    """True where programs know the layers by the model's own names alone, and none of kohya's."""

    def kohya(self, layers: Collection[str]) -> dict[str, str]:
        """layer -> its name in kohya's layout, for all target layers of a denoiser together."""
        if self.dotted:
            return {layer: f"diffusion_model.{layer}" for layer in layers}
        blocks = _blocks(layers)
        named = {layer: "lora_unet_" + self.rename(layer, blocks).replace(".", "_") for layer in layers}
        assert len(set(named.values())) == len(named), "two layers of one name"
        return named

    def peft(self, layers: Collection[str]) -> dict[str, str]:
        """layer -> the name in PEFT's and diffusers' files."""
        return {layer: f"{self.component}.{layer}" for layer in layers}

    def spellings(self, layers: Collection[str]) -> dict[str, str]:
        """Every name that some program gives one of these layers -> the layer."""
        blocks = _blocks(layers)
        ways: tuple[Callable[[str], str], ...] = (
            lambda layer: layer,
            lambda layer: f"base_model.model.{layer}",
            lambda layer: f"diffusion_model.{self.rename(layer, blocks)}",
            lambda layer: f"lora_{self.component}_{layer.replace('.', '_')}",
            lambda layer: f"lora_unet_{layer.replace('.', '_')}",  # some trainers write diffusers' names for XL, too
            lambda layer: f"lycoris_{layer.replace('.', '_')}",
        )
        if self.fused:  # a program that has several layers in one calls the one behind them by a shorter name
            ways += tuple(lambda layer, way=way: way(_behind(layer)) for way in (*ways, lambda layer: self.peft([layer])[layer]))
        if self.component == "unet":  # ComfyUI saves what it extracts under the original code's names, whatever the family
            ways += (lambda layer: f"diffusion_model.{_sgm(layer, blocks)}",)
        found = {way(layer): layer for way in ways for layer in layers}
        found |= {name: layer for layer, name in (*self.peft(layers).items(), *self.kohya(layers).items())}
        return found

    def parts_of(self, module: str) -> tuple[str, ...]:
        """The names that the layers would have of which a module of a file is made; () where it is one alone."""
        for end, parts in self.fused.items():
            for spelt in (str, lambda name: name.replace(".", "_")):
                if module.endswith(spelt(end)):
                    return tuple(module.removesuffix(spelt(end)) + spelt(part) for part in parts)
        return ()

    def called_there(self, layer: str, in_one: bool) -> tuple[str, ...]:
        """The names by which a program that has several layers in one may mean this one (``in_one``: as a part)."""
        whole = [layer.removesuffix(part) + end for end, parts in self.fused.items() for part in parts if layer.endswith(part)]
        return (layer, _behind(layer), *(whole if in_one else ()))

    def encoder_of(self, module: str) -> str | None:
        """Which text encoder a module of a file belongs to, in diffusers' word; None where it belongs to none."""
        for prefix, component in self.text_encoders.items():
            theirs = _IN_COMFYUI[component] if len({*self.text_encoders.values()}) > 1 else "text_encoders."
            if module.startswith((f"{prefix}_", f"{component}.", theirs)):
                return component
        return None


def _behind(layer: str) -> str:
    return layer.replace("attention.to_out.0", "attention.out")


_IN_COMFYUI = {"text_encoder": "text_encoders.clip_l.", "text_encoder_2": "text_encoders.clip_g."}

_SD1 = Family("unet", {"lora_te": "text_encoder", "lora_te1": "text_encoder"}, "sd_v1", "diffusers")
_FAMILIES = {
    "stable-diffusion-v1": _SD1,
    "stable-diffusion-v2-512": replace(_SD1, version="sd_v2"),
    "stable-diffusion-v2-768-v": replace(_SD1, version="sd_v2_v"),
    "dressform-layfigure-v1": replace(_SD1, version="dressform_layfigure_v1"),
    "stable-diffusion-xl-v1-base": Family(
        "unet",
        {"lora_te1": "text_encoder", "lora_te2": "text_encoder_2"},
        "sdxl_base_v1-0",
        "https://github.com/Stability-AI/generative-models",
        _sgm,
    ),
}
_ONE_ATTENTION = {".attention.qkv": (".attention.to_q", ".attention.to_k", ".attention.to_v")}
_TRANSFORMER = Family(
    "transformer", {"lora_te": "text_encoder", "lora_te1": "text_encoder"}, "", "diffusers", fused=_ONE_ATTENTION, dotted=True
)
"""ComfyUI (``comfy/lora.py``) makes kohya's names of its own fused layers, so that it would find none of the attention by them."""


def of(architecture: str) -> Family:
    """The family of a ModelSpec architecture id."""
    return _FAMILIES.get(architecture) or replace(_TRANSFORMER, version=architecture.replace("-", "_"))


def _blocks(layers: Collection[str]) -> Blocks:
    """2 attention (or residual) layers in a block, as every published U-Net has them, where the layers do not tell."""
    split = [layer.split(".") for layer in layers]
    deep = max((int(p[3]) + 1 for p in split if p[0] == "down_blocks" and p[2] in _INNER), default=2)
    return Blocks(deep, frozenset(p[1] for p in split if p[0] == "up_blocks" and p[2] == "attentions"))
