"""Step 4: the reader, trained on renders that were noised, blurred and passed through the autoencoder.

    python -m recipes.layfigure.train_reader --work WORK [--minutes 10]

Resumable: run the same command again and it goes on from the last checkpoint.
Writes WORK/reader/reader.safetensors, and reader.json with its accuracy on held-out dolls.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from dressform.backbones import precision
from dressform.layfigure.canvas import LABELS
from dressform.layfigure.doll import VOCABULARY, Doll, attributes
from dressform.layfigure.render import render
from dressform.layfigure.visible import enough_pixels, visible
from dressform.layfigure.world import held_out_doll, training_doll
from dressform.measure.reader import MAP_SIDE, Reader, ReaderNet
from dressform.pictures.sheets import STANDS_AT

_NAMES = tuple(VOCABULARY)


@dataclass(frozen=True)
class Shown:
    """pictures uint8 [n, 3, 128, 128]; words int64 [n, attributes], -1 where not visible; maps uint8 [n, 32, 32]."""

    pictures: Tensor
    words: Tensor
    maps: Tensor


def _doll(rng: random.Random, held_out: bool) -> Doll:
    if not held_out:
        return training_doll(rng, neutral=0.12)
    doll = held_out_doll(rng)
    return doll if rng.random() > 0.12 else Doll(doll.identity, None, doll.scene)


def draw(count: int, seed: int, held_out: bool) -> Shown:
    rng = random.Random(seed)
    pictures, words, maps = [], [], []
    for _ in range(count):
        doll = _doll(rng, held_out)
        drawn = render(doll)
        named, seen = attributes(doll), (visible if held_out else enough_pixels)(doll, drawn)
        words.append([VOCABULARY[n].index(named[n]) if n in named and n in seen else -1 for n in _NAMES])
        pictures.append(drawn.picture)
        maps.append(drawn.labels[2::4, 2::4])
    stack = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return Shown(stack, torch.tensor(words), torch.from_numpy(np.stack(maps)))


def through_vae(work: Path, pictures: Tensor) -> Tensor:
    """The same pictures after encoding and decoding."""
    torch.set_num_threads(1)
    vae = AutoencoderKL.from_pretrained(work / "vae").eval().to(memory_format=torch.channels_last)
    parts = []
    with torch.inference_mode(), precision.autocast(torch.device("cpu")):
        for part in pictures.split(32):
            x = part.float().div(127.5).sub(1).to(memory_format=torch.channels_last)
            z = vae.encode(x).latent_dist.mean
            z = z + 0.15 * z.std() * torch.randn_like(z)
            parts.append(vae.decode(z).sample.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8))
    return torch.cat(parts)


def degrade(x: Tensor, generator: torch.Generator) -> Tensor:
    """Noise, blur and a little gain on some of the pictures ([n, 3, h, w] in -1..1)."""
    n = len(x)
    soft = functional.avg_pool2d(x, 3, 1, 1)
    x = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.25, soft, x)
    level = 0.12 * torch.rand(n, 1, 1, 1, generator=generator)
    gain = 1 + 0.06 * torch.randn(n, 3, 1, 1, generator=generator) * (torch.rand(n, 1, 1, 1, generator=generator) < 0.5)
    return x * gain + level * torch.randn(x.shape, generator=generator)


def displaced(x: Tensor, words: Tensor, maps: Tensor, generator: torch.Generator, share: float = 1 / 2) -> tuple[Tensor, Tensor, Tensor]:
    """A share of the dolls a few pixels aside and a little larger or smaller, as no picture but a render stands exactly.

    x [n, 3, h, w], words [n, attributes], maps [n, 32, 32]. How tall she is cannot be told there, so it is not asked.
    """
    n = len(x)
    scale, aside = 0.95 + 0.10 * torch.rand(n, generator=generator), 0.05 * (2 * torch.rand(n, 2, generator=generator) - 1)
    moved = torch.rand(n, generator=generator) < share
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = aside
    theta[:, 1, 2] += (2 * STANDS_AT - 1) * (1 - 1 / scale)  # about her feet
    theta[~moved] = torch.eye(2, 3)
    there = functional.affine_grid(theta, [n, 3, *x.shape[2:]], align_corners=False)
    cells = functional.affine_grid(theta, [n, 1, *maps.shape[1:]], align_corners=False)
    words = words.clone()
    words[moved, _NAMES.index("height")] = -1
    pictures = functional.grid_sample(x, there, padding_mode="border", align_corners=False)
    labels = functional.grid_sample(maps[:, None].float(), cells, mode="nearest", padding_mode="border", align_corners=False)
    return pictures, words, labels[:, 0].to(maps.dtype)


def loss_of(net: ReaderNet, x: Tensor, words: Tensor, maps: Tensor) -> Tensor:
    with precision.autocast(torch.device("cpu")):
        logits, labels = net(x.to(memory_format=torch.channels_last))
    total = functional.cross_entropy(labels.float(), maps.long())
    for i, name in enumerate(_NAMES):
        total = total + functional.cross_entropy(logits[name].float(), words[:, i], ignore_index=-1, label_smoothing=0.02)
    return total


def accuracy(net: ReaderNet, shown: Shown, pictures: Tensor) -> dict[str, float]:
    """Share that ``Reader.read`` gets right of each attribute, over the pictures that show it; none where no picture does."""
    found, right = Reader(copy.deepcopy(net), {}).read(pictures), {}
    for i, name in enumerate(_NAMES):
        words = zip(found, shown.words[:, i].tolist(), strict=False)
        each = [reading.words.get(name) == VOCABULARY[name][word] for reading, word in words if word >= 0]
        if each:
            right[name] = sum(each) / len(each)
    return right


@dataclass(frozen=True)
class Material:
    """Dolls to train on, a part of them as decoded twins (with the rows they belong to), and held-out dolls."""

    train: Shown
    twins: Tensor
    twin_rows: Tensor
    held: Shown


def material(work: Path, pool_size: int, held: int, seed: int) -> Material:
    """Draw everything on two processes, or read what was drawn before from WORK/reader-dolls-*.pt; one doll in four gets a twin."""
    kept = work / f"reader-dolls-{pool_size}-{held}-{seed}.pt"
    if not kept.exists():
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            parts = list(pool.map(draw, [pool_size // 2] * 2, (seed, seed + 1), (False, False)))
            decoded = list(pool.map(through_vae, (work,) * 2, [part.pictures[: pool_size // 8] for part in parts]))
        train = [torch.cat([getattr(p, f) for p in parts]) for f in ("pictures", "words", "maps")]
        twin_rows = torch.cat([torch.arange(len(decoded[0])), len(parts[0].pictures) + torch.arange(len(decoded[1]))])
        validation = draw(held, 99, True)
        torch.save([*train, torch.cat(decoded), twin_rows, validation.pictures, validation.words, validation.maps], kept)
    tensors = torch.load(kept, weights_only=True)
    return Material(Shown(*tensors[:3]), tensors[3], tensors[4], Shown(*tensors[5:]))


def batch(given: Material, size: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """(degraded pictures in -1..1, words, maps) of one step; a third of them twins."""
    generator = torch.Generator().manual_seed(step)
    a = torch.randint(len(given.train.pictures), (size - size // 3,), generator=generator)
    b = torch.randint(len(given.twins), (size // 3,), generator=generator)
    x = torch.cat([given.train.pictures[a], given.twins[b]]).float().div(127.5).sub(1)
    rows = torch.cat([a, given.twin_rows[b]])
    x, words, maps = displaced(x, given.train.words[rows], given.train.maps[rows], generator)
    return degrade(x, generator), words, maps


def fit(net: ReaderNet, given: Material, args: argparse.Namespace) -> None:
    """Train until ``args.minutes`` are spent, counted over all runs of this work folder."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.02, fused=True)
    step, spent, budget, state_file = 0, 0.0, args.minutes * 60, args.work / "reader.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    while spent < budget:
        began = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 100) * max(0.005, 1 - spent / budget)
        loss = loss_of(net, *batch(given, args.batch, step))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        spent += time.monotonic() - began
        if step % 200 == 0:
            part = state_file.with_suffix(".part")
            torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "spent": spent}, part)
            part.rename(state_file)
            worst = sorted(accuracy(net, given.held, given.held.pictures[:500]).items(), key=lambda kv: kv[1])[:5]
            print(step, round(loss.item(), 3), round(spent), {k: round(v, 4) for k, v in worst}, flush=True)


def save(net: ReaderNet, card: dict[str, dict[str, float]], folder: Path) -> None:
    """Write reader.safetensors (float16) and reader.json."""
    folder.mkdir(exist_ok=True)
    tensors = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in net.state_dict().items()}
    save_file(tensors, folder / "reader.safetensors")
    (folder / "reader.json").write_text(json.dumps({"map_side": MAP_SIDE, "labels": LABELS, "accuracy": card}, indent=1) + "\n")


def card_of(net: ReaderNet, held: Shown, work: Path) -> dict[str, dict[str, float]]:
    """Its accuracy on held-out dolls: as they are, moved, and through the autoencoder."""
    aside, words, maps = displaced(held.pictures.float(), held.words, held.maps, torch.Generator().manual_seed(1), share=1.0)
    return {"true renders, held out": accuracy(net, held, held.pictures),
            "a few pixels aside, held out": accuracy(net, Shown(held.pictures, words, maps), aside),
            "through the autoencoder, held out": accuracy(net, held, through_vae(work, held.pictures))}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--pool", type=int, default=50000)
    parser.add_argument("--held", type=int, default=1500, help="held-out dolls to validate on")
    parser.add_argument("--seed", type=int, default=11, help="which dolls are drawn")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--start", type=Path, help="a folder with reader.safetensors to start from instead of random weights")
    args = parser.parse_args()
    given = material(args.work, args.pool, args.held, args.seed)
    print("drawn", len(given.train.pictures), "decoded", len(given.twins), flush=True)
    torch.manual_seed(0)
    net = ReaderNet().to(memory_format=torch.channels_last)
    if args.start:
        net.load_state_dict(load_file(args.start / "reader.safetensors"))
    fit(net, given, args)
    card = card_of(net, given.held, args.work)
    save(net, card, args.work / "reader")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
