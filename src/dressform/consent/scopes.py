"""What can be agreed to, in plain words. Absent means no."""

from __future__ import annotations

from typing import Literal, get_args

from dressform.errors import BadInput

Scope = Literal["add", "caption", "train:identity", "train:outfit", "dress", "measure", "export:outfit", "export:identity", "publish"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

CAREFUL: tuple[Scope, ...] = ("add", "caption", "train:identity", "train:outfit", "dress", "measure")
"""The answer that ``new`` proposes: everything that stays on this machine, nothing that leaves it."""

PLAIN_WORDS: dict[str, dict[Scope, str]] = {
    "en": {
        "add": "take in and keep pictures of her, sealed",
        "caption": "describe the pictures in words",
        "train:identity": "learn who she is from them",
        "train:outfit": "learn her outfits from them",
        "dress": "draw finished, dressed pictures of her",
        "measure": "draw test pictures that are counted and thrown away",
        "export:outfit": "give away an outfit's adapter",
        "export:identity": "give away the adapter that knows who she is",
        "publish": "publish finished pictures of her",
    },
    "ja": {
        "add": "彼女の絵を取り込み、封をして保管する",
        "caption": "絵の内容を言葉で書く",
        "train:identity": "絵から彼女が誰かを学習する",
        "train:outfit": "絵から衣装を学習する",
        "dress": "服を着た完成画を描く",
        "measure": "数えるための試し描きをし、捨てる",
        "export:outfit": "衣装のアダプターを他の人に渡す",
        "export:identity": "彼女そのもののアダプターを他の人に渡す",
        "publish": "完成画を公開する",
    },
}
"""Each scope as ``new`` and ``consent show`` say it, by language."""


def language(word: str) -> str:
    """The word as a language that the scopes are said in. Raises BadInput."""
    if word not in PLAIN_WORDS:
        raise BadInput(f"language {word!r}: use {' or '.join(PLAIN_WORDS)}")
    return word


def scope(word: str) -> Scope:
    """The word as a scope. Raises BadInput with the known ones."""
    for known in SCOPES:
        if word == known:
            return known
    raise BadInput(f"scope {word!r}: use one of {', '.join(SCOPES)}")


def scopes(words: str) -> tuple[Scope, ...]:
    """Scopes separated by commas."""
    return tuple(scope(w.strip()) for w in words.split(",") if w.strip())
