"""Are outfits that train together the outfits that would have been trained alone?

    python -m benchmarks.speed.exactness [--outfits 8] [--steps 50] [--rows 2] [--targets all] [--json FILE]

All outfits in one pass and each by itself, on the embedded base model in float32, on a frozen identity, with L_k, reaching the
layers that the base model's adapters usually reach. Reported: the largest relative difference of any step's loss, and the largest
difference of any number in the final adapters. Stated: 1e-5 and 1e-4. Both are 0 where every sum is the same to the last bit.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from unittest import mock

import torch

from benchmarks import machine
from benchmarks.speed.wardrobes import adapter, jobs
from dressform import backbones
from dressform.adapters.stack import Adapter
from dressform.backbones import precision
from dressform.backbones.embedded import embedded_folder
from dressform.backbones.protocol import Backbone
from dressform.train.config import TrainConfig
from dressform.train.events import StepDone
from dressform.train.job import Job
from dressform.train.loop import train
from dressform.train.objectives.outfit import outfit_on_identity


def losses_of(base: Backbone, wardrobe: list[Job], config: TrainConfig, who: Adapter) -> dict[str, list[float]]:
    """Train ``wardrobe`` in place; the losses by outfit and step."""
    found: dict[str, list[float]] = {job.adapter.info.name: [] for job in wardrobe}

    def on_step(done: StepDone) -> None:
        for name, loss in done.losses.items():
            found[name].append(loss)

    train(base, wardrobe, outfit_on_identity(1.0), config, who, on_step=on_step)
    return found


def differences(base: Backbone, outfits: int, config: TrainConfig) -> tuple[float, float]:
    """(largest relative difference of a loss, largest absolute difference of an adapter's number), together against alone."""
    torch.manual_seed(0)
    who, together = adapter(base, "identity", config, filled=True), jobs(base, outfits, config)
    alone = copy.deepcopy(together)
    losses = losses_of(base, together, config, who)
    worst_loss = worst_value = 0.0
    for job, same in zip(together, alone, strict=True):
        name = same.adapter.info.name
        single = losses_of(base, [same], config, who)[name]
        worst_loss = max(worst_loss, *(abs(a - b) / abs(b) for a, b in zip(losses[name], single, strict=True)))
        pairs = zip(job.adapter.parameters(), same.adapter.parameters(), strict=True)
        worst_value = max(worst_value, *((a - b).abs().max().item() for a, b in pairs))
        print(f"{name}: losses within {worst_loss:.1e}, adapter within {worst_value:.1e}", flush=True)
    return worst_loss, worst_value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outfits", type=int, default=8)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rows", type=int, default=2, help="pictures of each outfit in a step")
    parser.add_argument("--targets", choices=("attention", "all"), help="layers adapted; those usual for the base model where not named")
    parser.add_argument("--base", type=Path, default=embedded_folder())
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    base = backbones.load(args.base)
    config = TrainConfig(steps=args.steps, rows=args.rows, rank=8, alpha=8.0, targets=args.targets or base.usual_targets)
    with mock.patch.object(precision, "half", lambda *_: None):
        loss, value = differences(base, args.outfits, config)
    print(f"largest difference of a loss {loss:.2e} (relative), of an adapter {value:.2e}, {args.outfits} outfits, {args.steps} steps")
    if args.json:
        how = {"outfits": args.outfits, "steps": args.steps, "rows": args.rows, "targets": config.targets}
        found = {"loss_difference": loss, "adapter_difference": value, **how, "machine": machine.described()}
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
