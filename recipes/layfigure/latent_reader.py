"""Step 3a: a reader of latents, which tells the denoiser's training whether what it draws can be read as what it should show.

    python -m recipes.layfigure.latent_reader --work WORK [--minutes 8]

It is not the reader that measures: that one (``train_reader``) sees pictures, and never this one's weights or features.
Writes WORK/latent_reader.safetensors. Only dolls of the training world are used, some of them to validate on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from dressform.backbones import precision
from dressform.layfigure.doll import VOCABULARY, Doll, attributes
from dressform.layfigure.visible import enough_of
from recipes.layfigure import log
from recipes.layfigure.latents import read_data, read_shares, scaling_for

_NAMES = tuple(VOCABULARY)
_WEIGHTS = {"eyes": 0.2, "mark": 0.5, "skin": 3.0}
"""Eyes are two pixels wide and drawn by chance: unweighted, they were six tenths of all that read differently. Skin is what is
wrong most."""


class _Block(nn.Module):
    def __init__(self, in_: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(in_, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.second, self.norm2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.skip = nn.Conv2d(in_, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.silu(self.norm1(self.first(x)))
        return functional.silu(self.norm2(self.second(y)) + self.skip(x))


class LatentReader(nn.Module):
    """Latents [n, 12, 16, 16] of unit spread -> one logit vector for each attribute of the vocabulary.

    Each attribute looks at the cells with an attention map of its own, and at the whole through sixteen coarse places.
    """

    def __init__(self, channels: int = 12, width: int = 96) -> None:
        super().__init__()
        wide = width * 4 // 3
        self.fine = nn.Sequential(_Block(channels, width), _Block(width, width), _Block(width, width))
        self.middle = nn.Sequential(_Block(width, wide, 2), _Block(wide, wide))
        self.coarse = nn.Sequential(_Block(wide, wide, 2), nn.Conv2d(wide, 48, 1), nn.SiLU(), nn.Flatten(), nn.Dropout(0.1))
        self.where = nn.Conv2d(width + wide, len(_NAMES), 1)
        self.heads = nn.ModuleDict({name: nn.Linear(48 * 16 + width + wide, len(words)) for name, words in VOCABULARY.items()})

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        fine = self.fine(z)
        middle = self.middle(fine)
        cells = torch.cat([fine, functional.interpolate(middle, scale_factor=2.0)], 1)
        glimpses = self.where(cells).flatten(2).softmax(2) @ cells.flatten(2).transpose(1, 2)
        placed = self.coarse(middle)
        return {name: head(torch.cat([placed, glimpses[:, i]], 1)) for i, (name, head) in enumerate(self.heads.items())}


def words_of(dolls: list[Doll], shares: Tensor) -> Tensor:
    """int64 [n, attributes]: which word is right, -1 where too few pixels show it; ``shares`` [n, labels, 16, 16] counts them."""
    pixels = shares.flatten(2).sum(2, dtype=torch.int64)
    rows = []
    for doll, count in zip(dolls, pixels.tolist(), strict=True):
        named, seen = attributes(doll), enough_of(doll, count)
        rows.append([VOCABULARY[n].index(named[n]) if n in named and n in seen else -1 for n in _NAMES])
    return torch.tensor(rows)


def unlike(reader: LatentReader, drawn: Tensor, true: Tensor) -> Tensor:
    """How differently two sets of latents [n, c, h, w] read: KL(true || drawn), weighted and summed over the attributes, [n].

    What the true ones do not show (a ponytail from the front) they do not read with certainty, so it is not asked of the others.
    """
    with torch.no_grad():
        wanted = reader(true)
    found = reader(drawn)
    weigh = [_WEIGHTS.get(name, 1.0) for name in _NAMES]
    apart = [w * _kl(wanted[n].float().log_softmax(1), found[n].float().log_softmax(1)) for n, w in zip(_NAMES, weigh, strict=True)]
    return torch.stack(apart).sum(0)


def _kl(wanted: Tensor, found: Tensor) -> Tensor:
    return (wanted.exp() * (wanted - found)).sum(1)


def load(file: Path, device: str = "cpu") -> LatentReader:
    """Frozen."""
    net = LatentReader()
    net.load_state_dict(load_file(file))
    return net.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)


def _loss(net: LatentReader, z: Tensor, words: Tensor) -> Tensor:
    with precision.autocast(z.device):
        logits = net(z)
    losses = [functional.cross_entropy(logits[n].float(), words[:, i], ignore_index=-1, label_smoothing=0.02) for i, n in enumerate(_NAMES)]
    return torch.stack(losses).sum()


@torch.no_grad()
def accuracy(net: LatentReader, z: Tensor, words: Tensor) -> dict[str, float]:
    net.eval()
    with precision.autocast(z.device):
        parts = [net(part) for part in z.split(250)]
    net.train()
    found = {n: torch.cat([part[n] for part in parts]).argmax(1) == words[:, i] for i, n in enumerate(_NAMES)}
    return {n: found[n][words[:, i] >= 0].float().mean().item() for i, n in enumerate(_NAMES)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="the pipeline folder whose denoiser is trained on: its scaling is used")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--held", type=int, default=2000, help="of the dolls, the last so many are validated on")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    args = parser.parse_args()
    data = read_data(args.work)
    scaling = scaling_for(data, args.start)
    words = words_of(data.dolls, read_shares(args.work))
    last = len(words) - args.held
    held = (data.latents[last:].float() * scaling).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(0)
    net = LatentReader(data.latents.shape[1]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.05, fused=True)
    began, step, budget = time.monotonic(), 0, args.minutes * 60
    while (spent := time.monotonic() - began) < budget:
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 100) * max(0.005, 1 - spent / budget)
        generator = torch.Generator().manual_seed(step)
        rows = torch.randint(last, (args.batch,), generator=generator)
        z = data.latents[rows].float() * scaling
        level = 0.5 * torch.rand(len(z), 1, 1, 1, generator=generator)  # a denoiser's guesses are never quite right
        z = (z + level * torch.randn(z.shape, generator=generator)).contiguous(memory_format=torch.channels_last)
        loss = _loss(net, z, words[rows])
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 400 == 0:
            right = accuracy(net, held, words[last:])
            log.append(args.work / "latent_reader.jsonl", step=step, loss=round(loss.item(), 4), seconds=round(spent, 1), **right)
            print(step, round(loss.item(), 3), round(spent), {k: round(v, 3) for k, v in right.items()}, flush=True)
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, args.work / "latent_reader.safetensors")


if __name__ == "__main__":
    main()
