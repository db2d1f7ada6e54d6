"""What a step costs here: a few real steps on the real model, with random pictures, measured."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from dressform.adapters.stack import Adapter
from dressform.backbones.protocol import Backbone
from dressform.records import AdapterInfo
from dressform.train import draws
from dressform.train.config import TrainConfig
from dressform.train.data import TrainingSet, rows_at
from dressform.train.job import Job
from dressform.train.learner import Learner
from dressform.train.memory import Peak, used_bytes
from dressform.train.objective import Objective
from dressform.train.passes import attached
from dressform.train.plan import Cost

_STEPS = 2


def measured(
    backbone: Backbone, config: TrainConfig, objective: Objective, budget_bytes: float, on_identity: bool, length: int = 0
) -> Cost:
    """The Cost of a step, from batches of one row, one adapter and two; a batch that would not fit is not tried.

    ``on_identity``: with a frozen adapter attached, as under outfits. ``length`` is that of the longest conditioning in a step (0: the
    shortest there is).
    """
    said = backbone.encode_text(["a trial", ""])
    said = said.repeat(1, max(1, length // said.shape[1]), 1)
    backbone.release_encoders()
    before = used_bytes(backbone.device)
    points: list[tuple[int, float, float]] = []
    for adapters, rows in ((1, 1), (1, config.rows), (2, config.rows)):
        total = adapters * rows
        if points and before + (points[-1][1] - before) * total / points[-1][0] > budget_bytes:
            break
        if not points or total > points[-1][0]:
            points.append((total, *_cost_of(backbone, config, objective, said, (adapters, rows), on_identity)))
    (n, peak, seconds), *earlier = reversed(points)
    if not earlier:
        return Cost(before, peak - before, 0.0, seconds, sizes=1)
    fewer, lower, faster = earlier[0]
    row_bytes, row_seconds = max(0.0, (peak - lower) / (n - fewer)), max(0.0, (seconds - faster) / (n - fewer))
    return Cost(peak - row_bytes * n, row_bytes, max(0.0, seconds - row_seconds * n), row_seconds, len(points))


def _cost_of(
    backbone: Backbone, config: TrainConfig, objective: Objective, said: Tensor, size: tuple[int, int], on_identity: bool
) -> tuple[float, float]:
    """(peak bytes, seconds) of a step with (adapters, rows of each): the faster of two, for what else runs beside it is no cost of a
    step. The first is not timed, but its memory counts.

    ``said`` [2, length, width] is a caption and the empty one.
    """
    adapters, rows = size
    data, empty = _pictures(backbone, said[:1], rows), said[1:]
    learners = [Learner(Job(_adapter(backbone, config, i), data), config, data, None) for i in range(adapters)]
    frozen = _adapter(backbone, config, adapters).requires_grad_(False) if on_identity else None
    peak = Peak(empty.device)
    seconds = []
    with attached(backbone, [one.adapter for one in learners], frozen, objective, config) as passes:
        for step in range(1 + _STEPS):
            began = time.perf_counter()
            passes.learn([rows_at(data, empty, 0, step, rows) for _ in learners], 0)
            for one in learners:
                one.update(step)
            if empty.device.type == "cuda":
                torch.cuda.synchronize(empty.device)
            seconds.append(time.perf_counter() - began)
    return peak(), min(seconds[1:])


def _adapter(backbone: Backbone, config: TrainConfig, seed: int) -> Adapter:
    info = AdapterInfo("outfit", f"trial{seed}", "trial", config.rank, config.alpha, config.targets, backbone.sha256)
    return Adapter(info, backbone.target_layers(config.targets), seed).to(backbone.device)


def _pictures(backbone: Backbone, caption: Tensor, rows: int) -> TrainingSet:
    side, channels = backbone.size_px // backbone.cell_px, backbone.latent_channels
    text = caption.expand(rows, -1, -1)
    latents = draws.noise((rows, channels, side, side), 0, "trial", 0).to(text.device)
    return TrainingSet(tuple(f"trial{i}" for i in range(rows)), latents, text, torch.ones(rows, 1, side, side, device=text.device), text)
