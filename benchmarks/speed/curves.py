"""What a training step costs against rank, rows, outfits and resolution: seconds over those of the smallest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from benchmarks.speed.timing import Ratio, Turns, ratio
from benchmarks.speed.wardrobes import adapter, jobs
from dressform.adapters.stack import AdapterStack
from dressform.backbones.assembled import Assembled
from dressform.train.config import TrainConfig
from dressform.train.loop import train
from dressform.train.objectives.plain import plain

RANKS, ROWS, OUTFITS, SIDES = (4, 8, 16, 32), (1, 2, 4, 8), (1, 2, 4, 8), (1, 1.5, 2)


def curves(base: Assembled, config: TrainConfig, turns: Turns) -> dict[str, Ratio]:
    """One quantity changes at a time, from ``config`` with two outfits of two rows."""
    config = replace(config, rows=2)

    def wardrobe(count: int, config: TrainConfig) -> Callable[[], None]:
        return lambda: train(base, jobs(base, count, config), plain, config)

    return {
        **_against_the_first("rank", {r: wardrobe(2, replace(config, rank=r, alpha=float(r))) for r in RANKS}, turns),
        **_against_the_first("rows", {n: wardrobe(2, replace(config, rows=n)) for n in ROWS}, turns),
        **_against_the_first("outfits", {n: wardrobe(n, config) for n in OUTFITS}, turns),
        **_against_the_first("side", {n: _one_pass(base, config, n) for n in SIDES}, turns),
    }


def _one_pass(base: Assembled, config: TrainConfig, times: float) -> Callable[[], None]:
    """A forward and a backward pass of four rows at ``times`` the usual side length."""
    side = int(times * base.size_px / base.cell_px)
    worn = adapter(base, "outfit", config, filled=True)
    stack, latents = (
        AdapterStack(base.target_layers(config.targets), [worn]),
        torch.randn(4, base.latent_channels, side, side, device=base.device),
    )
    text, t = base.encode_text([""]).expand(4, -1, -1), torch.linspace(0, 999, 4, device=base.device).long()

    def passes() -> None:
        with stack.attached():
            for _ in range(config.steps):
                with stack.active(torch.ones(4, 1)):  # read anew: a backward pass is over what was read before it
                    base.predict(latents, t, text).square().mean().backward()

    return passes


def _against_the_first(name: str, work: Mapping[float, Callable[[], None]], turns: Turns) -> dict[str, Ratio]:
    seconds = turns.seconds({str(size): run for size, run in work.items()})
    first = seconds[str(next(iter(work)))]
    return {f"step_against_{name}.{size}": ratio(spent, first) for size, spent in seconds.items()}
