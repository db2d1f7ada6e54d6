"""Every layer's name in every file format, over the module lists of full-size base models."""

from __future__ import annotations

import pytest
import torch

from dressform.adapters import keys
from tests import full_size

ARCHITECTURES = {"sd1": "stable-diffusion-v1", "sdxl": "stable-diffusion-xl-v1-base"}
LISTS = {"sd1": (192, 72, 0), "sdxl": (722, 72, 192)}


def names_of(which: str, model: str) -> list[str]:
    return list(full_size.attention(model) if which == "attention" else full_size.everything(model))


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_the_lists_are_as_long_as_kohyas(model: str) -> None:
    first = full_size.text_encoder(768, 12)
    second = full_size.text_encoder(1280, 32) if model == "sdxl" else []
    assert (len(full_size.attention(model)), len(first), len(second)) == LISTS[model]


@pytest.mark.parametrize("which", ["attention", "all"])
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_every_name_leads_back_to_its_layer_alone(model: str, which: str) -> None:
    family, layers = keys.of(ARCHITECTURES[model]), names_of(which, model)
    spelt = family.spellings(layers)
    for written in (family.kohya(layers), family.peft(layers)):
        assert len(set(written.values())) == len(layers)
        assert {layer: spelt[name] for layer, name in written.items()} == {layer: layer for layer in layers}
        assert not any(family.encoder_of(name) for name in written.values())


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_names_that_comfyui_and_simpletuner_write(model: str) -> None:
    family, layers = keys.of(ARCHITECTURES[model]), names_of("attention", model)
    layer = next(name for name in layers if name.startswith("down_blocks.1.attentions.0") and name.endswith("attn2.to_k"))
    spelt = family.spellings(layers)
    assert spelt[f"diffusion_model.input_blocks.4.1.{layer.split('.', 4)[4]}"] == layer
    assert spelt["lycoris_" + layer.replace(".", "_")] == layer
    assert family.encoder_of("text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1") == "text_encoder"


def test_what_stands_behind_a_block_without_attention_is_its_second_part() -> None:
    spelt = keys.of(ARCHITECTURES["sd1"]).spellings(names_of("all", "sd1"))
    for block, name in enumerate(("2.1", "5.2", "8.2")):
        assert spelt[f"diffusion_model.output_blocks.{name}.conv"] == f"up_blocks.{block}.upsamplers.0.conv"


def test_a_transformer_goes_by_its_own_names() -> None:
    family, layers = keys.of("some-transformer"), list(full_size.matrices(full_size.transformer()))
    assert len(layers) > 200 and family.version == "some_transformer"
    written = family.kohya(layers)
    assert family.peft(layers)[layers[0]] == f"transformer.{layers[0]}"
    assert [family.spellings(layers)[written[layer]] for layer in layers] == layers


@pytest.mark.parametrize(
    ("model", "layer", "name"),
    [
        ("sd1", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
         "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0"),
        ("sd1", "up_blocks.1.resnets.2.time_emb_proj", "lora_unet_up_blocks_1_resnets_2_time_emb_proj"),
        ("sdxl", "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
         "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"),
        ("sdxl", "down_blocks.0.resnets.0.conv1", "lora_unet_input_blocks_1_0_in_layers_2"),
        ("sdxl", "down_blocks.0.downsamplers.0.conv", "lora_unet_input_blocks_3_0_op"),
        ("sdxl", "mid_block.resnets.1.conv2", "lora_unet_middle_block_2_out_layers_3"),
        ("sdxl", "mid_block.attentions.0.proj_in", "lora_unet_middle_block_1_proj_in"),
        ("sdxl", "up_blocks.0.attentions.0.transformer_blocks.9.ff.net.0.proj",
         "lora_unet_output_blocks_0_1_transformer_blocks_9_ff_net_0_proj"),
        ("sdxl", "up_blocks.0.upsamplers.0.conv", "lora_unet_output_blocks_2_2_conv"),
        ("sdxl", "up_blocks.2.resnets.1.conv_shortcut", "lora_unet_output_blocks_7_0_skip_connection"),
    ],
)  # fmt: skip
def test_names_that_sd_scripts_writes(model: str, layer: str, name: str) -> None:
    layers = names_of("all", model)
    assert keys.of(ARCHITECTURES[model]).kohya(layers)[layer] == name


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_diffusers_reads_the_same_layer_in_each_name(model: str) -> None:
    from diffusers.loaders import lora_conversion_utils as theirs
    from diffusers.utils import convert_unet_state_dict_to_peft

    family, layers = keys.of(ARCHITECTURES[model]), names_of("all", model)
    written = {}
    for i, name in enumerate(family.kohya(layers).values()):
        written[f"{name}.lora_down.weight"] = torch.full((1,), float(i))
        written[f"{name}.lora_up.weight"] = torch.zeros(1)
    mapped = theirs._maybe_map_sgm_blocks_to_diffusers(written, full_size.unet(model).config)
    read, _ = theirs._convert_non_diffusers_lora_to_diffusers(dict(mapped))
    read = convert_unet_state_dict_to_peft(read)
    found = {name: value.item() for name, value in read.items() if name.endswith(".lora_A.weight")}
    assert found == {f"{name}.lora_A.weight": float(i) for i, name in enumerate(family.peft(layers).values())}


def test_text_encoders_are_known_in_both_layouts() -> None:
    sd1, xl = (keys.of(a) for a in ARCHITECTURES.values())
    first, second = full_size.text_encoder(768, 12), full_size.text_encoder(1280, 32)
    for layer in first:
        flat = layer.replace(".", "_")
        assert sd1.encoder_of(f"lora_te_{flat}") == "text_encoder" == xl.encoder_of(f"lora_te1_{flat}")
        assert sd1.encoder_of(f"text_encoder.{layer}") == "text_encoder" == xl.encoder_of(f"text_encoder.{layer}")
    for layer in second:
        flat = layer.replace(".", "_")
        assert xl.encoder_of(f"lora_te2_{flat}") == "text_encoder_2" == xl.encoder_of(f"text_encoder_2.{layer}")
        assert sd1.encoder_of(f"lora_te2_{flat}") is None


def test_a_smaller_unet_is_numbered_by_its_own_blocks() -> None:
    layers = ["down_blocks.0.attentions.0.proj_in", "down_blocks.1.attentions.0.proj_in", "up_blocks.1.attentions.1.proj_in"]
    named = keys.of(ARCHITECTURES["sdxl"]).kohya(layers)
    assert list(named.values()) == [f"lora_unet_{n}_1_proj_in" for n in ("input_blocks_1", "input_blocks_3", "output_blocks_3")]


def test_diffusers_reads_a_transformers_names_too() -> None:
    from diffusers.loaders import lora_conversion_utils as theirs

    leaves = ("to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3")
    family, layers = keys.of("z-image"), [n for n in full_size.matrices(full_size.transformer()) if n.endswith(leaves)]
    written = {f"{n}.{part}": torch.zeros(2, 2) for n in family.kohya(layers).values() for part in ("lora_down.weight", "lora_up.weight")}
    read = theirs._convert_non_diffusers_z_image_lora_to_diffusers(written)
    assert len(layers) > 200
    assert set(family.kohya(layers).values()) == {f"diffusion_model.{n}" for n in layers} <= family.spellings(layers).keys(), "ComfyUI's"
    assert {n.removesuffix(".lora_A.weight") for n in read if n.endswith(".lora_A.weight")} == set(family.peft(layers).values())


@pytest.mark.parametrize(
    ("width", "prediction", "name"),
    [
        (768, "epsilon", "stable-diffusion-v1"), (1024, "epsilon", "stable-diffusion-v2-512"),
        (1024, "v_prediction", "stable-diffusion-v2-768-v"), (192, "epsilon", "dressform-layfigure-v1"),
    ],
)  # fmt: skip
def test_a_base_model_is_named_by_its_text_and_what_it_predicts(width: int, prediction: str, name: str) -> None:
    from dressform.backbones.stable_diffusion import architecture_of

    assert architecture_of(width, prediction) == name
