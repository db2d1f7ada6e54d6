"""A diffusers folder as a source of networks, and what every source gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch

from dressform.errors import BadInput, StoreError
from dressform.store import read_at_most

_CONFIG_LIMIT_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 22


class Source(Protocol):
    """Where the parts of a base model come from. Each raises BadInput for a part that cannot be used."""

    @property
    def sha256(self) -> str:
        """One digest over the weights."""
        ...

    def config(self, part: str) -> dict[str, Any]:
        """The configuration of a part ("scheduler" too), from its JSON file."""
        ...

    def network(self, part: str, kind: Any, dtype: torch.dtype) -> Any:
        """A part as a network of diffusers' or transformers' class ``kind``, on the CPU.

        Families import the class where they ask, not before: it takes seconds, and a base model's words need none.
        """
        ...

    def tokenizer(self, part: str, kind: Any) -> Any:
        """A tokenizer of transformers' class ``kind``."""
        ...


def digest_of(files: Iterable[Path], root: Path | None = None) -> str:
    """sha256 over files, with their names below ``root`` where one is given."""
    digest = hashlib.sha256()
    for file in files:
        if root is not None:
            digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
        with file.open("rb") as source:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def folder_sha256(folder: Path) -> str:
    """One digest over the weight files, names included: the identity of a base model."""
    return digest_of(sorted(folder.glob("*/*.safetensors")), folder)


def read_config(file: Path) -> dict[str, Any]:
    """A JSON object from a small file. Raises BadInput."""
    try:
        rows = json.loads(read_at_most(file, _CONFIG_LIMIT_BYTES))
    except (StoreError, ValueError, RecursionError) as error:
        raise BadInput(f"base model: {file.parent.name}/{file.name} cannot be read ({str(error)[:80]})") from error
    if not isinstance(rows, dict):
        raise BadInput(f"base model: {file.parent.name}/{file.name} is no JSON object")
    return rows


def read_tokenizer(folder: Path, kind: Any) -> Any:
    """A tokenizer of transformers' class ``kind``. Raises BadInput: from an empty folder the class would make one that knows no word."""
    if not any(all((folder / name).is_file() for name in names) for names in (("tokenizer.json",), ("vocab.json", "merges.txt"))):
        raise BadInput(f"base model {folder}: a tokenizer is tokenizer.json, or vocab.json and merges.txt; put them there")
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the libraries raise anything on a file made to break them
        raise BadInput(f"base model {folder}: its tokenizer cannot be read ({' '.join(str(error).split())[:120]})") from error


def of_diffusers(kind: Any) -> bool:
    """True for a network's class of diffusers, False for one of transformers."""
    from diffusers import ModelMixin

    return issubclass(kind, ModelMixin)


class FolderSource:
    """A folder as diffusers saves a pipeline. Nothing is fetched and nothing pickled is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        read_config(folder / "model_index.json")

    @property
    def sha256(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return folder_sha256(self.folder)

    def config(self, part: str) -> dict[str, Any]:
        return read_config(self.folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json"))

    def network(self, part: str, kind: Any, dtype: torch.dtype) -> Any:
        from transformers.utils import logging

        logging.disable_progress_bar()  # a bar for a 3 MB file says nothing to a person
        how: dict[str, Any] = {"torch_dtype" if of_diffusers(kind) else "dtype": dtype}
        if all(".fp16." in file.name or ".fp16-" in file.name for file in (self.folder / part).glob("*.safetensors")):
            how["variant"] = "fp16"
        try:
            network, said = kind.from_pretrained(
                self.folder / part, use_safetensors=True, local_files_only=True, output_loading_info=True, **how
            )
        except Exception as error:  # the libraries raise anything on a file made to break them
            raise BadInput(f"base model {self.folder}: {part} cannot be read ({' '.join(str(error).split())[:120]})") from error
        if missing := sorted(said["missing_keys"]):
            raise BadInput(f"base model {self.folder}: {part} lacks {len(missing)} tensors such as {missing[0][:80]}; fetch it again")
        return network

    def tokenizer(self, part: str, kind: Any) -> Any:
        return read_tokenizer(self.folder / part, kind)
