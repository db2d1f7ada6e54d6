"""Step 3: denoiser and text encoder of the embedded base model, trained together from scratch.

    python -m recipes.layfigure.train_denoiser --work WORK [--minutes 70]

Resumable: run the same command again (with more minutes, if wanted) and it goes on from the last checkpoint.
The result is a Stable Diffusion folder in WORK/base, ready for StableDiffusionPipeline.from_pretrained.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import time
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from dressform.backbones import precision
from dressform.layfigure.captions import caption, training_caption
from dressform.layfigure.world import held_out_doll
from recipes.layfigure import latent_reader, log, metric
from recipes.layfigure.latent_reader import LatentReader
from recipes.layfigure.latents import Data, read_data, scaling_for

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
    """What the loss needs beside the rows: alpha_bar [1000] of the schedule, and how errors count by direction [12, 12].

    ``reader``: latents are also to read as the true ones do, with the weight ``reading``.
    """

    alpha_bar: Tensor
    metric: Tensor
    reader: LatentReader | None = None
    reading: float = 0.0


OWN_FROM, OWN_TO, OWN_SHARE = 250, 960, 0.6
"""At these times, so many of the rows whose captions say everything go on from the denoiser's own guess."""


@dataclass(frozen=True)
class Batch:
    """Rows of one step. x0 and noise [n, 12, 16, 16]; t [n]; token ids [n, length]; what an error weighs [n, 1, 16, 16].

    ``told`` [n] is 1 where the caption says everything, 0 where a tag was left out; where ``own`` [n, 1, 1, 1], x_t is the
    denoiser's own.
    """

    x0: Tensor
    noise: Tensor
    t: Tensor
    ids: Tensor
    weight: Tensor
    told: Tensor
    own: Tensor

    def to(self, device: str) -> Batch:
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))


def losses_of(model: Both, how: Loss, given: Batch) -> tuple[Tensor, Tensor]:
    """Weighted v-prediction loss (Salimans & Ho 2022, eq. v = a e - s x), and how differently x = a x_t - s v reads.

    What a caption does not say cannot be drawn as it should read, so rows that were not told everything are not read.
    """
    a, s = _coefficients(how, given.t)
    with precision.autocast(given.x0.device):
        context = model.text(given.ids).last_hidden_state
        noisy = torch.where(given.own, _own(model, how, given, context.detach()), a * given.x0 + s * given.noise)
        predicted = model.unet(noisy, given.t, context).sample.float()
    target = (a * noisy - given.x0) / s.clamp_min(1e-3)  # = a e - s x where the noise is the row's own
    loss = (given.weight * metric.error(predicted - target, how.metric)).mean()
    if how.reader is None:
        return loss, torch.zeros((), device=noisy.device)
    with precision.autocast(noisy.device):
        apart = latent_reader.unlike(how.reader, a * noisy - s * predicted, given.x0)
    return loss, (apart * given.told).mean()


def _coefficients(how: Loss, t: Tensor) -> tuple[Tensor, Tensor]:
    return how.alpha_bar[t].sqrt().view(-1, 1, 1, 1), (1 - how.alpha_bar[t]).sqrt().view(-1, 1, 1, 1)


@torch.no_grad()
def _own(model: Both, how: Loss, given: Batch, context: Tensor) -> Tensor:
    """x_t [n, 12, 16, 16] on the denoiser's own way down: its guess from pure noise, and that noise again at time t.

    A true x_t never contradicts its caption, so a denoiser that half knows a word learns to believe x_t; while sampling, x_t is
    its own half-right guess. Rows that are not ``own`` are zeros.
    """
    found, rows = torch.zeros_like(given.x0), given.own.flatten().nonzero().flatten()
    if len(rows):
        last = torch.full((len(rows),), len(how.alpha_bar) - 1, device=rows.device)
        (a, s), (to_a, to_s) = _coefficients(how, last), _coefficients(how, given.t[rows])
        v = model.unet(given.noise[rows], last, context[rows]).sample.float()
        found[rows] = to_a * (a * given.noise[rows] - s * v) + to_s * (s * given.noise[rows] + a * v)
    return found


def timesteps(count: int, generator: torch.Generator) -> Tensor:
    """Stratified over 0..999, half of them in the noisiest eighth: there the words decide what is drawn.

    With uniform steps, the loss after 1,900 updates was the same with a true, a wrong and an empty caption below t = 900, and one
    step from pure noise gets as much right as twenty (57 and 55 % of 96): what is not known there is not found later.
    """
    u = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    t = torch.where(u < 0.5, 2000 * u, 880 + 240 * (u - 0.5))
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


def batch(data: Data, tokenizer: CLIPTokenizer, scaling: float, size: int, step: int, drop: float) -> Batch:
    """The rows of one step, derived from its number alone; ``drop``: the share of captions, and of tags, left out."""
    rng, generator = random.Random(step), torch.Generator().manual_seed(step)
    rows = data.places[torch.randint(len(data.places), (size,), generator=generator)]
    captions = ["" if rng.random() < drop else training_caption(data.dolls[i], rng, drop) for i in rows.tolist()]
    told = torch.tensor(
        [all(tag in said for tag in caption(data.dolls[i]).split(", ")) for i, said in zip(rows.tolist(), captions, strict=True)]
    )
    ids = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
    x0 = (data.latents[rows].float() * scaling).to(memory_format=torch.channels_last)
    noise = torch.randn(x0.shape, generator=generator).to(memory_format=torch.channels_last)
    t = timesteps(size, generator)
    own = told & (t >= OWN_FROM) & (t < OWN_TO) & (torch.rand(size, generator=generator) < OWN_SHARE)
    return Batch(x0, noise, t, ids, data.weights[rows], told.float(), own.view(-1, 1, 1, 1))


def fit(run: Run, data: Data, tokenizer: CLIPTokenizer, scaling: float, args: argparse.Namespace) -> None:
    """Train until ``args.minutes`` are spent, with a checkpoint every five minutes."""
    vae = AutoencoderKL.from_pretrained(args.work / "vae").eval()
    counts = metric.of_latents(vae, data.latents[:500], data.dolls[:500], scaling)
    reader = latent_reader.load(args.work / "latent_reader.safetensors", args.device) if args.reading else None
    how = Loss(DDIMScheduler(**SCHEDULER).alphas_cumprod.to(args.device), counts.to(args.device), reader, args.reading)
    budget, last_save, losses = args.minutes * 60, time.monotonic(), []
    while run.spent < budget:
        began = time.monotonic()
        for group in run.optimizer.param_groups:
            group["lr"] = group["share"] * lr_at(run.spent / budget, run.step, args.lr)
        loss, apart = losses_of(run.model, how, batch(data, tokenizer, scaling, args.batch, run.step, args.drop).to(args.device))
        (loss + how.reading * apart).backward()
        run.update()
        losses.append(torch.stack([loss, apart]).detach())
        if run.step % 50 == 0:
            mean, read = (round(x, 5) for x in torch.stack(losses).mean(0).tolist())
            losses.clear()
            log.append(args.work / "denoiser.jsonl", step=run.step, loss=mean, apart=read, seconds=round(run.spent, 1))
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
    parser.add_argument("--reading", type=float, default=0.04, help="weight of reading like the true latents; 0: no latent reader")
    parser.add_argument("--preview-every-steps", type=int, default=700)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start", type=Path, help="a pipeline folder to start from instead of random weights")
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    tokenizer = CLIPTokenizer.from_pretrained(args.work / "tokenizer")
    run = begin(tokenizer, args.device, args.lr, args.start)
    run.load(args.work / "denoiser.pt")
    data = read_data(args.work)
    scaling = scaling_for(data, args.start)
    if not args.no_compile:
        compile_blocks(run.model.unet)
    print("parameters", sum(p.numel() for p in run.model.parameters()), "pictures", len(data.dolls), "from step", run.step, flush=True)
    fit(run, data, tokenizer, scaling, args)
    folder(run.average, args.work, scaling)
    preview(run.average, args.work, scaling, run.step)
    print("steps", run.step, "seconds", round(run.spent), "scaling", math.floor(scaling * 1e5) / 1e5)


if __name__ == "__main__":
    main()
