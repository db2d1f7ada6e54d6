"""How far a figure is the same left and right, as fronts and backs are: what one side shows, the other must."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Symmetry:
    """``columns``: the sum of a column and of the one that mirrors it. ``share`` of the figure that its mirror image covers: 0 to 1."""

    columns: int
    share: float


def symmetry(figure: np.ndarray) -> Symmetry:
    """About the upright axis that suits a silhouette (bool [h, w], not empty) best.

    How much two mirrored silhouettes share, for every axis at once: each row folded with itself (convolution theorem).
    """
    width = figure.shape[1]
    spectrum = np.fft.rfft(figure, 2 * width, axis=1)
    shared = np.fft.irfft((spectrum**2).sum(axis=0), 2 * width)
    columns = int(shared.argmax())
    return Symmetry(columns, float(shared[columns] / figure.sum()))


def mirrored_edge(figure: np.ndarray, about: Symmetry, right: bool) -> np.ndarray:
    """Where its left (or ``right``) edge would be mirrored: float [h], columns; NaN in rows without figure."""
    first = figure[:, ::-1].argmax(axis=1) if right else figure.argmax(axis=1)
    edge = (figure.shape[1] - 1 - first if right else first).astype(float)
    edge[~figure.any(axis=1)] = np.nan
    return about.columns - edge
