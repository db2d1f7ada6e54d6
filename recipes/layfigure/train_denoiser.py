"""Step 3: denoiser and text encoder of the embedded base model, trained together from scratch.

    python -m recipes.layfigure.train_denoiser --work WORK [--minutes 70]

Resumable: run the same command again (with more minutes, if wanted) and it goes on from the last checkpoint.
The result is a Stable Diffusion folder in WORK/base, ready for StableDiffusionPipeline.from_pretrained.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from dressform.backbones import precision
from dressform.layfigure.canvas import LABELS
from dressform.layfigure.captions import caption, training_caption
from dressform.layfigure.doll import Doll, Garment, Identity, Scene
from dressform.layfigure.world import held_out_doll
from recipes.layfigure import log, metric

WIDTH = 192
DENOISER = {
    "sample_size": 16,
    "in_channels": 12,
    "out_channels": 12,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (128, 160, 192),
    "layers_per_block": 1,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
    "use_linear_projection": True,
    "addition_embed_type": "text",  # the pooled caption also goes to every residual block, beside the time
    "addition_embed_type_num_heads": 4,
}
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "timestep_spacing": "trailing",
    "steps_offset": 1,
}


IMPORTANCE = {"background": 0.5, "garment": 2.0, "garment_trim": 2.0, "footwear": 2.0, "hair": 4.0}
"""What an error weighs by what a pixel shows; skin, face, ears and mark, which say who she is in a few cells, weigh 6."""


@dataclass(frozen=True)
class Data:
    """latents bf16 [n, 12, 16, 16]; weights f32 [n, 1, 16, 16], what an error in each cell weighs; the dolls."""

    latents: Tensor
    weights: Tensor
    dolls: list[Doll]


def read_doll(line: str) -> Doll:
    row = json.loads(line)
    worn = Garment(**row["garment"]) if row["garment"] else None
    return Doll(Identity(**row["identity"]), worn, Scene(**row["scene"]))


def read_data(work: Path) -> Data:
    """All latent files in WORK, scaled to unit standard deviation by the VAE's scaling factor."""
    importance = torch.tensor([IMPORTANCE.get(label, 6.0) for label in LABELS])
    latents, weights, dolls = [], [], []
    for file in sorted(work.glob("latents-*.safetensors")):
        part = load_file(file)
        latents.append(part["latents"])
        weights += [torch.einsum("nkhw,k->nhw", some / 64, importance)[:, None] for some in part["shares"].split(5000)]
        lines = (work / f"dolls-{file.stem.split('-')[1]}.jsonl").read_text().splitlines()
        dolls += [read_doll(line) for line in lines]
    return Data(torch.cat(latents), torch.cat(weights), dolls)


def text_model(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A small CLIP text encoder whose words differ from the start.

    With CLIP's own initial scale (0.02) the words drowned in what the layers add: after 3,000 steps a changed word moved its
    own hidden state by 2 to 10 % and the end of the text by none, and the denoiser knew the background alone.
    """
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH,
            num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=1.0 if module.num_embeddings == len(tokenizer) else 0.3)
    return model


class Both(nn.Module):
    """Denoiser and text encoder as one module, so that one optimizer and one average hold both."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel(**DENOISER).to(memory_format=torch.channels_last)
        self.text = text_model(tokenizer)


@dataclass(frozen=True)
class Loss:
    """What the loss needs beside the rows: alpha_bar [1000] of the schedule, and how errors count by direction [12, 12]."""

    alpha_bar: Tensor
    metric: Tensor


def loss_of(model: Both, how: Loss, x0: Tensor, noise: Tensor, t: Tensor, ids: Tensor, weight: Tensor) -> Tensor:
    """Weighted v-prediction loss (Salimans & Ho 2022, eq. v = a e - s x)."""
    alpha_bar = how.alpha_bar
    a, s = alpha_bar[t].sqrt().view(-1, 1, 1, 1), (1 - alpha_bar[t]).sqrt().view(-1, 1, 1, 1)
    with precision.autocast(x0.device):
        context = model.text(ids).last_hidden_state
        predicted = model.unet(a * x0 + s * noise, t, context).sample
    return (weight * metric.error(predicted.float() - (a * noise - s * x0), how.metric)).mean()


def timesteps(count: int, generator: torch.Generator) -> Tensor:
    """Stratified over 0..999, three in four of them in the noisiest twelfth: only there do the words decide what is drawn.

    With uniform steps, the loss after 1,900 updates was the same with a true, a wrong and an empty caption below t = 900, and one
    step from pure noise gets as much right as twenty (57 and 55 % of 96): what is not known there is not found later.
    """
    u = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    t = torch.where(u < 0.25, 4000 * u, 920 + 80 * (u - 0.25) / 0.75)
    return t.long().clamp(0, 999)


def compile_blocks(unet: UNet2DConditionModel) -> None:
    """Compile the denoiser block by block: 1.6 times as fast on a CPU.

    Compiled whole, torch 2.13 gives the last convolution's input no gradient, and nothing before it learns.
    """
    from diffusers.models import upsampling

    upsampling.is_torch_version = lambda *_: False  # a version check that would break each block's graph
    for block in [*unet.down_blocks, unet.mid_block, *unet.up_blocks]:
        block.compile()


def lr_at(progress: float, step: int, peak: float) -> float:
    """Warm-up over 200 steps, flat, then a linear fall over the last 85 %."""
    return peak * min(1.0, (step + 1) / 200) * min(1.0, max(0.01, (1 - progress) / 0.85))


def folder(model: Both, work: Path, scaling: float, name: str = "base") -> StableDiffusionPipeline:
    """Write the pipeline folder and return the pipeline."""
    vae = AutoencoderKL.from_pretrained(work / "vae")
    vae.register_to_config(scaling_factor=scaling)
    pipe = StableDiffusionPipeline(
        vae=vae, text_encoder=copy.deepcopy(model.text), tokenizer=CLIPTokenizer.from_pretrained(work / "tokenizer"),
        unet=copy.deepcopy(model.unet), scheduler=DDIMScheduler(**SCHEDULER), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.to(dtype=torch.float16).save_pretrained(work / name)
    return pipe


@torch.no_grad()
def preview(model: Both, work: Path, scaling: float, step: int) -> None:
    from PIL import Image

    pipe = folder(model, work, scaling, "preview").to(dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    rng = random.Random(7)
    prompts = [caption(held_out_doll(rng)) for _ in range(12)]
    with precision.autocast(torch.device("cpu")):
        drawn = pipe(prompts, num_inference_steps=20, guidance_scale=1.5, height=128, width=128,
                     generator=torch.Generator().manual_seed(0)).images  # fmt: skip
    sheet = Image.new("RGB", (6 * 128, 2 * 128))
    for i, picture in enumerate(drawn):
        sheet.paste(picture, (i % 6 * 128, i // 6 * 128))
    sheet.save(work / f"preview-{step:05d}.png")


@dataclass
class Run:
    """A training as it stands: the model, its moving average, the optimizer, steps done and seconds spent over all runs."""

    model: Both
    average: Both
    optimizer: torch.optim.Optimizer
    step: int = 0
    spent: float = 0.0

    def load(self, file: Path) -> None:
        """Go on from a checkpoint, where there is one."""
        if file.exists():
            state = torch.load(file, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.spent = state["step"], state["spent"]

    def save(self, file: Path) -> None:
        part = file.with_suffix(".part")
        state = {"model": self.model.state_dict(), "average": self.average.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state | {"step": self.step, "spent": self.spent}, part)
        part.rename(file)

    def update(self) -> None:
        """One optimizer step from the gradients, and the average after it."""
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        decay = min(0.998, (self.step + 1) / (self.step + 20))
        torch._foreach_lerp_(list(self.average.parameters()), [p.data for p in self.model.parameters()], 1 - decay)
        self.step += 1


def begin(tokenizer: CLIPTokenizer, device: str, lr: float, start: Path | None) -> Run:
    """New weights, or those of a pipeline folder; always the same ones for the same folder."""
    torch.manual_seed(0)
    model = Both(tokenizer)
    if start:
        model.unet.load_state_dict(UNet2DConditionModel.from_pretrained(start / "unet").state_dict(), strict=False)
        if (start / "text_encoder").exists():
            model.text.load_state_dict(CLIPTextModel.from_pretrained(start / "text_encoder").state_dict())
    model = model.to(device)
    model.unet.set_attn_processor(AttnProcessor())  # plain matrix products: twice as fast as SDPA's backward on a CPU
    groups = [{"params": model.unet.parameters(), "share": 1.0}, {"params": model.text.parameters(), "share": 0.4}]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)
    return Run(model, copy.deepcopy(model).requires_grad_(False), optimizer)


def scaling_of(start: Path) -> float:
    """The scaling factor that a pipeline folder was trained with: channels that have not changed must look the same to it."""
    return float(json.loads((start / "vae" / "config.json").read_text())["scaling_factor"])


def batch(data: Data, tokenizer: CLIPTokenizer, scaling: float, size: int, step: int, drop: float) -> tuple[Tensor, ...]:
    """(x0, noise, t, token ids, weight) of one step, derived from its number alone; ``drop``: the share of tags left out."""
    rng, generator = random.Random(step), torch.Generator().manual_seed(step)
    rows = torch.randint(len(data.dolls), (size,), generator=generator)
    captions = ["" if rng.random() < drop else training_caption(data.dolls[i], rng, drop) for i in rows.tolist()]
    ids = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
    x0 = (data.latents[rows].float() * scaling).to(memory_format=torch.channels_last)
    noise = torch.randn(x0.shape, generator=generator).to(memory_format=torch.channels_last)
    return x0, noise, timesteps(size, generator), ids, data.weights[rows]


def fit(run: Run, data: Data, tokenizer: CLIPTokenizer, scaling: float, args: argparse.Namespace) -> None:
    """Train until ``args.minutes`` are spent, with a checkpoint every five minutes."""
    vae = AutoencoderKL.from_pretrained(args.work / "vae").eval()
    counts = metric.of_latents(vae, data.latents[:500], data.dolls[:500], scaling)
    how = Loss(DDIMScheduler(**SCHEDULER).alphas_cumprod.to(args.device), counts.to(args.device))
    budget, last_save, losses = args.minutes * 60, time.monotonic(), []
    while run.spent < budget:
        began = time.monotonic()
        for group in run.optimizer.param_groups:
            group["lr"] = group["share"] * lr_at(run.spent / budget, run.step, args.lr)
        x0, noise, t, ids, weight = (part.to(args.device) for part in batch(data, tokenizer, scaling, args.batch, run.step, args.drop))
        loss = loss_of(run.model, how, x0, noise, t, ids, weight)
        loss.backward()
        run.update()
        losses.append(loss.detach())
        if run.step % 50 == 0:
            mean = torch.stack(losses).mean().item()
            losses.clear()
            log.append(args.work / "denoiser.jsonl", step=run.step, loss=round(mean, 5), seconds=round(run.spent, 1))
        run.spent += min(time.monotonic() - began, 30.0)
        if time.monotonic() - last_save > 300 or run.spent >= budget:
            run.save(args.work / "denoiser.pt")
            last_save = time.monotonic()
        if run.step % args.preview_every_steps == 0:
            preview(run.average, args.work, scaling, run.step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--drop", type=float, default=0.06, help="share of captions, and of tags in the others, that are left out")
    parser.add_argument("--preview-every-steps", type=int, default=700)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start", type=Path, help="a pipeline folder to start from instead of random weights")
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    tokenizer = CLIPTokenizer.from_pretrained(args.work / "tokenizer")
    run = begin(tokenizer, args.device, args.lr, args.start)
    run.load(args.work / "denoiser.pt")
    data = read_data(args.work)
    scaling = scaling_of(args.start) if args.start else 1.0 / data.latents[:4096].float().std().item()
    if not args.no_compile:
        compile_blocks(run.model.unet)
    print("parameters", sum(p.numel() for p in run.model.parameters()), "pictures", len(data.dolls), "from step", run.step, flush=True)
    fit(run, data, tokenizer, scaling, args)
    folder(run.average, args.work, scaling)
    preview(run.average, args.work, scaling, run.step)
    print("steps", run.step, "seconds", round(run.spent), "scaling", math.floor(scaling * 1e5) / 1e5)


if __name__ == "__main__":
    main()
