"""A ComfyUI workflow (API format) that wears an outfit: base model, one LoRA loader for each adapter, prompt, sampler, picture.

Node names and inputs: ComfyUI ``nodes.py``, ``comfy_extras/nodes_model_advanced.py`` and ``nodes_sd3.py``. A link is [node id, output
index]. What a denoiser predicts is always said where it is not the noise: ComfyUI tells that of some files alone
(``supported_models.py``: by an empty tensor in XL, and by nothing in SD 1.x).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Link = list[object]
Node = Callable[..., str]
"""Adds a node of a kind with its inputs; its id."""


@dataclass(frozen=True)
class Asked:
    """What the workflow draws: a square of ``side_px``, saved under names that begin with ``prefix``.

    ``shift`` is ``Backbone``'s; ``predicts_v`` and ``zero_snr`` say of a diffusion what its denoiser gives, and whether its last time is
    noise alone.
    """

    prompt: str
    negative: str
    side_px: int
    guidance: float
    prefix: str
    shift: float = 1.0
    predicts_v: bool = False
    zero_snr: bool = False


@dataclass(frozen=True)
class _Way:
    """How ComfyUI draws with one kind of base model, whose ``load`` gives model, text encoder and autoencoder.

    ``told`` says how the model that the adapters are on is sampled, ``only_model`` is True where they leave the text encoder alone.
    """

    load: Callable[[Node, str], tuple[Link, Link, Link]]
    empty: str
    sampler: str
    scheduler: str
    told: Callable[[Node, Link, Asked], Link]
    only_model: bool = False


def workflow(architecture: str, checkpoint: str, loras: Sequence[tuple[str, float]], asked: Asked) -> bytes:
    """The workflow as JSON, for a base model of that ModelSpec id. ``loras`` are (file name, strength) in the order they are put on."""
    nodes: dict[str, dict[str, object]] = {}

    def node(kind: str, **inputs: object) -> str:
        nodes[str(len(nodes) + 1)] = {"class_type": kind, "inputs": inputs}
        return str(len(nodes))

    way = _WAYS.get(architecture, _WHOLE)
    model, clip, vae = way.load(node, checkpoint)
    for file, strength in loras:
        if way.only_model:
            model = [node("LoraLoaderModelOnly", lora_name=file, strength_model=strength, model=model), 0]
        else:
            put_on = node("LoraLoader", lora_name=file, strength_model=strength, strength_clip=strength, model=model, clip=clip)
            model, clip = [put_on, 0], [put_on, 1]
    drawn = node(
        "KSampler", model=way.told(node, model, asked),
        positive=[node("CLIPTextEncode", text=asked.prompt, clip=clip), 0],
        negative=[node("CLIPTextEncode", text=asked.negative, clip=clip), 0],
        latent_image=[node(way.empty, width=asked.side_px, height=asked.side_px, batch_size=1), 0],
        seed=0, steps=28, cfg=asked.guidance, sampler_name=way.sampler, scheduler=way.scheduler, denoise=1.0,
    )  # fmt: skip
    picture = node("VAEDecode", samples=[drawn, 0], vae=vae)
    node("SaveImage", images=[picture, 0], filename_prefix=asked.prefix)
    return json.dumps(nodes, indent=1).encode() + b"\n"


def _one_file(node: Node, checkpoint: str) -> tuple[Link, Link, Link]:
    loaded = node("CheckpointLoaderSimple", ckpt_name=checkpoint)
    return [loaded, 0], [loaded, 1], [loaded, 2]


def _z_image(node: Node, checkpoint: str) -> tuple[Link, Link, Link]:
    """Published for ComfyUI in three files, of which the text encoder and the autoencoder have these names."""
    model = node("UNETLoader", unet_name=checkpoint, weight_dtype="default")
    clip = node("CLIPLoader", clip_name="qwen_3_4b.safetensors", type="lumina2", device="default")
    return [model, 0], [clip, 0], [node("VAELoader", vae_name="ae.safetensors"), 0]


def _discrete(node: Node, model: Link, asked: Asked) -> Link:
    if not asked.predicts_v:
        return model
    return [node("ModelSamplingDiscrete", sampling="v_prediction", zsnr=asked.zero_snr, model=model), 0]


def _shifted(node: Node, model: Link, asked: Asked) -> Link:
    return [node("ModelSamplingAuraFlow", shift=asked.shift, model=model), 0]


_WHOLE = _Way(_one_file, "EmptyLatentImage", "euler_ancestral", "normal", _discrete)
_WAYS = {"z-image": _Way(_z_image, "EmptySD3LatentImage", "res_multistep", "simple", _shifted, only_model=True)}
