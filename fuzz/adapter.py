"""An adapter file: its header, then its tensors held against two small layers."""

from benchmarks.trust.vectors.adapters import BASE, LAYERS
from dressform.adapters import files


def read(data: bytes) -> object:
    return files.from_bytes(data, LAYERS, BASE)
