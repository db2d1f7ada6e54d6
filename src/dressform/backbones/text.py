"""A text as a base model is asked to read it: parts between BREAKs, each in pieces that may weigh more or less."""

from __future__ import annotations

from collections.abc import Sequence

Spans = Sequence[tuple[str, float]]
"""One part, in pieces: (text, weight)."""
Text = Sequence[Spans]
Span = tuple[int, int]
"""Some characters of a text, from the first to before the second."""
UNSEEN = "this base model does not show where its words are: give masks as files, or use --by neutral"


def plain(words: str) -> Text:
    """A text of one part in which nothing is weighted."""
    return [[(words, 1.0)]]


def words_of(text: Text) -> str:
    """What it says, without weights and BREAKs."""
    return " ".join(said for part in text if (said := "".join(words for words, _ in part)))
