"""CLIP's tokenizer from its merges alone, for base models that come without one (Radford et al. 2021).

The vocabulary follows from the merges: 256 bytes, the same at a word's end, one entry for each merge, and two marks.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

_FIRST, _LAST = "<|startoftext|>", "<|endoftext|>"
_LENGTH = 77


def made_from(merges_file: Path, pad: str = _LAST) -> Any:
    """transformers' CLIPTokenizer, padding with ``pad`` (the second text encoder of the larger family was trained with "!")."""
    from transformers import CLIPTokenizer

    merges = [(a, b) for a, b in (line.split() for line in gzip.decompress(merges_file.read_bytes()).decode().splitlines())]
    letters = _letters()
    symbols = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), _FIRST, _LAST]
    vocabulary = {symbol: i for i, symbol in enumerate(symbols)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad, model_max_length=_LENGTH)  # type: ignore[arg-type]


def _letters() -> list[str]:
    """A visible letter for each byte, in GPT-2's order: visible bytes first, the others moved above 255."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = len(set(range(256)) - set(visible))
    return [chr(byte) for byte in visible] + [chr(256 + i) for i in range(hidden)]
