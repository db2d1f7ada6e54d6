"""XL's names, read by diffusers itself: the same prediction as with our own stack, in both layouts, with alpha unlike rank."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

from dressform.adapters import files, foreign, peft_file
from dressform.adapters.stack import Adapter, AdapterStack
from dressform.records import AdapterInfo
from tests.full_size import IN_RESNETS, matrices

XL = "stable-diffusion-xl-v1-base"
INFO = AdapterInfo("outfit", "aoi-dress", "aoi_dress", rank=3, alpha=1.5, targets="all", base_model_sha256="b" * 64, architecture=XL)


@pytest.fixture(scope="module", params=[1, 2])
def unet(request: pytest.FixtureRequest) -> UNet2DConditionModel:
    """A tiny random denoiser of XL's kind, with as many layers in a block."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 16), layers_per_block=request.param, transformer_layers_per_block=(1, 2), attention_head_dim=2,
        cross_attention_dim=16, norm_num_groups=4, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=4, projection_class_embeddings_input_dim=32,
    ).eval()  # fmt: skip


def target_layers(unet: UNet2DConditionModel) -> dict[str, torch.nn.Module]:
    return {n: m for n, m in matrices(unet).items() if ".attentions." in n or n.endswith(IN_RESNETS) or "samplers." in n}


def predicted(unet: UNet2DConditionModel) -> torch.Tensor:
    draw = torch.Generator().manual_seed(5)
    more = {"text_embeds": torch.randn(2, 8, generator=draw), "time_ids": torch.randn(2, 6, generator=draw)}
    noisy, text = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(2, 7, 16, generator=draw)
    with torch.no_grad():
        return unet(noisy, torch.tensor([10, 700]), text, added_cond_kwargs=more).sample


@pytest.mark.recipe
@pytest.mark.parametrize("write", [files.to_bytes, peft_file.to_bytes])
def test_diffusers_predicts_the_same(write, unet: UNet2DConditionModel, tmp_path: Path) -> None:
    layers = target_layers(unet)
    adapter = Adapter(INFO, layers, 1)
    for up in adapter.up:
        up.data.normal_(std=0.3, generator=torch.Generator().manual_seed(up.numel()))
    stack = AdapterStack(layers, [adapter])
    with stack.attached(), stack.active(torch.ones(2, 1)):
        ours = predicted(unet)
    bare = predicted(unet)
    assert (ours - bare).abs().max() > 1e-2
    (tmp_path / "a.safetensors").write_bytes(write(adapter, torch.float32))
    state, alphas, metadata = StableDiffusionXLPipeline.lora_state_dict(
        str(tmp_path), weight_name="a.safetensors", unet_config=unet.config, return_lora_metadata=True
    )
    StableDiffusionXLPipeline.load_lora_into_unet(state, network_alphas=alphas, unet=unet, adapter_name="a", metadata=metadata)
    try:
        torch.testing.assert_close(predicted(unet), ours, atol=1e-4, rtol=1e-4)
    finally:
        unet.unload_lora()
    torch.testing.assert_close(predicted(unet), bare)


def test_what_diffusers_writes_is_read(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    """Its training scripts' own way out: a PEFT configuration, its weights, and what ``save_lora_weights`` makes of them."""
    from peft import LoraConfig, get_peft_model_state_dict

    config = LoraConfig(r=4, lora_alpha=2, init_lora_weights=False, target_modules=["to_q", "to_k", "to_v", "to_out.0", "conv1"])
    unet.add_adapter(config)
    try:
        theirs = predicted(unet)
        StableDiffusionXLPipeline.save_lora_weights(
            tmp_path, unet_lora_layers=get_peft_model_state_dict(unet), unet_lora_adapter_metadata=config.to_dict()
        )
    finally:
        unet.unload_lora()
    layers = target_layers(unet)
    found = foreign.read((tmp_path / "pytorch_lora_weights.safetensors").read_bytes(), XL, layers)
    adapter = foreign.to_adapter(found, INFO, layers)
    assert (adapter.info.rank, adapter.info.alpha) == (4, 2.0)
    stack = AdapterStack(layers, [adapter])
    with stack.attached(), stack.active(torch.ones(2, 1)):
        torch.testing.assert_close(predicted(unet), theirs, atol=1e-4, rtol=1e-4)
