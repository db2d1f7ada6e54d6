"""Garments that a base model draws by itself, by the words for them: what ``dress --wear`` takes in place of an outfit.

Only garments that cover the body count; a hat or a skirt alone leaves a picture that is not dressed.
"""

from __future__ import annotations

import random
import re

from dressform.backbones.embedded import EMBEDDED
from dressform.consent.normal import plain
from dressform.errors import BadInput
from dressform.layfigure.captions import garment_in, garment_tag
from dressform.layfigure.doll import COLOURS, KINDS

_OTHERS = (
    "armor blouse cardigan cheongsam costume dungarees gown hanbok hanfu hoodie jacket jumpsuit overall pullover qipao robe "
    "romper sundress sari suit trenchcoat tunic tuxedo uniform windbreaker yukata"
).split()
COVERING = frozenset([*KINDS, *_OTHERS])
"""English words for garments that cover her."""


def some(rng: random.Random) -> str:
    """A random one in words, such as "green coat"."""
    return f"{rng.choice(COLOURS)} {rng.choice(sorted(COVERING))}"


def covering(words: str) -> str:
    """The words themselves. Raises BadInput where they name no garment that covers her."""
    said = set(_each(words))
    if not COVERING & said or said & {"no", "not", "without"}:
        raise BadInput(f"--wear {words[:60]!r}: no garment in it that covers her; say one such as coat, dress, kimono or suit")
    return words


def asked_of(base_model: str, words: str) -> str:
    """The words as this base model takes them; the embedded one knows whole tags alone, with pattern and both colours.

    Raises BadInput as ``covering`` does, and for a garment that the embedded base model never saw.
    """
    if base_model != EMBEDDED:
        return covering(words)
    worn = garment_in(_each(covering(words)))
    if worn is None:
        raise BadInput(f"--wear {words[:60]!r}: the embedded base model draws {', '.join(KINDS)}; name one of them, with a colour")
    return garment_tag(worn)


def _each(words: str) -> list[str]:
    return re.findall(r"[a-z]+", plain(words))
