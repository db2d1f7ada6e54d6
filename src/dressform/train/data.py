"""What a run reads at each step: latents, captions' embeddings and masks, encoded once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dressform.backbones.protocol import Backbone
from dressform.train import draws


@dataclass(frozen=True)
class TrainingSet:
    """The pictures of one adapter. latents [n, c, h, w], text and anchor [n, length, width], masks [n, 1, h, w] in 0..1.

    ``anchor`` is what the frozen base model is asked inside the mask where an objective holds on to it.
    """

    ids: tuple[str, ...]
    latents: Tensor
    text: Tensor
    masks: Tensor
    anchor: Tensor


@dataclass(frozen=True)
class Rows:
    """The rows of one step for one adapter."""

    latents: Tensor
    noise: Tensor
    t: Tensor
    text: Tensor
    masks: Tensor
    anchor: Tensor


def garment_cells(masks: Tensor, cell_px: int) -> Tensor:
    """Masks at latent resolution, dilated by one cell: bool [n, h, w] in pixels -> float [n, 1, h / cell_px, w / cell_px]."""
    cells = functional.max_pool2d(masks[:, None].float(), cell_px)
    return functional.max_pool2d(cells, 3, stride=1, padding=1)


def encode(
    backbone: Backbone, ids: tuple[str, ...], pictures: Tensor, captions: list[str], masks: Tensor | None, anchors: list[str] | None = None
) -> TrainingSet:
    """A TrainingSet from uint8 pictures [n, 3, h, w], bool masks [n, h, w] (None: no garment anywhere) and anchor captions."""
    latents = torch.cat([backbone.encode_pictures(part) for part in pictures.split(16)])
    text = backbone.encode_text(captions)
    cells = torch.zeros(len(latents), 1, *latents.shape[2:]) if masks is None else garment_cells(masks, backbone.cell_px)
    anchor = text if anchors is None else backbone.encode_text(anchors)
    return TrainingSet(ids, latents, text, cells.to(latents.device), anchor)


def time_of(u: float, noisy_share: float) -> int:
    """A time step 0..999 for u in 0..1: uniform, but with ``noisy_share`` of them in the noisiest fifth.

    There the words decide what is drawn and the noisy picture tells least, so there an adapter's trigger word is learned.
    """
    even = 1 - noisy_share
    t = 1000 * u / even if u < even else 800 + 200 * (u - even) / noisy_share
    return min(999, int(t))


def rows_at(data: TrainingSet, empty: Tensor, seed: int, step: int, count: int, drop_caption: float, noisy_share: float = 0.0) -> Rows:
    """The rows of one step: a reshuffled pass over the pictures, noise and times derived from (seed, step, picture)."""
    n = len(data.ids)
    picks, noises, times, texts = [], [], [], []
    for j in range(count):
        position = step * count + j
        order = torch.randperm(n, generator=draws.generator(seed, "order", position // n))
        i = int(order[position % n])
        item = f"{data.ids[i]}/{j}"
        draw = draws.generator(seed, "row", step, item)
        u, keep = torch.rand(2, generator=draw).tolist()
        picks.append(i)
        times.append(time_of((j + u) / count, noisy_share))
        texts.append(data.text[i] if keep >= drop_caption else empty[0])
        noises.append(torch.randn(data.latents.shape[1:], generator=draw))
    device = data.latents.device
    index = torch.tensor(picks)
    return Rows(
        data.latents[index], torch.stack(noises).to(device), torch.tensor(times, device=device), torch.stack(texts),
        data.masks[index], data.anchor[index],
    )  # fmt: skip
