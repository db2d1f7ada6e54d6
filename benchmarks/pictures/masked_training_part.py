"""Does training with automatic masks keep the outfits apart as well as training with exact ones?

    python -m benchmarks.pictures --parts masked_training [--characters 1 --outfits 2 --probes 30] [--json FILE]

The recipe of the house on neutral pictures, the same character, pictures, seeds and probes, with the renderer's masks and with
the reader's. A training of four outfits takes tens of minutes on two cores.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.differences import apart
from benchmarks.pictures.settings import Settings
from benchmarks.separation import table
from benchmarks.separation.arms import ARMS, Recipe
from benchmarks.separation.cases import Case, Material, material
from benchmarks.separation.probing import Outcome, probe
from dressform import backbones
from dressform.measure import reader as reading
from dressform.records import Figure
from dressform.workspace.masking import by_reader

FINAL_SEED = 7700


PEOPLE = ("carmen", "fumi", "hana", "oda")


def measure(settings: Settings) -> dict[str, Figure]:
    """Burn-in and outfit fidelity with exact and with automatic masks, and how far the two lie apart."""
    base, reader = backbones.load("layfigure"), reading.load()
    found: dict[str, list[Outcome]] = {"automatic": [], "exact": []}
    for i, who in enumerate(PEOPLE[: settings.characters]):
        case = Case(who, settings.outfits, 6 if settings.small else 12, FINAL_SEED + i)
        config = Recipe.of_the_house(base, case.seed, settings.steps)
        exact = material(case)
        both = [exact, automatic(exact, reader)]
        for name, learned in zip(("exact", "automatic"), ARMS["ours, neutral"](base, both, config), strict=True):
            found[name] += probe(base, reader, case, learned, settings.probes)
    figures = {name: table.figures(outcomes) for name, outcomes in found.items()}
    shown = {f"masks_{name}_{what}": figures[name][what] for name in figures for what in ("burn_in", "outfit_fidelity")}
    return shown | {"burn_in_automatic_minus_exact": apart(shown["masks_automatic_burn_in"], shown["masks_exact_burn_in"])}


def automatic(exact: Material, reader: reading.Reader) -> Material:
    """The same pictures with the masks that the reader finds."""
    worn = {
        name: replace(shots, masks=torch.stack([torch.from_numpy(m) for m in by_reader(shots.pictures, reader)]))
        for name, shots in exact.outfits.items()
    }
    return replace(exact, outfits=worn)
