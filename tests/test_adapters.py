from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dressform.adapters import files
from dressform.adapters.stack import Adapter, AdapterStack, lowered_by_taps, lowered_one_by_one
from dressform.errors import BadInput, Mismatch
from dressform.records import AdapterInfo

INFO = AdapterInfo("outfit", "aoi-dress", "aoi_dress", rank=3, alpha=1.5, targets="all", base_model_sha256="b" * 64)


def layers() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return {"a.to_q": torch.nn.Linear(6, 5), "b.conv1": torch.nn.Conv2d(4, 7, 3, stride=2, padding=1)}


def filled(info: AdapterInfo, on: dict[str, torch.nn.Module], seed: int) -> Adapter:
    adapter = Adapter(info, on, seed)
    generator = torch.Generator().manual_seed(seed)
    for up in adapter.up:
        up.data.normal_(generator=generator)
    return adapter


def test_the_stack_is_w_x_plus_the_gated_low_rank_terms() -> None:
    on = layers()
    one, two = filled(INFO, on, 1), filled(replace(INFO, rank=2, alpha=4.0), on, 2)
    x = torch.randn(3, 10, 6)
    linear = on["a.to_q"]
    plain = linear(x)
    with AdapterStack(on, [one, two]).attached() as stack, stack.active(torch.tensor([[1.0, 0.0], [0.0, 0.5], [1.0, 1.0]])):
        got = linear(x)
    terms = [a.info.scaling * (x @ a.down[0].T @ a.up[0].T) for a in (one, two)]
    wanted = plain + torch.stack([terms[0][0], 0.5 * terms[1][1], terms[0][2] + terms[1][2]])
    torch.testing.assert_close(got, wanted)


def test_convolutions_take_adapters_too() -> None:
    on = layers()
    one = filled(INFO, on, 1)
    conv, x = on["b.conv1"], torch.randn(2, 4, 8, 8)
    fused = torch.nn.functional.conv2d(
        x, conv.weight + 0.5 * torch.einsum("or,rikl->oikl", one.up[1], one.down[1]), conv.bias, stride=2, padding=1
    )
    with AdapterStack(on, [one]).attached() as stack, stack.active(torch.ones(2, 1)):
        torch.testing.assert_close(conv(x), fused)


def test_attach_and_detach_undo_each_other() -> None:
    on = layers()
    x = torch.randn(2, 3, 6)
    before, keys = on["a.to_q"](x), set(on["a.to_q"].state_dict())
    stack = AdapterStack(on, [filled(INFO, on, 1)])
    stack.attach()
    with stack.active(torch.ones(2, 1)):
        assert not torch.equal(on["a.to_q"](x), before)
    stack.detach()
    assert torch.equal(on["a.to_q"](x), before) and set(on["a.to_q"].state_dict()) == keys


def test_fused_is_the_same_as_gated_and_leaves_the_very_same_weights() -> None:
    on = layers()
    stack = AdapterStack(on, [filled(INFO, on, 1), filled(replace(INFO, rank=2), on, 2)])
    x, picture = torch.randn(2, 3, 6), torch.randn(2, 4, 8, 8)
    before = {name: layer.weight.clone() for name, layer in on.items()}
    with stack.attached(), stack.active(torch.tensor([[1.0, 0.5]] * 2)):
        gated = on["a.to_q"](x), on["b.conv1"](picture)
    with stack.fused((1.0, 0.5)):
        torch.testing.assert_close((on["a.to_q"](x), on["b.conv1"](picture)), gated)
    assert all(torch.equal(layer.weight, before[name]) for name, layer in on.items())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_drawing_is_the_same_as_active_and_leaves_the_very_same_weights(precision: torch.dtype) -> None:
    on = {name: layer.to(precision) for name, layer in layers().items()}
    stack = AdapterStack(on, [filled(INFO, on, 1), filled(replace(INFO, rank=2), on, 2), filled(INFO, on, 3)])
    x, gates = torch.randn(2, 3, 6, dtype=precision), torch.tensor([[0.8, 1.0, 0.0], [0.8, 0.0, 1.0]])
    before = on["a.to_q"].weight.clone()
    with stack.attached(), torch.inference_mode():
        with stack.active(gates):
            multiplied = on["a.to_q"](x)
        with stack.drawing(gates):
            torch.testing.assert_close(on["a.to_q"](x), multiplied)
            assert torch.equal(on["a.to_q"].weight, before) == (precision == torch.bfloat16)  # written only where nothing is rounded
        torch.testing.assert_close(on["a.to_q"](x), x @ before.mT + on["a.to_q"].bias)
    assert torch.equal(on["a.to_q"].weight, before)


@pytest.mark.parametrize("layer", ["a.to_q", "b.conv1"])
def test_what_is_fused_is_neither_counted_twice_nor_forced_on_a_row(layer: str) -> None:
    on = layers()
    stack = AdapterStack(on, [filled(INFO, on, 1), filled(INFO, on, 2)])
    x, before = {"a.to_q": torch.randn(3, 4, 6), "b.conv1": torch.randn(3, 4, 8, 8)}[layer], on[layer].weight.clone()
    gates = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    with stack.attached(), torch.no_grad():
        with stack.active(gates):
            wanted = on[layer](x)
        with stack.fused([0.0, 1.0]):
            assert not torch.equal(on[layer].weight, before)
            for choose in (stack.active, stack.drawing):
                with choose(gates):
                    torch.testing.assert_close(on[layer](x), wanted)
        with stack.active(gates):
            assert torch.equal(on[layer](x), wanted)
    assert torch.equal(on[layer].weight, before)


def test_no_adapter_at_all_changes_nothing() -> None:
    on = layers()
    x = torch.randn(2, 3, 6)
    before = on["a.to_q"](x)
    with AdapterStack(on, []).attached() as stack, stack.active(torch.zeros(2, 0)):
        assert torch.equal(on["a.to_q"](x), before)


@pytest.mark.parametrize("layer", ["a.to_q", "b.conv1"])
def test_a_closed_gate_gives_exactly_no_gradient(layer: str) -> None:
    on = layers()
    one, two, three = (filled(INFO, on, seed) for seed in (1, 2, 3))
    i, x = list(on).index(layer), {"a.to_q": torch.randn(2, 4, 6), "b.conv1": torch.randn(2, 4, 8, 8)}[layer]
    with AdapterStack(on, [one, two, three]).attached() as stack, stack.active(torch.tensor([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0]])):
        on[layer](x)[0].square().sum().backward()
    assert one.values.grad is not None and two.values.grad is not None and three.values.grad is None
    assert one.parts(one.values.grad)[1][i].any() and not two.values.grad.any()


def test_a_row_is_the_same_whatever_stands_beside_it() -> None:
    on = layers()
    adapters = [filled(INFO, on, 1), filled(replace(INFO, rank=2), on, 2), filled(replace(INFO, alpha=1.0), on, 3)]
    gates = torch.tensor([[1.0, 0, 0.7], [1.0, 0, 0.7], [0, 0, 0], [0, 0, 0], [0, 0.5, 0], [0, 0.5, 0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    inputs = {"a.to_q": torch.randn(8, 3, 6), "b.conv1": torch.randn(8, 4, 8, 8)}
    with AdapterStack(on, adapters).attached() as stack:
        for name, x in inputs.items():
            with stack.active(gates):
                together = on[name](x)
            for row in range(len(gates)):
                with stack.active(gates[row : row + 1]):
                    torch.testing.assert_close(on[name](x[row : row + 1]), together[row : row + 1])


def test_a_file_gives_back_the_adapter_alpha_unlike_rank() -> None:
    on = layers()
    one = filled(INFO, on, 1)
    data = files.to_bytes(one, torch.float32)
    back = files.from_bytes(data, on, "b" * 64)
    assert back.info == INFO
    for a, b in zip(one.parameters(), back.parameters(), strict=True):
        assert torch.equal(a, b)
    assert files.targets_of(data) == "all"


def test_keys_are_kohyas() -> None:
    from safetensors.torch import load

    tensors = load(files.to_bytes(filled(INFO, layers(), 1)))
    assert set(tensors) == {
        f"lora_unet_{layer}.{part}" for layer in ("a_to_q", "b_conv1") for part in ("lora_down.weight", "lora_up.weight", "alpha")
    }
    assert tensors["lora_unet_b_conv1.lora_down.weight"].shape == (3, 4, 3, 3)
    assert tensors["lora_unet_b_conv1.lora_up.weight"].shape == (7, 3, 1, 1)
    assert tensors["lora_unet_a_to_q.alpha"].item() == 1.5


def test_what_does_not_fit_is_refused_with_both_values() -> None:
    on = layers()
    data = files.to_bytes(filled(INFO, on, 1))
    with pytest.raises(Mismatch, match=r"bbbbbbbbbbbb.*cccccccccccc"):
        files.from_bytes(data, on, "c" * 64)
    with pytest.raises(Mismatch, match="layers"):
        files.from_bytes(data, {"a.to_q": on["a.to_q"]}, "b" * 64)
    for broken in (data[: len(data) // 2], b"", b"not a file at all, but long enough to look"):
        with pytest.raises(BadInput, match="safetensors"):
            files.from_bytes(broken, on, "b" * 64)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (1, 2)])
def test_convolutions_tap_by_tap_are_those_group_by_group(kernel: int, stride: int) -> None:
    layer = torch.nn.Conv2d(5, 7, kernel, stride, kernel // 2)
    x, a = torch.randn(6, 5, 9, 8), torch.randn(3, 4, 5, kernel, kernel)
    torch.testing.assert_close(lowered_by_taps(layer, x, a), lowered_one_by_one(layer, x, a))
