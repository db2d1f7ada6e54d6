"""How fast a lookbook is drawn: all outfits in mixed batches, one outfit fused, and outfit after outfit with diffusers."""

from __future__ import annotations

import copy
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from peft import LoraConfig, get_peft_model

from benchmarks.speed.timing import Ratio, Turns, ratio
from benchmarks.speed.wardrobes import adapter
from dressform.adapters import files
from dressform.adapters.stack import AdapterStack
from dressform.backbones.assembled import Assembled
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.train.config import TrainConfig

_PROMPT = "her, her_dress, side view, standing, white background"


def lookbooks(base: Assembled, folder: Path, config: TrainConfig, outfits: int, views: int, steps: int, turns: Turns) -> dict[str, Ratio]:
    """Seconds of a lookbook of outfits x views, ours over each other way."""
    who = adapter(base, "identity", config, filled=True)
    worn = [adapter(base, f"outfit{i}", config, filled=True) for i in range(outfits)]
    stack, sample = AdapterStack(base.target_layers(config.targets), [who, *worn]), SampleConfig(steps=steps, batch=outfits * views)
    gates = [(1.0, *(float(i == j) for j in range(outfits))) for i in range(outfits) for _ in range(views)]
    rows = [Row(_PROMPT, i, g) for i, g in enumerate(gates)]

    def mixed() -> None:
        with stack.attached():
            draw(base, stack, rows, sample)

    empty = AdapterStack({}, [])

    def fused() -> None:
        with AdapterStack(base.target_layers(config.targets), [who, worn[0]]).fused((1.0, 1.0)):
            draw(base, empty, [Row(_PROMPT, i, ()) for i in range(len(rows))], sample)

    with tempfile.TemporaryDirectory() as place:
        pipe = _with_diffusers(base, folder, [who, *worn], Path(place))

        def outfit_after_outfit() -> None:
            for i in range(outfits):
                pipe.set_adapters(["a0", f"a{i + 1}"], [1.0, 1.0])
                with base.autocast():
                    pipe([_PROMPT] * views, num_inference_steps=steps, guidance_scale=3.0, output_type="np")

        seconds = turns.seconds({"mixed": mixed, "fused": fused, "diffusers": outfit_after_outfit})
    return {
        "mixed_lookbook_over_diffusers": ratio(seconds["mixed"], seconds["diffusers"]),
        "mixed_lookbook_over_one_fused": ratio(seconds["mixed"], seconds["fused"]),
    }


def mixed_rows(base: Assembled, config: TrainConfig, outfits: int, views: int, turns: Turns) -> dict[str, Ratio]:
    """One prediction for rows that wear different outfits: our stack over PEFT's ``adapter_names``, which holds one adapter a row."""
    worn = [adapter(base, f"outfit{i}", config, filled=True) for i in range(outfits)]
    stack, count = AdapterStack(base.target_layers(config.targets), worn), outfits * views
    gates = torch.eye(outfits).repeat_interleave(views, dim=0)
    side = base.size_px // base.cell_px
    latents = torch.randn(count, base.latent_channels, side, side, device=base.device)
    text, t = base.encode_text([_PROMPT]).expand(count, -1, -1), torch.full((count,), 500, device=base.device)
    lora = LoraConfig(r=config.rank, lora_alpha=int(config.alpha), target_modules=list(base.target_layers(config.targets)))
    theirs = get_peft_model(copy.deepcopy(base.denoiser), lora, adapter_name="outfit0")
    for i in range(1, outfits):
        theirs.add_adapter(f"outfit{i}", lora)
    theirs.eval()
    names = [f"outfit{i}" for i in range(outfits) for _ in range(views)]

    def ours() -> None:
        with torch.inference_mode(), stack.attached(), stack.drawing(gates):
            base.predict(latents, t, text)

    def peft() -> None:
        with torch.inference_mode(), base.autocast():
            base.asking.ask(partial(theirs, adapter_names=names), latents, t, text)

    seconds = turns.seconds({"ours": ours, "peft": peft})
    return {"mixed_rows_over_peft_adapter_names": ratio(seconds["ours"], seconds["peft"])}


def _with_diffusers(base: Assembled, folder: Path, adapters: list, place: Path) -> Any:  # type: ignore[type-arg]
    """A pipeline with our exported files loaded by ``load_lora_weights``, as a user of diffusers would."""
    pipe: Any = DiffusionPipeline.from_pretrained(folder, torch_dtype=base.denoiser.dtype).to(base.device)
    pipe.set_progress_bar_config(disable=True)
    for i, one in enumerate(adapters):
        file = place / f"{i}.safetensors"
        file.write_bytes(files.to_bytes(one, torch.float32))
        pipe.load_lora_weights(place, weight_name=file.name, adapter_name=f"a{i}")
    return pipe
