"""The report's pictures: which garment showed where another was asked for, and what more outfits or more pictures do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Page
from matplotlib.ticker import PercentFormatter

from dressform.records import Figure

Matrix = Mapping[str, Mapping[str, Figure]]
"""asked -> appeared -> share of burn-in."""
_SHOWN = ("burn_in", "outfit_fidelity", "identity_fidelity", "identity_base_garments", "conformity")


def matrices(found: Mapping[str, Matrix], file: Path) -> None:
    """One heat map an arm, asked downwards, appeared across, all on one scale of colours."""
    appeared = sorted({name for matrix in found.values() for row in matrix.values() for name in row}) or ["none"]
    top = max([f.value for matrix in found.values() for row in matrix.values() for f in row.values()] + [0.05])
    across = min(3, len(found))
    down = -(-len(found) // across)
    longest = max(len(matrix) for matrix in found.values())
    page = Page(figsize=(1.6 + across * (1.2 + 0.36 * len(appeared)), down * (1.4 + 0.24 * longest)), layout="constrained")
    axes = page.subplots(down, across, squeeze=False)
    scale = ScalarMappable(Normalize(0, top), "Reds")
    for axis in axes.flat[len(found) :]:
        axis.set_visible(False)
    for axis, (arm, matrix) in zip(axes.flat, found.items(), strict=False):
        shares = [[row[name].value if name in row else 0.0 for name in appeared] for row in matrix.values()]
        axis.imshow(shares, cmap=scale.cmap, norm=scale.norm, aspect="auto")
        axis.set_title(arm, fontsize=10)
        axis.set_xticks(range(len(appeared)), appeared, rotation=90, fontsize=8)
        axis.set_yticks(range(len(matrix)), matrix, fontsize=8)
        for y, row in enumerate(shares):
            for x, value in enumerate(row):
                if value:
                    said = f"{value:.0%}" if value >= 0.01 else f"{value:.1%}"
                    axis.text(x, y, said, ha="center", va="center", fontsize=7, color="white" if value > top / 2 else "black")
    page.colorbar(scale, ax=axes, format=PercentFormatter(1.0), shrink=0.6)
    page.supxlabel("appeared, and was not asked for", fontsize=9)
    page.supylabel("asked for", fontsize=9)
    _written(page, file)


def curves(found: Mapping[str, Mapping[int, Mapping[str, Figure]]], against: str, file: Path) -> None:
    """One panel a figure, one line an arm, against a number (``against`` names it), with 95 % intervals.

    ``found``: arm -> number -> figures.
    """
    numbers = sorted({number for at in found.values() for number in at})
    page = Page(figsize=(3.0 * len(_SHOWN), 2.9), layout="constrained")
    axes = page.subplots(1, len(_SHOWN), squeeze=False)
    for axis, name in zip(axes[0], _SHOWN, strict=True):
        for i, (arm, at) in enumerate(found.items()):
            own = sorted(at)
            figures = [at[n][name] for n in own]
            error = [[f.value - f.low for f in figures], [f.high - f.value for f in figures]]
            places = [n * (1 + 0.02 * (i - 1)) for n in own]
            axis.errorbar(places, [f.value for f in figures], yerr=error, label=arm, marker="os^Dv"[i % 5], capsize=3, linewidth=1.5)
        axis.set_xscale("log", base=2)
        axis.set_xticks(numbers, [str(n) for n in numbers])
        axis.set_title(name.replace("_", " "), fontsize=10)
        axis.set_xlabel(against, fontsize=9)
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.grid(alpha=0.3)
    page.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(found), fontsize=9, frameon=False)
    _written(page, file)


def _written(page: Page, file: Path) -> None:
    """The same figures give the same file."""
    with matplotlib.rc_context({"svg.hashsalt": "dressform"}):
        page.savefig(file, metadata={"Date": None})
