"""How fast a wardrobe trains: together, one after another, over the floor, and beside PEFT with diffusers' training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from benchmarks import with_peft
from benchmarks.speed.timing import Ratio, Turns, ratio
from benchmarks.speed.wardrobes import adapter, jobs, pictures
from dressform.adapters.stack import Adapter
from dressform.backbones.assembled import Assembled
from dressform.train.config import TrainConfig
from dressform.train.data import Rows
from dressform.train.loop import train
from dressform.train.memory import Peak
from dressform.train.objective import Objective
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.objectives.plain import plain

_SMALL = 10**8
"""Parameters of a denoiser that is compiled as a whole in a minute."""


def against_one_after_another(base: Assembled, config: TrainConfig, counts: Sequence[int], turns: Turns) -> dict[str, Ratio]:
    """Seconds of N outfits together over seconds of N runs of one, both with L_k on a frozen identity: under 1 is faster.

    On a GPU also the most memory that training together took, all in all.
    """
    found = {}
    who = adapter(base, "identity", config, filled=True)
    objective = outfit_on_identity(1.0)
    for n in counts:
        wardrobe, peak = jobs(base, n, config), Peak(base.device)
        seconds = turns.seconds(
            {
                "together": lambda wardrobe=wardrobe: train(base, wardrobe, objective, config, who),
                "one by one": lambda wardrobe=wardrobe: [train(base, [job], objective, config, who) for job in wardrobe],
            },
        )
        found[f"together_over_one_by_one.{n}"] = ratio(seconds["together"], seconds["one by one"])
        if base.device.type == "cuda":
            gib = peak() / 2**30
            found[f"together_peak_gib.{n}"] = Ratio(gib, 1, gib, gib)
    return found


def over_the_floor(base: Assembled, config: TrainConfig, count: int, turns: Turns) -> dict[str, Ratio]:
    """Seconds of a step over what its predictions must cost: a frozen forward each, and as much again for input gradients.

    L_k asks for two predictions a row, one of them without gradient: its floor is three forwards. From the end of the first step on:
    before it, the run reads its text encoder, once.
    """
    rows, who = count * config.rows, adapter(base, "identity", config, filled=True)
    data = pictures(base, "floor", rows)
    t = torch.linspace(0, 999, rows, device=base.device).long()

    def forwards() -> None:
        with torch.no_grad():
            for _ in range(config.steps - 1):
                base.predict(data.latents, t, data.text)

    def steps(objective: Objective, frozen: Adapter | None) -> Callable[[], float]:
        wardrobe = jobs(base, count, config)

        def seconds() -> float:
            stamps: list[float] = []
            train(base, wardrobe, objective, config, frozen, on_step=lambda _: stamps.append(turns.now()))
            return stamps[-1] - stamps[0]

        return seconds

    seconds = turns.seconds({"forward": forwards, "plain": steps(plain, None), "outfit": steps(outfit_on_identity(1.0), who)})
    return {
        "plain_step_over_floor": ratio(seconds["plain"], seconds["forward"], 2.0),
        "outfit_step_over_floor": ratio(seconds["outfit"], seconds["forward"], 3.0),
    }


def against_compiled(base: Assembled, config: TrainConfig, count: int, turns: Turns) -> dict[str, Ratio]:
    """Our wardrobe in one pass, eager, over PEFT with our caches and a denoiser that ``torch.compile`` compiled, one LoRA after another.

    One LoRA's training is timed ``count`` times over, and the compiling before it is not. The whole denoiser is compiled where it is
    small, its transformer blocks where not (diffusers' ``compile_repeated_blocks``), which is how such models are compiled in use.
    """
    unet, data = with_peft.with_new_layers(base, config), pictures(base, "peft")
    small = sum(p.numel() for p in unet.parameters()) < _SMALL
    unet.compile() if small else unet.compile_repeated_blocks()  # type: ignore[operator]
    seconds = turns.seconds(
        {
            "ours": lambda: train(base, jobs(base, count, config), plain, config),
            "compiled": lambda: [with_peft.train(base, unet, data, config) for _ in range(count)],
        },
    )
    return {f"wardrobe_over_peft_compiled.{count}": ratio(seconds["ours"], seconds["compiled"])}


def against_peft(base: Assembled, config: TrainConfig, count: int, turns: Turns) -> dict[str, Ratio]:
    """Our wardrobe in one pass over the same plain steps with PEFT and diffusers, one LoRA after another.

    Twice: given our cached latents and embeddings, and encoding pictures and captions at each step as diffusers' script does. The making
    of PEFT's layers is not timed: a training of a few steps would count it for more than it is in one of hundreds.
    """
    unet, data = with_peft.with_new_layers(base, config), pictures(base, "peft")

    def with_peft_alone(encoded: Callable[[Rows], Rows]) -> None:
        for i in range(count):
            with_peft.train(base, unet, data, replace(config, seed=i), encoded)

    seconds = turns.seconds(
        {
            "ours": lambda: train(base, jobs(base, count, config), plain, config),
            "ours, L_k": lambda: train(
                base, jobs(base, count, config), outfit_on_identity(1.0), config, adapter(base, "identity", config, filled=True)
            ),
            "peft, our caches": lambda: with_peft_alone(with_peft.as_cached),
            "peft, its script": lambda: with_peft_alone(lambda rows: _encoded_anew(base, rows)),
        },
    )
    return {
        "wardrobe_over_peft_and_diffusers": ratio(seconds["ours"], seconds["peft, its script"]),
        "wardrobe_over_peft_given_our_caches": ratio(seconds["ours"], seconds["peft, our caches"]),
        "wardrobe_with_preservation_over_peft": ratio(seconds["ours, L_k"], seconds["peft, its script"]),
    }


def _encoded_anew(base: Assembled, rows: Rows) -> Rows:
    """The rows with their pictures and captions encoded now (random pictures: the cost does not depend on them)."""
    count = len(rows.latents)
    drawn = torch.randint(0, 256, (count, 3, base.size_px, base.size_px), dtype=torch.uint8)
    return replace(rows, latents=base.encode_pictures(drawn), text=base.encode_text(["her, her_peft, side view, waving"] * count))
