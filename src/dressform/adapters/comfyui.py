"""A ComfyUI workflow (API format) that wears an outfit: checkpoint, one LoraLoader for each adapter, prompt, sampler, picture.

Node names and inputs: ComfyUI ``nodes.py``. A link is [node id, output index].
"""

from __future__ import annotations

import json
from collections.abc import Sequence


def workflow(
    checkpoint: str, loras: Sequence[tuple[str, float]], prompt: str, negative: str, side_px: int, prefix: str, guidance: float
) -> bytes:
    """The workflow as JSON. ``loras`` are (file name, strength) in the order they are put on."""
    nodes: dict[str, dict[str, object]] = {}

    def node(kind: str, **inputs: object) -> str:
        nodes[str(len(nodes) + 1)] = {"class_type": kind, "inputs": inputs}
        return str(len(nodes))

    loaded = node("CheckpointLoaderSimple", ckpt_name=checkpoint)
    model, clip, vae = [loaded, 0], [loaded, 1], [loaded, 2]
    for file, strength in loras:
        put_on = node("LoraLoader", lora_name=file, strength_model=strength, strength_clip=strength, model=model, clip=clip)
        model, clip = [put_on, 0], [put_on, 1]
    asked = node("CLIPTextEncode", text=prompt, clip=clip)
    avoided = node("CLIPTextEncode", text=negative, clip=clip)
    empty = node("EmptyLatentImage", width=side_px, height=side_px, batch_size=1)
    drawn = node(
        "KSampler", model=model, positive=[asked, 0], negative=[avoided, 0], latent_image=[empty, 0],
        seed=0, steps=28, cfg=guidance, sampler_name="euler_ancestral", scheduler="normal", denoise=1.0,
    )  # fmt: skip
    picture = node("VAEDecode", samples=[drawn, 0], vae=vae)
    node("SaveImage", images=[picture, 0], filename_prefix=prefix)
    return json.dumps(nodes, indent=1).encode() + b"\n"
