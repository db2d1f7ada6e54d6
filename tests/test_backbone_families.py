"""Which family a path is: read from its tensors; anything else is refused with what was found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dressform import backbones
from dressform.backbones import families, tensor_names
from dressform.errors import BadInput

EXPECTED = {"tiny": "Stable Diffusion 1.x", "tiny_sdxl": "Stable Diffusion XL", "tiny_flow": "Z-Image"}


def file_of(path: Path, *names: str, **shapes: tuple[int, ...]) -> Path:
    """A .safetensors file with tensors of these names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.zeros(shapes.get(name, (2,))) for name in (*names, *shapes)}, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as refused:
        backbones.load(path)
    assert "\n" not in str(refused.value) and str(path.name) in str(refused.value)
    return str(refused.value)


def test_a_folder_is_known_by_its_tensors_whatever_it_calls_itself(family_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(family_folder, copy)
    (copy / "model_index.json").write_text('{"_class_name": "SomethingElse"}')
    assert families.recognise(copy).family.name == EXPECTED[family_folder.name]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["lora_unet_a.lora_down.weight"], "an adapter"),
        (["joint_blocks.0.x"], "Stable Diffusion 3"),
        (["double_blocks.0.img_attn.qkv.weight"], "Flux"),
        (["cond_stage_model.model.transformer.resblocks.0.x", "model.diffusion_model.input_blocks.0.0.weight"], "Stable Diffusion 2"),
        (["model.diffusion_model.input_blocks.0.0.weight"], "without its text encoder"),
        (["something.else", "more"], "2 tensors such as more, something.else"),
    ],
)
def test_single_files_that_are_something_else_are_named(tmp_path: Path, names: list[str], words: str) -> None:
    said = refusal(file_of(tmp_path / "base.safetensors", *names))
    assert words in said and all(name in said for name in EXPECTED.values())


def test_an_inpainting_model_is_refused(tmp_path: Path) -> None:
    shapes = {"model.diffusion_model.input_blocks.0.0.weight": (8, 9, 3, 3), "model.diffusion_model.out.2.weight": (4, 8, 3, 3)}
    file = file_of(tmp_path / "inpaint.safetensors", "cond_stage_model.transformer.text_model.final_layer_norm.weight", **shapes)
    assert "inpainting" in refusal(file)


def test_folders_that_cannot_be_used(tiny_base: Path, tmp_path: Path) -> None:
    assert "model_index.json" in refusal(tmp_path / "nowhere")
    lacking = tmp_path / "lacking"
    shutil.copytree(tiny_base, lacking)
    shutil.rmtree(lacking / "text_encoder")
    assert "text_encoder must hold .safetensors" in refusal(lacking)
    shutil.rmtree(lacking / "unet")
    (lacking / "unet").mkdir()
    (lacking / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"x")
    assert "pickled weights are never read" in refusal(lacking)
    file_of(lacking / "unet" / "a.safetensors", "who.knows")
    with pytest.raises(BadInput, match=r"who\.knows"):
        backbones.load(lacking)


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "base.ckpt").write_bytes(b"\x80\x04.")
    assert "pickled" in refusal(tmp_path / "base.ckpt")


def test_a_part_that_lacks_a_tensor_is_not_filled_with_chance(family_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    copy = tmp_path / "copy"
    shutil.copytree(family_folder, copy)
    file = next((copy / "text_encoder").glob("*.safetensors"))
    tensors = load_file(file)
    del tensors[max(tensors)]
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(BadInput, match="text_encoder lacks 1 tensors"):
        backbones.load(copy).encode_text(["red"])


def header(rows: object, length: int | None = None, after: int = 0) -> bytes:
    text = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(after)


ROW = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HOSTILE = {
    "empty": b"",
    "seven bytes": bytes(7),
    "a header longer than the file": header(b"{}", 1 << 40),
    "no JSON": header(b"{"),
    "a list": header([]),
    "nested deep": header(b"[" * 200_000),
    "no tensors": header({}),
    "half a file": header({"a": {**ROW, "data_offsets": [0, 8]}}, after=4),
    "more than the header says": header({"a": ROW}, after=100),
    "a shape of words": header({"a": {**ROW, "shape": ["x"]}}, after=8),
    "no place": header({"a": {"dtype": "F32", "shape": [2]}}, after=8),
    "a million empty tensors": header(b"{" + b",".join(b'"%d":{"shape":[0],"data_offsets":[0,0]}' % i for i in range(600_000)) + b"}"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_made_to_break_a_reader(tmp_path: Path, name: str) -> None:
    (tmp_path / "base.safetensors").write_bytes(HOSTILE[name])
    assert "not a whole .safetensors file" in refusal(tmp_path / "base.safetensors")


def test_a_header_is_read_without_the_tensors(tmp_path: Path) -> None:
    found = tensor_names.read(file_of(tmp_path / "a.safetensors", "one", two=(3, 4)))
    assert dict(found.shapes) == {"one": (2,), "two": (3, 4)} and found.has("one", "two") and not found.has("three")
