"""One plain LoRA made with Hugging Face PEFT and the training step of diffusers' own text-to-image LoRA script.

Not our copy of it: PEFT's layers, diffusers' scheduler for the noise and the v target, a plain AdamW and a mean squared error.
Only the schedule of time steps, the learning rate and the number of rows are those of the other arms.
"""

from __future__ import annotations

import copy

import torch
from diffusers import DDPMScheduler
from peft import LoraConfig, inject_adapter_in_model
from torch.nn import functional

from benchmarks.separation.arms import Learned, Recipe, plain_material
from benchmarks.separation.cases import Material
from dressform.adapters.stack import Adapter
from dressform.backbones.stable_diffusion import StableDiffusion
from dressform.records import AdapterInfo
from dressform.train.data import rows_at
from dressform.train.loop import lr_at


def one_plain_with_peft(base: StableDiffusion, given: Material, recipe: Recipe) -> Learned:
    """The arm "one plain LoRA", trained by other people's software."""
    data, words, config = plain_material(base, given, recipe)
    layers = base.target_layers(config.targets)
    torch.manual_seed(config.seed)
    unet = copy.deepcopy(base.denoiser)
    lora = LoraConfig(r=config.rank, lora_alpha=int(config.alpha), init_lora_weights=True, target_modules=list(layers))
    unet = inject_adapter_in_model(lora, unet).train()
    trained = [p for p in unet.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    scheduler = DDPMScheduler.from_config(base.scheduler.config)
    empty = base.encode_text([""])
    for step in range(config.steps):
        rows = rows_at(data, empty, config.seed, step, config.rows, config.drop_caption, config.noisy_share)
        noisy = scheduler.add_noise(rows.latents, rows.noise, rows.t)
        with base.autocast():
            predicted = unet(noisy, rows.t, rows.text).sample
        wanted = rows.noise if scheduler.config.prediction_type == "epsilon" else scheduler.get_velocity(rows.latents, rows.noise, rows.t)
        functional.mse_loss(predicted.float(), wanted.float()).backward()
        torch.nn.utils.clip_grad_norm_(trained, config.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = lr_at(config, step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return Learned([_taken_over(base, unet, config)], lambda _asked: (1.0,), words)


def _taken_over(base: StableDiffusion, unet: torch.nn.Module, config) -> Adapter:  # type: ignore[no-untyped-def]
    """PEFT's matrices in our adapter, so that both are probed by the same code."""
    info = AdapterInfo("outfit", "peft", "peft", config.rank, config.alpha, config.targets, base.sha256)
    adapter = Adapter(info, base.target_layers(config.targets))
    theirs = dict(unet.named_modules())
    with torch.no_grad():
        for name, down, up in adapter.matrices():
            down.copy_(theirs[name].lora_A["default"].weight)
            up.copy_(theirs[name].lora_B["default"].weight)
    return adapter
