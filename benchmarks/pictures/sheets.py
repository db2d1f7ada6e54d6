"""Turnaround sheets: how many of their figures are cut whole, and how many pictures of one figure are cut wrongly."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.pictures.making_sheets import sheet, single
from benchmarks.pictures.scoring import whole
from benchmarks.pictures.settings import Settings
from dressform.measure.statistics import share
from dressform.pictures import sheets
from dressform.records import Figure

T = TypeVar("T")
DEVELOPMENT_SEEDS = (range(9_200), range(700_000, 701_000))
"""Thresholds were chosen on some of these; figures are reported for others."""
FIGURE_PX, SINGLE_PX = 256, 160


def measure(settings: Settings) -> dict[str, Figure]:
    """Over ``settings.sheets`` sheets and as many single dolls, from ``settings.seed`` on."""
    seeds = range(settings.seed, settings.seed + settings.sheets)
    if any(seed in used for seed in seeds for used in DEVELOPMENT_SEEDS):
        print("note: these seeds were used in development")
    made = _each(_scored, seeds, settings.processes)
    alone = _each(_alone, seeds, settings.processes)
    kinds = {"touching": True, "apart": False}
    return {
        "figures_cut_whole": share(ok for one in made for ok in one.whole),
        "sheets_with_the_right_count": share(one.counted for one in made),
        "sheets_with_every_figure_whole": share(all(one.whole) for one in made),
        **{f"figures_cut_whole_{name}": share(ok for m in made if m.touching is is_ for ok in m.whole) for name, is_ in kinds.items()},
        "single_dolls_cut_wrongly": share(alone),
    }


@dataclass(frozen=True)
class _Scored:
    whole: list[bool]
    counted: bool
    touching: bool


def _scored(seed: int) -> _Scored:
    made = sheet(seed, FIGURE_PX)
    return _Scored(whole(made.pixels, made.owners, made.count), sheets.figures(made.pixels) == made.count, made.touching)


def _alone(seed: int) -> bool:
    return sheets.figures(single(seed, SINGLE_PX)) > 1


def _each(work: Callable[[int], T], seeds: range, processes: int) -> list[T]:
    if processes == 1:
        return [work(seed) for seed in seeds]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(work, seeds))
