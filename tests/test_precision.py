"""bfloat16 only where the machine computes in it: imitated, it is ten times slower than float32."""

from __future__ import annotations

import platform

import pytest
import torch

from dressform.backbones import precision

CPU = torch.device("cpu")


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="reads x86's own list of instructions")
@pytest.mark.parametrize(
    ("found", "wanted"),
    [({"avx2": True}, False), ({"avx512_f": True, "avx512_bw": True}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)],
)
def test_a_cpu_without_the_instructions_works_in_float32(monkeypatch: pytest.MonkeyPatch, found: dict[str, bool], wanted: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    with precision.autocast(CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if wanted else torch.float32)


def test_the_base_model_asks_for_it(tiny_backbone) -> None:  # type: ignore[no-untyped-def]
    assert tiny_backbone.autocast()._enabled == precision.computes_in_bfloat16(CPU)
