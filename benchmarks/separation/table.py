"""The outcomes of many runs as figures, and the figures as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.differences import apart, over_trainings
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


def beside(trainings: Sequence[tuple[Sequence[Outcome], Sequence[Outcome]]]) -> dict[str, Figure]:
    """How far one arm lies above another, question by question: for each training, the outcomes of both.

    Raises ValueError where the two were not asked the same.
    """
    if any([(o.group, o.asked) for o in one] != [(o.group, o.asked) for o in other] for one, other in trainings):
        raise ValueError("the two were asked different things")

    def counted(outcomes: Sequence[Outcome], name: str) -> list[bool]:
        groups, right = MEASURES[name]
        return [right(o) for o in outcomes if o.group in groups]

    return {name: over_trainings([(counted(one, name), counted(other, name)) for one, other in trainings]) for name in BESIDE}


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
