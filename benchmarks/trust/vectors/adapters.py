"""Hostile adapter files: headers that lie, tensors that are not there, shapes that do not fit, and pickles."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from benchmarks.trust.vectors import Vectors, file_of
from dressform.adapters import files
from dressform.adapters.stack import Adapter
from dressform.records import AdapterInfo

BASE = "b" * 64
LAYERS: dict[str, nn.Module] = {"a.to_q": nn.Linear(6, 5), "b.conv1": nn.Conv2d(4, 7, 3)}
_INFO = AdapterInfo("outfit", "aoi-dress", "aoi_dress", 3, 1.5, "all", BASE)
_NAME = "dress.safetensors"


def good() -> bytes:
    """A whole adapter of LAYERS."""
    return files.to_bytes(Adapter(_INFO, LAYERS))


def packed(header: bytes, tensors: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + tensors


def changed(change: Callable[[dict[str, Any]], object], tensors: Callable[[bytes], bytes] = lambda t: t) -> Callable[[], bytes]:
    """The good adapter with its header, or its tensors, changed."""

    def make() -> bytes:
        data = good()
        length = int.from_bytes(data[:8], "little")
        rows = json.loads(data[8 : 8 + length])
        change(rows)
        return packed(json.dumps(rows).encode(), tensors(data[8 + length :]))

    return make


def said(**words: object) -> Callable[[], bytes]:
    """The good adapter with other metadata."""
    return changed(lambda rows: rows["__metadata__"].update({k.replace("__", "."): v for k, v in words.items()}))


def tensor(**fields: object) -> Callable[[], bytes]:
    """The good adapter with its first tensor described otherwise."""
    return changed(lambda rows: rows["lora_unet_a_to_q.lora_down.weight"].update(fields))


def twice() -> bytes:
    data = good()
    length = int.from_bytes(data[:8], "little")
    text = data[8 : 8 + length].rstrip()
    return packed(text[:-1] + b',"lora_unet_a_to_q.alpha":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', data[8 + length :])


def a_million_empty() -> bytes:
    row = '"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return packed(("{" + ",".join(row % i for i in range(1_000_000)) + "}").encode())


def some_empty() -> bytes:
    row = '"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return packed(("{" + ",".join(row % i for i in range(100_000)) + "}").encode())


def with_value(value: float) -> bytes:
    """The good adapter with another first value; ours writes none that is no number."""
    data = good()
    length = int.from_bytes(data[:8], "little")
    at = 8 + length + json.loads(data[8 : 8 + length])["lora_unet_a_to_q.lora_down.weight"]["data_offsets"][0]
    return data[:at] + struct.pack("<e", value) + data[at + 2 :]


def other_rank() -> bytes:
    """Matrices of rank 3 under metadata that say two thousand million."""
    return said(dressform__rank="2000000000")()


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("a pickle ran",))


VECTORS: Vectors = {
    "empty": file_of(_NAME, b""),
    "seven bytes": file_of(_NAME, bytes(7)),
    "header of 2^63 bytes said": file_of(_NAME, (1 << 63).to_bytes(8, "little") + b"{}"),
    "header longer than the file": file_of(_NAME, (1000).to_bytes(8, "little") + b"{}"),
    "header of 90 megabytes": file_of(_NAME, lambda: packed(b"{" + b" " * (90 << 20) + b"}")),
    "header of no JSON": file_of(_NAME, packed(b"not JSON at all")),
    "header that is a list": file_of(_NAME, packed(b"[1, 2]")),
    "header in another encoding": file_of(_NAME, packed("{\"é\": 1}".encode("latin-1"))),
    "header nested a million deep": file_of(_NAME, packed(b'{"a":' + b"[" * 1_000_000)),
    "header with a number of a million digits": file_of(_NAME, packed(b'{"a":' + b"9" * 1_000_000 + b"}")),
    "no tensors": file_of(_NAME, packed(b"{}")),
    "a name twice": file_of(_NAME, twice),
    "a million empty tensors": file_of(_NAME, a_million_empty),
    "a hundred thousand empty tensors": file_of(_NAME, some_empty),
    "places overlap": file_of(_NAME, tensor(data_offsets=[0, 36])),
    "a place behind the end": file_of(_NAME, tensor(data_offsets=[1 << 40, (1 << 40) + 36])),
    "a place below zero": file_of(_NAME, tensor(data_offsets=[-36, 0])),
    "a place that is no number": file_of(_NAME, tensor(data_offsets=["0", True])),
    "a place turned round": file_of(_NAME, tensor(data_offsets=[36, 0])),
    "a hidden gap": file_of(_NAME, changed(lambda rows: rows, lambda t: t + bytes(1000))),
    "bytes missing": file_of(_NAME, changed(lambda rows: rows, lambda t: t[:-10])),
    "shape of 2^47 squared": file_of(_NAME, tensor(shape=[1 << 47, 1 << 47])),
    "shape below zero": file_of(_NAME, tensor(shape=[-3, -6])),
    "shape of a thousand dimensions": file_of(_NAME, tensor(shape=[1] * 1000)),
    "shape and bytes differ": file_of(_NAME, tensor(shape=[3, 7])),
    "whole numbers instead of fractions": file_of(_NAME, tensor(dtype="I16")),
    "a kind of number that is none": file_of(_NAME, tensor(dtype="F1024")),
    "a kind that is a list": file_of(_NAME, tensor(dtype=[])),
    "another field": file_of(_NAME, tensor(run="me")),
    "shapes of another base model": file_of(
        _NAME, lambda: files.to_bytes(Adapter(_INFO, {"a.to_q": nn.Linear(9, 5), "b.conv1": nn.Conv2d(4, 7, 3)}))
    ),
    "layers of another base model": file_of(_NAME, lambda: files.to_bytes(Adapter(_INFO, {"c.to_q": nn.Linear(6, 5)}))),
    "another base model": file_of(_NAME, said(dressform__base_model_sha256="c" * 64)),
    "a foreign tensor beside": file_of(_NAME, changed(
        lambda rows: rows.update(planted={"dtype": "F32", "shape": [1], "data_offsets": [rows_end(rows), rows_end(rows) + 4]}),
        lambda t: t + bytes(4),
    )),
    "NaN": file_of(_NAME, lambda: with_value(float("nan"))),
    "infinity": file_of(_NAME, lambda: with_value(float("inf"))),
    "rank two thousand million": file_of(_NAME, other_rank),
    "rank 0": file_of(_NAME, said(dressform__rank="0")),
    "rank that is a word": file_of(_NAME, said(dressform__rank="many")),
    "alpha NaN": file_of(_NAME, said(dressform__alpha="nan")),
    "alpha other than its tensors": file_of(_NAME, said(dressform__alpha="3.0")),
    "targets unknown": file_of(_NAME, said(dressform__targets="../everything")),
    "a name of a megabyte": file_of(_NAME, said(ss_output_name="a" * (1 << 20))),
    "a name with terminal commands": file_of(_NAME, said(ss_output_name="\x1b[2J\nerror: none")),
    "metadata that are no words": file_of(_NAME, said(ss_output_name=["a"])),
    "no metadata of ours": file_of(_NAME, changed(lambda rows: rows.pop("__metadata__"))),
    "a pickle": file_of(_NAME, pickle.dumps(_Runs())),
    "a zip of torch.save": file_of(_NAME, b"PK\x03\x04" + bytes(200)),
}  # fmt: skip


def foreign(change: Callable[[dict[str, torch.Tensor]], object] = lambda _t: None, **metadata: str) -> Callable[[], bytes]:
    """An adapter of LAYERS in kohya's layout as another program writes it, with its tensors changed."""

    def make() -> bytes:
        tensors = {
            "lora_unet_a_to_q.lora_down.weight": torch.ones(3, 6), "lora_unet_a_to_q.lora_up.weight": torch.ones(5, 3),
            "lora_unet_a_to_q.alpha": torch.tensor(2.0),
            "lora_unet_b_conv1.lora_down.weight": torch.ones(2, 4, 3, 3), "lora_unet_b_conv1.lora_up.weight": torch.ones(7, 2, 1, 1),
        }  # fmt: skip
        change(tensors)
        return save(tensors, metadata or None)

    return make


def with_tensor(name: str, *shape: int, value: float = 1.0) -> Callable[[], bytes]:
    """The same with one tensor put in."""
    return foreign(lambda tensors: tensors.update({name: torch.full(shape, value)}))


def without(*names: str) -> Callable[[], bytes]:
    """The same with tensors taken out."""
    return foreign(lambda tensors: [tensors.pop(name) for name in names])


_Q, _CONV = "lora_unet_a_to_q", "lora_unet_b_conv1"
FOREIGN: Vectors = {
    **{name: VECTORS[name] for name in (
        "empty", "header of 2^63 bytes said", "header nested a million deep", "a name twice", "a million empty tensors",
        "places overlap", "a hidden gap", "bytes missing", "shape of 2^47 squared", "whole numbers instead of fractions", "a pickle",
    )},
    "half of the file": file_of(_NAME, lambda: foreign()()[: len(foreign()()) // 2]),
    "a down matrix alone": file_of(_NAME, without(f"{_Q}.lora_up.weight")),
    "an up matrix alone": file_of(_NAME, without(f"{_Q}.lora_down.weight")),
    "alpha alone": file_of(_NAME, without(f"{_Q}.lora_down.weight", f"{_Q}.lora_up.weight")),
    "another width": file_of(_NAME, with_tensor(f"{_Q}.lora_down.weight", 3, 9)),
    "another height": file_of(_NAME, with_tensor(f"{_Q}.lora_up.weight", 9, 3)),
    "two ranks in one layer": file_of(_NAME, with_tensor(f"{_Q}.lora_down.weight", 4, 6)),
    "a kernel of another size": file_of(_NAME, with_tensor(f"{_CONV}.lora_down.weight", 2, 4, 1, 1)),
    "a kernel turned flat": file_of(_NAME, with_tensor(f"{_CONV}.lora_down.weight", 2, 36)),
    "a middle of another rank": file_of(_NAME, with_tensor(f"{_CONV}.lora_mid.weight", 3, 3, 3, 3)),
    "no dimension": file_of(_NAME, with_tensor(f"{_Q}.lora_up.weight")),
    "layers of another base model, foreign": file_of(_NAME, with_tensor("lora_unet_input_blocks_4_1_proj_in.lora_down.weight", 3, 6)),
    "a layer under two names": file_of(_NAME, foreign(lambda t: t.update({
        "unet.a.to_q.lora_A.weight": torch.ones(3, 6), "unet.a.to_q.lora_B.weight": torch.ones(5, 3),
    }))),
    "text encoder alone": file_of(_NAME, lambda: save({
        "lora_te_x.lora_down.weight": torch.ones(3, 6), "lora_te_x.lora_up.weight": torch.ones(5, 3),
    })),
    "an unknown tensor": file_of(_NAME, with_tensor("planted", 4)),
    "a name with terminal commands, foreign": file_of(_NAME, with_tensor("\x1b[2J\nerror: none", 4)),
    "alpha of two numbers": file_of(_NAME, with_tensor(f"{_Q}.alpha", 2)),
    "alpha 0": file_of(_NAME, with_tensor(f"{_Q}.alpha", value=0.0)),
    "alpha below 0": file_of(_NAME, with_tensor(f"{_Q}.alpha", value=-1.0)),
    "alpha NaN, foreign": file_of(_NAME, with_tensor(f"{_Q}.alpha", value=float("nan"))),
    "NaN, foreign": file_of(_NAME, with_tensor(f"{_Q}.lora_down.weight", 3, 6, value=float("nan"))),
    "DoRA of another base model": file_of(_NAME, with_tensor(f"{_Q}.dora_scale", 4, 1)),
    "DoRA of PEFT, of another base model": file_of(_NAME, with_tensor(f"{_Q}.lora_magnitude_vector", 1, 6)),
    "DoRA with NaN": file_of(_NAME, with_tensor(f"{_Q}.dora_scale", 5, 1, value=float("nan"))),
    "DoRA without matrices": file_of(_NAME, with_tensor("unet.a.to_q.lora_magnitude_vector", 5)),
    "DoRA by its configuration": file_of(_NAME, foreign(lora_adapter_metadata='{"unet.use_dora": true}')),
    "LoHa": file_of(_NAME, with_tensor(f"{_Q}.hada_w1_a", 5, 3)),
    "LoKr": file_of(_NAME, with_tensor(f"{_Q}.lokr_w1", 5, 3)),
    "a bias": file_of(_NAME, with_tensor("unet.a.to_q.lora_B.bias", 5)),
    "a difference of whole weights": file_of(_NAME, with_tensor(f"{_Q}.diff", 5, 6)),
    "a configuration of no JSON": file_of(_NAME, foreign(lora_adapter_metadata="{")),
    "a configuration nested a million deep": file_of(_NAME, foreign(lora_adapter_metadata="[" * 1_000_000)),
    "a configuration that is a list": file_of(_NAME, foreign(lora_adapter_metadata="[1]")),
    "alpha that is a word": file_of(_NAME, foreign(lora_adapter_metadata='{"unet.lora_alpha": "much"}')),
    "alpha true": file_of(_NAME, foreign(lora_adapter_metadata='{"unet.lora_alpha": true}')),
    "alpha by an evil pattern": file_of(_NAME, foreign(lora_adapter_metadata='{"unet.alpha_pattern": {"(a+)+$": 1}}')),
    "alpha patterns that are a list": file_of(_NAME, foreign(lora_adapter_metadata='{"unet.alpha_pattern": [1]}')),
}  # fmt: skip


def rows_end(rows: dict[str, Any]) -> int:
    """Where the tensors of a header end."""
    return max(row["data_offsets"][1] for name, row in rows.items() if name != "__metadata__")
