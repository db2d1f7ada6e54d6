"""Step 2: the training set of the denoiser: dolls drawn and encoded once, kept as latents.

    python -m recipes.layfigure.make_latents --work WORK [--count 50000] [--seed 1]

Writes WORK/latents-SEED.safetensors (latents bf16 [n, 12, 16, 16]; shares uint8 [n, 9, 16, 16]: how many of a cell's 64 pixels
carry each label) and the dolls beside it as JSON lines, from which captions are made afresh at every step.
"""

from __future__ import annotations

import argparse
import json
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from dressform.backbones import precision
from dressform.layfigure.canvas import LABELS
from dressform.layfigure.render import render
from dressform.layfigure.world import training_doll


def encode(work: Path, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Draw and encode ``count`` dolls in one process."""
    torch.set_num_threads(1)
    vae = AutoencoderKL.from_pretrained(work / "vae").eval().to(memory_format=torch.channels_last)
    rng = random.Random(seed)
    latents, shares, dolls = [], [], []
    with torch.inference_mode(), precision.autocast(torch.device("cpu")):
        while len(dolls) < count:
            group = [training_doll(rng) for _ in range(50)]
            drawn = [render(d) for d in group]
            x = torch.from_numpy(np.stack([r.picture for r in drawn])).permute(0, 3, 1, 2).float() / 127.5 - 1
            z = vae.encode(x.to(memory_format=torch.channels_last)).latent_dist.mean
            latents.append(z.to(torch.bfloat16).contiguous())
            labels = np.stack([r.labels for r in drawn]).reshape(-1, 1, 16, 8, 16, 8) == np.arange(len(LABELS)).reshape(1, -1, 1, 1, 1, 1)
            shares.append(torch.from_numpy(labels.sum(axis=(3, 5), dtype=np.uint8)))
            dolls += [json.dumps(asdict(d)) for d in group]
    return torch.cat(latents), torch.cat(shares), dolls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=50000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    share = args.count // args.processes
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        jobs = [pool.submit(encode, args.work, share, args.seed * 1000 + i) for i in range(args.processes)]
        parts = [job.result() for job in jobs]
    latents = torch.cat([p[0] for p in parts])
    shares = torch.cat([p[1] for p in parts])
    save_file({"latents": latents, "shares": shares}, args.work / f"latents-{args.seed}.safetensors")
    (args.work / f"dolls-{args.seed}.jsonl").write_text("\n".join(line for p in parts for line in p[2]) + "\n")
    print(len(latents), "latents; std", latents.float().std().item())


if __name__ == "__main__":
    main()
