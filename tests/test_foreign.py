"""Adapters of other programs: each layout gives the very change that its maker meant, or is refused in one line."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save
from torch import nn

from benchmarks.trust.vectors import adapters as vectors
from dressform.adapters import foreign, keys
from dressform.adapters.foreign import read, to_adapter
from dressform.adapters.stack import Adapter
from dressform.errors import BadInput, Mismatch
from dressform.records import AdapterInfo
from tests import full_size

SD1 = "stable-diffusion-v1"
Q, FF, PROJ = "d.attn1.to_q", "d.ff.net.0.proj", "d.proj_in"
CONV = "r.conv1"
LAYERS: dict[str, nn.Module] = {Q: nn.Linear(6, 5), FF: nn.Linear(6, 8), PROJ: nn.Conv2d(6, 4, 1), CONV: nn.Conv2d(4, 7, 3)}
INFO = AdapterInfo("outfit", "aoi-coat", "coat", 1, 1.0, "all", "b" * 64, architecture=SD1)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(math.prod(shape)))


def changes(data: bytes, settings: bytes | None = None) -> dict[str, torch.Tensor]:
    """What the imported adapter adds to each weight."""
    return added(to_adapter(read(data, SD1, LAYERS, settings=settings), INFO, LAYERS))


def added(adapter: Adapter) -> dict[str, torch.Tensor]:
    return {n: (adapter.info.scaling * up @ down.flatten(1)).detach() for n, down, up in adapter.matrices()}


def meant(ranks: dict[str, int], scalings: dict[str, float]) -> dict[str, torch.Tensor]:
    """The change that these tests' files mean: s B A."""
    return {n: scalings[n] * (up(n, r) @ down(n, r).flatten(1)) for n, r in ranks.items()}


def down(layer: str, rank: int) -> torch.Tensor:
    return drawn(rank, *LAYERS[layer].weight.shape[1:])  # type: ignore[union-attr, misc]


def up(layer: str, rank: int) -> torch.Tensor:
    return drawn(LAYERS[layer].weight.shape[0], rank)  # type: ignore[union-attr, misc, arg-type]


def the_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert wanted
    for layer, change in found.items():
        torch.testing.assert_close(change, wanted.get(layer, torch.zeros_like(change)), atol=1e-6, rtol=1e-5)


def kohya(ranks: dict[str, int], alphas: dict[str, float], dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    found = {}
    for layer, rank in ranks.items():
        name, is_conv = "lora_unet_" + layer.replace(".", "_"), LAYERS[layer].weight.dim() == 4  # type: ignore[operator, union-attr]
        b = up(layer, rank)
        found[f"{name}.lora_down.weight"] = down(layer, rank).to(dtype)
        found[f"{name}.lora_up.weight"] = (b[:, :, None, None] if is_conv else b).to(dtype).contiguous()
        if layer in alphas:
            found[f"{name}.alpha"] = torch.tensor(alphas[layer])
    return found


def test_kohya_and_locon_with_an_alpha_and_a_rank_for_each_layer() -> None:
    ranks = {Q: 2, FF: 3, PROJ: 2, CONV: 4}
    data = save(kohya(ranks, {Q: 1.0, FF: 6.0, CONV: 1.0}))
    the_same(changes(data), meant(ranks, {Q: 0.5, FF: 2.0, PROJ: 1.0, CONV: 0.25}))
    made = to_adapter(read(data, SD1, LAYERS), INFO, LAYERS)
    assert made.info.rank == 4 and made.info.scaling == 2.0, "the largest, so that no B grows small"


def test_layers_that_other_programs_have_in_one_are_parted() -> None:
    names = [f"layers.0.attention.{leaf}" for leaf in ("to_q", "to_k", "to_v", "to_out.0")]
    layers = {name: nn.Linear(6, 5) for name in names}
    a, b, out = drawn(2, 6), drawn(15, 2), drawn(5, 3)
    tensors = {
        "diffusion_model.layers.0.attention.qkv.lora_A.weight": a, "diffusion_model.layers.0.attention.qkv.lora_B.weight": b,
        "diffusion_model.layers.0.attention.out.lora_A.weight": drawn(3, 6), "diffusion_model.layers.0.attention.out.lora_B.weight": out,
    }  # fmt: skip
    made = added(to_adapter(read(save(tensors), "z-image", layers), replace(INFO, architecture="z-image"), layers))
    assert torch.cat([made[name] for name in names[:3]]).allclose(b @ a, atol=1e-6)
    assert made[names[3]].allclose(out @ drawn(3, 6), atol=1e-6)
    settings = json.dumps({"r": 2, "lora_alpha": 2, "alpha_pattern": {"attention.qkv": 8, "attention.out": 6}}).encode()
    assert read(save(tensors), "z-image", layers, settings=settings).scalings == dict(zip(names, (4.0, 4.0, 4.0, 2.0), strict=True))
    for before, dot in (("", "."), ("transformer.", "."), ("base_model.model.", "."), ("lycoris_", "_")):
        elsewhere = {
            f"{before}{n.rsplit('.lora_', 1)[0].removeprefix('diffusion_model.').replace('.', dot)}.lora_{n.rsplit('.lora_', 1)[1]}": t
            for n, t in tensors.items()
        }
        again = added(to_adapter(read(save(elsewhere), "z-image", layers), replace(INFO, architecture="z-image"), layers))
        the_same(again, made)
    with pytest.raises(Mismatch, match="do not fit"):
        read(save(tensors | {"diffusion_model.layers.0.attention.qkv.lora_B.weight": drawn(14, 2)}), "z-image", layers)
    with pytest.raises(BadInput, match="twice"):
        twice = {f"diffusion_model.layers.0.attention.to_q.lora_{m}.weight": t for m, t in (("A", a.clone()), ("B", drawn(5, 2)))}
        read(save(tensors | twice), "z-image", layers)


def test_an_alpha_may_be_a_whole_number() -> None:
    whole = {n: t.to(torch.int64) if n.endswith(".alpha") else t for n, t in kohya({Q: 2, FF: 3}, {Q: 1.0, FF: 6.0}).items()}
    the_same(changes(save(whole)), meant({Q: 2, FF: 3}, {Q: 0.5, FF: 2.0}))
    with pytest.raises(BadInput, match="I64"):
        read(save({n: t.to(torch.int64) for n, t in kohya({Q: 2}, {}).items()}), SD1, LAYERS)


def test_one_rank_and_alpha_stay_as_they_are_and_layers_left_alone_are_zero() -> None:
    found = read(save(kohya({Q: 4, FF: 4}, {Q: 1.0, FF: 1.0}, torch.float16)), SD1, LAYERS)
    made = to_adapter(found, INFO, LAYERS)
    assert (made.info.rank, made.info.alpha, found.exact16) == (4, 1.0, True)
    assert made.down[0].equal(down(Q, 4).half().float()) and not added(made)[CONV].any() and not made.down[3].any()
    assert not read(save(kohya({Q: 4}, {}, torch.bfloat16)), SD1, LAYERS).exact16


def test_a_linear_layer_that_its_file_has_as_a_convolution_and_the_other_way_round() -> None:
    turned = {
        "lora_unet_d_proj_in.lora_down.weight": down(PROJ, 2).flatten(1), "lora_unet_d_proj_in.lora_up.weight": up(PROJ, 2),
        "lora_unet_d_attn1_to_q.lora_down.weight": down(Q, 2)[:, :, None, None].contiguous(),
        "lora_unet_d_attn1_to_q.lora_up.weight": up(Q, 2)[:, :, None, None].contiguous(),
    }  # fmt: skip
    the_same(changes(save(turned)), meant({PROJ: 2, Q: 2}, {PROJ: 1.0, Q: 1.0}))


def test_tuckers_middle_is_the_convolution_of_both() -> None:
    first, middle, last = drawn(3, 4, 1, 1), drawn(2, 3, 3, 3), drawn(7, 2, 1, 1)
    name = "lora_unet_r_conv1"
    data = save({f"{name}.lora_down.weight": first, f"{name}.lora_mid.weight": middle, f"{name}.lora_up.weight": last})
    made = to_adapter(read(data, SD1, LAYERS), INFO, LAYERS)
    x, conv = drawn(1, 4, 8, 8), nn.functional.conv2d
    a, b = made.down[3], made.up[3]
    torch.testing.assert_close(conv(conv(x, a), b[:, :, None, None]), conv(conv(conv(x, first), middle), last), atol=1e-4, rtol=1e-4)


def test_the_mixed_suffixes_of_older_diffusers_files() -> None:
    text = "text_encoder.text_model.encoder.layers.0"
    data = save({
        f"unet.{Q}.lora.down.weight": down(Q, 2), f"unet.{Q}.lora.up.weight": up(Q, 2),
        f"unet.{FF}.lora_A.weight": down(FF, 3), f"unet.{FF}.lora_B.weight": up(FF, 3),
        f"{text}.self_attn.q_proj.lora_linear_layer.down.weight": drawn(2, 6),
        f"{text}.self_attn.q_proj.lora_linear_layer.up.weight": drawn(6, 2),
        f"{text}.mlp.fc1.lora_A.weight": drawn(2, 6), f"{text}.mlp.fc1.lora_B.weight": drawn(6, 2),
    })  # fmt: skip
    the_same(changes(data), meant({Q: 2, FF: 3}, {Q: 1.0, FF: 1.0}))
    assert read(data, SD1, LAYERS).left_out == {"text_encoder": 2}


def test_the_processors_of_the_oldest_diffusers_files() -> None:
    name = "unet.d.attn1.processor.to_q_lora"
    the_same(changes(save({f"{name}.down.weight": down(Q, 2), f"{name}.up.weight": up(Q, 2)})), meant({Q: 2}, {Q: 1.0}))


def peft(prefix: str, ranks: dict[str, int], **configuration: object) -> bytes:
    tensors = {f"{prefix}{n}.lora_A.weight": down(n, r) for n, r in ranks.items()}
    tensors |= {f"{prefix}{n}.lora_B.weight": up(n, r) for n, r in ranks.items()}
    metadata = {"lora_adapter_metadata": json.dumps({f"unet.{k}": v for k, v in configuration.items()})}
    return save(tensors, metadata if configuration else None)


@pytest.mark.parametrize(
    ("configuration", "scalings"),
    [
        ({}, (1.0, 1.0)),
        ({"r": 4, "lora_alpha": 2}, (0.5, 1.0)),
        ({"r": 4, "lora_alpha": 2, "alpha_pattern": {"ff.net.0.proj": 8}}, (0.5, 4.0)),
        ({"r": 4, "lora_alpha": 2, "alpha_pattern": {"net.0.pro": 8}}, (0.5, 1.0)),
        ({"r": 4, "lora_alpha": 2, "alpha_pattern": {r"ff\.net\.0\.proj$": 8}}, (0.5, 4.0)),
        ({"r": 4, "lora_alpha": 2, "alpha_pattern": {"^net.0.proj": 8}}, (0.5, 1.0)),
        ({"r": 4, "lora_alpha": 2, "init_lora_weights": "gaussian"}, (0.5, 1.0)),
        ({"r": 4, "lora_alpha": 2, "use_rslora": True}, (1.0, 2 / math.sqrt(2))),
    ],
)
def test_peft_with_alpha_where_its_configuration_states_it(configuration: dict[str, object], scalings: tuple[float, float]) -> None:
    ranks = {Q: 4, FF: 2}
    the_same(changes(peft("unet.", ranks, **configuration)), meant(ranks, dict(zip(ranks, scalings, strict=True))))


def test_a_folder_of_peft_with_its_configuration_beside() -> None:
    settings = json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 1, "use_rslora": False}).encode()
    the_same(changes(peft("base_model.model.", {Q: 4}), settings), meant({Q: 4}, {Q: 0.25}))


@pytest.mark.parametrize("kind", ["DoRA of another base model", "DoRA by its configuration", "LoHa", "LoKr"])
def test_what_two_matrices_cannot_say_is_named(kind: str, tmp_path) -> None:
    data = vectors.FOREIGN[kind](tmp_path).read_bytes()
    with pytest.raises(BadInput, match=kind.split()[0]):
        read(data, "dressform-layfigure-v1", vectors.LAYERS)


@pytest.mark.parametrize("name", vectors.FOREIGN)
def test_a_broken_file_is_refused_in_one_line(name: str, tmp_path) -> None:
    data = vectors.FOREIGN[name](tmp_path).read_bytes()
    with pytest.raises(BadInput) as refused:
        read(data, "dressform-layfigure-v1", vectors.LAYERS)
    assert len(str(refused.value)) < 500


def test_the_vectors_are_broken_by_what_was_done_to_them_alone() -> None:
    found = read(vectors.foreign()(), "dressform-layfigure-v1", vectors.LAYERS)
    assert found.ranks == (2, 3) and found.scalings == {"a.to_q": 2.0 / 3, "b.conv1": 1.0}


def test_an_adapter_of_another_family_is_told_by_its_layers_and_by_what_it_says() -> None:
    layers = {n: m for n, m in full_size.attention("sdxl").items() if n.startswith("mid_block")}
    names = keys.of("stable-diffusion-xl-v1-base").kohya(layers)
    tensors = {f"{names[n]}.lora_down.weight": torch.ones(1, m.weight.shape[1]) for n, m in layers.items()}  # type: ignore[union-attr, misc, arg-type]
    tensors |= {f"{names[n]}.lora_up.weight": torch.ones(m.weight.shape[0], 1) for n, m in layers.items()}  # type: ignore[union-attr, misc, arg-type]
    data = save(tensors, {"ss_base_model_version": "sdxl_base_v1-0"})
    assert len(read(data, "stable-diffusion-xl-v1-base", full_size.attention("sdxl")).matrices) == len(layers)
    with pytest.raises(Mismatch, match=r"sdxl_base_v1-0.*stable-diffusion-v1"):
        read(data, SD1, full_size.attention("sd1"))


def test_a_layer_that_adapters_do_not_reach_here_is_no_other_base_model() -> None:
    data = save({"lora_unet_conv_in.lora_down.weight": torch.ones(1, 4, 3, 3), "lora_unet_conv_in.lora_up.weight": torch.ones(8, 1, 1, 1)})
    with pytest.raises(BadInput, match=r"conv_in.*do not reach"):
        read(data, SD1, LAYERS, beyond={"conv_in"})


def test_one_layer_of_an_enormous_rank_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = save(kohya({Q: 2, CONV: 40}, {}))
    read(data, SD1, LAYERS)
    sides = sum(len(m.weight) + m.weight[0].numel() for m in LAYERS.values())  # type: ignore[arg-type, index, operator, union-attr]
    monkeypatch.setattr(foreign, "FILE_LIMIT_BYTES", 4 * 40 * sides - 1)
    with pytest.raises(BadInput, match="rank 40"):
        read(data, SD1, LAYERS)


@pytest.mark.parametrize("model", ["sd1", "sdxl"])
def test_what_we_write_is_read_back_over_a_whole_base_model_and_its_header_is_short(model: str) -> None:
    from dressform.adapters import files, peft_file

    architecture = {"sd1": SD1, "sdxl": "stable-diffusion-xl-v1-base"}[model]
    layers = {n: full_size.stand_in(m) for n, m in full_size.everything(model).items()}
    adapter = Adapter(AdapterInfo("outfit", "a", "a", 1, 0.5, "all", "b" * 64, architecture=architecture), layers)
    for write in (files.to_bytes, peft_file.to_bytes):
        data = write(adapter)
        assert int.from_bytes(data[:8], "little") < 1 << 20
        found = foreign.read(data, architecture, layers)
        assert found.matrices.keys() == layers.keys() and set(found.scalings.values()) == {0.5} and found.exact16


@pytest.mark.parametrize("begun", ["pissa", "pissa_niter_4", "olora", "corda", "loftq", ["pissa"]])
def test_an_adapter_of_a_changed_base_model_is_refused(begun: object) -> None:
    with pytest.raises(BadInput, match=r"base model changed before its training.*convert"):
        changes(peft("unet.", {Q: 4}, r=4, lora_alpha=2, init_lora_weights=begun))


@pytest.mark.parametrize("pattern", [".*proj", "(a+)+$", "ff.net.0.proj|x"])
def test_an_expression_for_alphas_is_named(pattern: str) -> None:
    with pytest.raises(BadInput, match="write the layers' names instead"):
        changes(peft("unet.", {Q: 4}, r=4, lora_alpha=2, alpha_pattern={pattern: 8}))


def test_values_that_float16_cannot_hold_are_refused() -> None:
    with pytest.raises(BadInput, match="beyond float16"):
        changes(save({f"unet.{Q}.lora_A.weight": 1e30 * torch.ones_like(down(Q, 2)), f"unet.{Q}.lora_B.weight": up(Q, 2)}))
