"""Draws a character in an exported outfit with diffusers alone; nothing of dressform is imported.

python examples/wear_in_diffusers.py BASE_MODEL OUT.png aoi.safetensors aoi-dress.safetensors

BASE_MODEL is the diffusers folder that she was trained on. The words that call her are read from the files.
"""

import sys
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open


def main(base: str, out: str, *adapters: str) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(base, torch_dtype=torch.float32, safety_checker=None, local_files_only=True)
    names, words = [], []
    for file in map(Path, adapters):
        with safe_open(file, "pt") as opened:
            words.append(opened.metadata()["modelspec.trigger_phrase"])
        pipe.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=file.stem)
        names.append(file.stem)
    pipe.set_adapters(names)
    prompt = ", ".join([*words, "front view, standing, white background"])
    seeded = torch.Generator().manual_seed(0)
    pipe(prompt, num_inference_steps=20, guidance_scale=1.5, generator=seeded).images[0].save(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
