"""DoRA of other programs: what PEFT predicts with it is what the imported adapter predicts, as nearly as it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from dressform import backbones
from dressform.adapters import dora, foreign, keys
from dressform.adapters.stack import AdapterStack
from dressform.errors import BadInput
from dressform.records import AdapterInfo

RANK, ALPHA = 4, 2.0


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def with_peft(base, layers: dict[str, nn.Module]) -> dict[str, Tensor]:
    """PEFT's DoRA put into the denoiser, made to do much; its tensors as PEFT saves them."""
    from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model

    config = LoraConfig(r=RANK, lora_alpha=ALPHA, use_dora=True, target_modules=list(layers), init_lora_weights=False)
    inject_adapter_in_model(config, base.denoiser)
    with torch.no_grad():
        for i, (name, value) in enumerate(base.denoiser.named_parameters()):
            if "lora_B" in name:
                value.copy_(0.3 * drawn(*value.shape, seed=i))
            if "magnitude" in name:
                value.mul_(1 + 0.2 * drawn(*value.shape, seed=i))
    return {name: value.clone() for name, value in get_peft_model_state_dict(base.denoiser).items()}


def as_kohya(state: dict[str, Tensor], names: dict[str, str], layers: dict[str, nn.Module]) -> dict[str, Tensor]:
    """The same in kohya's layout, magnitudes as LyCORIS has them."""
    made = {}
    for layer, name in names.items():
        shape = layers[layer].weight.shape
        made[f"{name}.lora_down.weight"] = state[f"{layer}.lora_A.weight"]
        made[f"{name}.lora_up.weight"] = state[f"{layer}.lora_B.weight"]
        made[f"{name}.dora_scale"] = state[f"{layer}.lora_magnitude_vector"].reshape(shape[0], *[1] * (len(shape) - 1))  # type: ignore[arg-type, index]
        made[f"{name}.alpha"] = torch.tensor(ALPHA)
    return {name: value.contiguous() for name, value in made.items()}


@pytest.mark.parametrize("layout", ["peft", "kohya"])
@pytest.mark.parametrize("wanted", [0.0, dora.LOST_WANTED])
def test_it_predicts_what_peft_predicts(family, family_folder: Path, layout: str, wanted: float, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = family.target_layers("all")
    layers = {n: m for n, m in layers.items() if "blocks.0" in n or "layers.0" in n}
    other = backbones.load(family_folder, "cpu")
    other.autocast = family.autocast  # type: ignore[attr-defined]
    noisy, t = drawn(2, 4, 8, 8), torch.tensor([30, 800])
    text = family.encode_text(["", "red dress, side view"])
    with torch.no_grad():
        bare = other.predict(noisy, t, text)
        state = with_peft(other, layers)
        theirs = other.predict(noisy, t, text)
    named = keys.of(family.architecture)
    if layout == "peft":
        said = f'{{"{named.component}.r": {RANK}, "{named.component}.lora_alpha": {ALPHA}, "{named.component}.use_dora": true}}'
        data = save({f"{named.component}.{n}": v.contiguous() for n, v in state.items()}, {"lora_adapter_metadata": said})
    else:
        data = save(as_kohya(state, {n: k for n, k in named.kohya(family.target_layers("all")).items() if n in layers}, layers))

    monkeypatch.setattr(dora, "LOST_WANTED", wanted)
    found = foreign.read(data, family.architecture, layers)
    info = AdapterInfo("outfit", "a", "a", 1, 1.0, "all", family.sha256, architecture=family.architecture)
    stack = AdapterStack(layers, [foreign.to_adapter(found, info, layers)])
    with torch.no_grad(), stack.attached(), stack.active(torch.ones(2, 1)):
        ours = family.predict(noisy, t, text)
    assert found.lost <= max(wanted, 1e-3) and max(found.ranks) > RANK
    assert (theirs - bare).norm() > 0.05 * bare.norm(), "the adapter does too little to tell"
    assert (ours - theirs).norm() < max(2 * wanted, 1e-4) * (theirs - bare).norm()


@pytest.mark.parametrize("weight", [drawn(5, 6), drawn(7, 4, 3, 3)])
@pytest.mark.parametrize("own", [0, 1])
def test_the_change_is_that_of_the_paper_over_outputs_or_inputs(weight: Tensor, own: int) -> None:
    plain = 0.1 * drawn(*weight.shape, seed=1)
    m = 1 + drawn(weight.shape[own], seed=2).abs()
    wanted = (weight + plain).transpose(0, own).clone()
    for i in range(len(wanted)):
        wanted[i] *= m[i] / wanted[i].square().sum().sqrt()
    shape = dora.aligned((*[1] * own, len(m), *[1] * (weight.dim() - 1 - own)), tuple(weight.shape), peft=False)
    assert shape is not None and shape[own] == len(m)
    torch.testing.assert_close(dora.change(weight, plain, m.view(shape)), wanted.transpose(0, own) - weight)


@pytest.mark.parametrize(
    ("magnitude", "weight", "peft", "wanted"),
    [
        ((5,), (5, 6), False, (5, 1)),
        ((5,), (5, 6), True, (5, 1)),
        ((1, 7, 1, 1), (7, 4, 3, 3), True, (7, 1, 1, 1)),
        ((1, 4, 1, 1), (7, 4, 3, 3), False, (1, 4, 1, 1)),
        ((1, 4, 1, 1), (7, 4, 3, 3), True, None),
        ((5, 1, 1, 1), (5, 6), False, (5, 1)),
        ((6,), (5, 6), False, None),
        ((5, 6), (5, 6), False, None),
    ],
)
def test_whose_magnitudes_they_are(magnitude: tuple[int, ...], weight: tuple[int, ...], peft: bool, wanted: tuple[int, ...] | None) -> None:
    assert dora.aligned(magnitude, weight, peft) == wanted


def test_a_change_of_full_rank_is_refused_with_what_would_be_lost() -> None:
    layer = nn.Linear(400, 400)
    data = save({
        "lora_unet_q.lora_down.weight": drawn(4, 400), "lora_unet_q.lora_up.weight": 1e-3 * drawn(400, 4),
        "lora_unet_q.dora_scale": 1 + drawn(400, 1).abs(),
    })  # fmt: skip
    with pytest.raises(BadInput, match=r"DoRA, and [3-9]\d% of its change is lost in two matrices a layer of rank 128 \(at most 10%"):
        foreign.read(data, "stable-diffusion-v1", {"q": layer})


def test_a_large_layer_is_cut_as_well_as_can_be_and_always_the_same() -> None:
    falling = torch.diag(0.9 ** torch.arange(500).float())
    turned = torch.linalg.qr(drawn(600, 500)).Q @ falling @ torch.linalg.qr(drawn(500, 500, seed=1)).Q
    state = torch.random.get_rng_state()
    one, again = (dora.low_rank([("q", turned)]) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    (a, b), same = one.matrices["q"], again.matrices["q"]
    assert torch.equal(a, same[0]) and torch.equal(b, same[1])
    best = next(k for k in range(500) if 0.9**k <= dora.LOST_WANTED)  # a geometric series: its tail is this share of the whole
    assert len(a) == best and one.lost == pytest.approx(0.9**best, rel=1e-2)
    assert ((b @ a - turned).norm() / turned.norm()).item() == pytest.approx(one.lost, rel=1e-2)


def test_layers_beside_it_that_are_plain_stay_exact() -> None:
    layers: dict[str, nn.Module] = {"q": nn.Linear(6, 5), "k": nn.Linear(6, 5)}
    down, up = drawn(2, 6), drawn(5, 2)
    tensors = {f"lora_unet_{n}.lora_{w}.weight": m.clone() for n in layers for w, m in (("down", down), ("up", up))}
    data = save({**tensors, "lora_unet_q.dora_scale": torch.linalg.vector_norm(layers["q"].weight.detach() + up @ down, dim=1)[:, None]})  # type: ignore[operator, union-attr]
    found = foreign.read(data, "stable-diffusion-v1", layers)
    assert torch.equal(found.matrices["k"][0], down) and found.scalings == {"q": 1.0, "k": 1.0}
    a, b = found.matrices["q"]
    torch.testing.assert_close(b @ a, up @ down, atol=1e-4, rtol=1e-4)  # magnitudes of W + B A itself change nothing more
    assert found.lost < dora.LOST_WANTED and not found.exact16
