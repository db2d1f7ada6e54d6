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


def figures(outcomes: Iterable[Outcome]) -> dict[str, Figure]:
    """The benchmark's figures over all given outcomes; intervals take the pictures as independent.

    ``identity_change`` is what composing does to her: right in outfits less right in the neutral layer. Every pair of a held-out
    character and a held-out garment is one that the base model never saw, so ``conformity`` is on unseen pairs.
    """
    every = list(outcomes)
    groups = {name: [o for o in every if o.group == name] for name in ("neutral", "outfit", "base garment")}
    dressed, alone = share(o.identity for o in groups["outfit"]), share(o.identity for o in groups["neutral"])
    return {
        "burn_in": share(bool(o.appeared) for o in every),
        "burn_in_neutral": share(bool(o.appeared) for o in groups["neutral"]),
        "burn_in_outfits": share(bool(o.appeared) for o in groups["outfit"]),
        "burn_in_base_garments": share(bool(o.appeared) for o in groups["base garment"]),
        "outfit_fidelity": share(o.outfit for o in groups["outfit"]),
        "identity_fidelity": dressed,
        "identity_alone": alone,
        "identity_change": apart(dressed, alone),
        "identity_base_garments": share(o.identity for o in groups["base garment"]),
        "conformity": share(o.outfit and o.identity and o.scene for o in groups["outfit"]),
        "prompt_fidelity": share(o.scene for o in every),
    }


BESIDE = ("burn_in", "outfit_fidelity", "identity_fidelity", "identity_base_garments", "conformity")


def beside(one: Sequence[Outcome], other: Sequence[Outcome]) -> dict[str, Figure]:
    """How far ``one`` lies above ``other``, which was asked the same, question by question. Raises ValueError where it was not."""
    if [(o.group, o.asked) for o in one] != [(o.group, o.asked) for o in other]:
        raise ValueError("the two were asked different things")

    def difference(group: str, right: Callable[[Outcome], bool]) -> Figure:
        own = [(right(a), right(b)) for a, b in zip(one, other, strict=True) if a.group == group or not group]
        return paired([a for a, _ in own], [b for _, b in own])

    return {
        "burn_in": difference("", lambda o: bool(o.appeared)),
        "outfit_fidelity": difference("outfit", lambda o: o.outfit),
        "identity_fidelity": difference("outfit", lambda o: o.identity),
        "identity_base_garments": difference("base garment", lambda o: o.identity),
        "conformity": difference("outfit", lambda o: o.outfit and o.identity and o.scene),
    }


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
