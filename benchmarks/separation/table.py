"""The outcomes of many runs as figures, and the figures as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.differences import apart, paired
from benchmarks.separation.probing import Outcome
from dressform.measure.statistics import share
from dressform.records import Figure

COLUMNS = (
    "burn_in",
    "outfit_fidelity",
    "identity_fidelity",
    "identity_alone",
    "identity_change",
    "identity_base_garments",
    "conformity",
    "prompt_fidelity",
)


_EVERY = ("neutral", "outfit", "base garment")
MEASURES: dict[str, tuple[tuple[str, ...], Callable[[Outcome], bool]]] = {
    "burn_in": (_EVERY, lambda o: bool(o.appeared)),
    "burn_in_neutral": (("neutral",), lambda o: bool(o.appeared)),
    "burn_in_outfits": (("outfit",), lambda o: bool(o.appeared)),
    "burn_in_base_garments": (("base garment",), lambda o: bool(o.appeared)),
    "outfit_fidelity": (("outfit",), lambda o: o.outfit),
    "identity_fidelity": (("outfit",), lambda o: o.identity),
    "identity_alone": (("neutral",), lambda o: o.identity),
    "identity_base_garments": (("base garment",), lambda o: o.identity),
    "conformity": (("outfit",), lambda o: o.outfit and o.identity and o.scene),
    "prompt_fidelity": (_EVERY, lambda o: o.scene),
}
"""Name of a figure: among which groups of pictures it counts, and what."""


def figures(outcomes: Iterable[Outcome]) -> dict[str, Figure]:
    """The benchmark's figures over all given outcomes; intervals take the pictures as independent.

    ``identity_change`` is what composing does to her: right in outfits less right in the neutral layer. Every pair of a held-out
    character and a held-out garment is one that the base model never saw, so ``conformity`` is on unseen pairs.
    """
    every = list(outcomes)
    found = {name: share(right(o) for o in every if o.group in groups) for name, (groups, right) in MEASURES.items()}
    return found | {"identity_change": apart(found["identity_fidelity"], found["identity_alone"])}


BESIDE = ("burn_in", "outfit_fidelity", "identity_fidelity", "identity_base_garments", "conformity")


def beside(one: Sequence[Outcome], other: Sequence[Outcome]) -> dict[str, Figure]:
    """How far ``one`` lies above ``other``, which was asked the same, question by question. Raises ValueError where it was not."""
    if [(o.group, o.asked) for o in one] != [(o.group, o.asked) for o in other]:
        raise ValueError("the two were asked different things")

    pairs = list(zip(one, other, strict=True))
    found = {}
    for name in BESIDE:
        groups, right = MEASURES[name]
        own = [(right(a), right(b)) for a, b in pairs if a.group in groups]
        found[name] = paired([a for a, _ in own], [b for _, b in own])
    return found


def matrix(outcomes: Iterable[Outcome]) -> dict[str, dict[str, Figure]]:
    """asked -> appeared -> share of burn-in."""
    every = list(outcomes)
    appeared = sorted({o.appeared for o in every} - {""})
    rows = {asked: [o for o in every if o.asked == asked] for asked in dict.fromkeys(o.asked for o in every)}
    return {asked: {name: share(o.appeared == name for o in own) for name in appeared} for asked, own in rows.items()}


def markdown(rows: dict[str, dict[str, Figure]], columns: Sequence[str] = COLUMNS) -> str:
    """One line for each arm: share, interval and n of the first column's figure."""
    lines = ["| arm | " + " | ".join(c.replace("_", " ") for c in columns) + " | n |", "|---|" + "---|" * (len(columns) + 1)]
    for name, found in rows.items():
        cells = [f"{found[c].value:.1%} ({found[c].low:.1%} to {found[c].high:.1%})" if found[c].n else "-" for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {found[columns[0]].n} |")
    return "\n".join(lines)


def matrix_markdown(found: dict[str, dict[str, Figure]]) -> str:
    """One line for each asked: in how many pictures another garment showed; "-" where never."""
    appeared = sorted({name for row in found.values() for name in row})
    if not appeared:
        return "Nothing showed that was not asked for."
    lines = ["| asked | " + " | ".join(appeared) + " | n |", "|---|" + "---|" * (len(appeared) + 1)]
    for asked, row in found.items():
        cells = [f"{row[name].value:.1%}" if row[name].value else "-" for name in appeared]
        lines.append(f"| {asked} | " + " | ".join(cells) + f" | {row[appeared[0]].n} |")
    return "\n".join(lines)
