"""Texts that are longer than CLIP's text encoders read at once: in chunks, each encoded by itself, their embeddings one after another.

A chunk ends at a BREAK, or where it is full: after its last comma where that is near, so that no tag is torn apart. Facts: the web UI
(``modules/sd_hijack_clip.py``), whose pictures of the same prompt are to be the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dressform.backbones.conditioning import alike
from dressform.backbones.text import Text, plain

MOST = 3
"""Chunks that are read of a text; kohya's trainer reads as many at most (225 tokens)."""
_BACK = 20
"""Tokens that may be moved into the next chunk for a comma's sake."""

_Token = tuple[int, float]


@dataclass(frozen=True)
class Chunks:
    """All chunks of some texts, in order: token ids and their weights [chunks, the tokenizer's length], and how many each text has."""

    ids: Tensor
    weights: Tensor
    counts: tuple[int, ...]

    @cached_property
    def firsts(self) -> Tensor:
        """[chunks]: which chunk is the first one of this one's text."""
        starts = torch.tensor([sum(self.counts[:i]) for i in range(len(self.counts))])
        return starts.repeat_interleave(torch.tensor(self.counts))

    def joined(self, embeddings: Tensor) -> Tensor:
        """Embeddings [chunks, length, width] as one conditioning [texts, length of all its chunks, width] for each text."""
        return torch.cat(alike([one.flatten(0, 1)[None] for one in embeddings.split(self.counts)]))


def read(tokenizer: Any, texts: Sequence[Text]) -> Chunks:
    """Texts in chunks. Begin, end and padding weigh 1; what is longer than the most that is read is cut."""
    every = [[_padded(tokenizer, chunk) for chunk in list(_chunks(tokenizer, text))[:MOST]] for text in texts]
    ids, weights = torch.tensor([[i for i, _ in c] for one in every for c in one]), [[w for _, w in c] for one in every for c in one]
    return Chunks(ids, torch.tensor(weights), tuple(map(len, every)))


def fitted(tokenizer: Any, most: int) -> Any:
    """The tokenizer, for an encoder that reads ``most`` tokens at once, whatever it says of itself: some say nothing."""
    tokenizer.model_max_length = most
    return tokenizer


def unread(tokenizer: Any, text: Text) -> int:
    """How many tokens at a text's end are cut."""
    return sum(len(chunk) for chunk in list(_chunks(tokenizer, text))[MOST:])


def rows_of(tokenizer: Any, text: str, spans: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Which tokens of all chunks, one after another, each span of characters has; none where it is cut. Spans end where words do."""
    room = tokenizer.model_max_length - 2
    places = [c * (room + 2) + 1 + i for c, chunk in enumerate(list(_chunks(tokenizer, plain(text)))[:MOST]) for i in range(len(chunk))]
    return [places[counted(tokenizer, text[:start].rstrip()) : counted(tokenizer, text[:end].rstrip())] for start, end in spans]


def many(tokenizer: Any, text: Text) -> int:
    """How many chunks are read of a text."""
    return min(MOST, len(list(_chunks(tokenizer, text))))


def counted(tokenizer: Any, text: str) -> int:
    """How many tokens the text is, without the tokenizer's own."""
    return len(_tokens(tokenizer, text))


def _chunks(tokenizer: Any, text: Text) -> Iterator[list[_Token]]:
    """At least one; none for a BREAK at the end. Each span is read by itself, as the web UI does: its weight ends where it ends."""
    room, comma = tokenizer.model_max_length - 2, tokenizer.convert_tokens_to_ids(",</w>")
    for i, spans in enumerate(text):
        tokens = [(token, weight) for said, weight in spans for token in _tokens(tokenizer, said)]
        if i and not tokens and i == len(text) - 1:
            return
        while len(tokens) > room:
            end = _end([token for token, _ in tokens[: room + 1]], comma)
            yield tokens[:end]
            tokens = tokens[end:]
        yield tokens


def _end(tokens: Sequence[int], comma: int) -> int:
    """Where a chunk ends, for the tokens that fill it and the next one."""
    room = len(tokens) - 1
    if tokens[room] == comma:
        return room
    return next((i for i in range(room, max(0, room - _BACK), -1) if tokens[i - 1] == comma), room)


def _tokens(tokenizer: Any, text: str) -> list[int]:
    """What the tokenizer pads with (XL's second: "!") is a word like any other where somebody wrote it."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False).input_ids


def _padded(tokenizer: Any, chunk: Sequence[_Token]) -> list[_Token]:
    rest = tokenizer.model_max_length - 2 - len(chunk)
    return [(tokenizer.bos_token_id, 1.0), *chunk, (tokenizer.eos_token_id, 1.0), *[(tokenizer.pad_token_id, 1.0)] * rest]
