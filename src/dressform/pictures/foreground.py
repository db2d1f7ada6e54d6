"""A garment from a blurred map of where it is looked for: its colours are learned from the map, and correct it in turn.

Three classes: what is looked at most, what is looked at a little (arms and face beside the garment), and the rest. Their colours
and places are estimated in turns, as in GrabCut (Rother et al. 2004), with histograms for its mixtures of Gaussians.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from dressform.pictures import masks

_BINS, _ROUNDS = 12, 8
_GARMENT = 2
_LEAST, _UNSEEN = 0.02, 5e-5


def garment(picture: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """bool [h, w] of a uint8 square [h, w, 3] and a map [a, b] of any size over the same square, higher where the garment is."""
    side = masks.WORKING_PX
    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BOX))
    return masks.refined(picture, _learned(small, _classes(masks.resized(attention, side))), (_GARMENT,))


def level(attention: np.ndarray) -> np.ndarray:
    """The map brought to 0..1."""
    return (attention - attention.min()) / max(1e-9, float(attention.max() - attention.min()))


def _classes(attention: np.ndarray) -> np.ndarray:
    """The rest, what is beside the garment, and the garment: shares [3, h, w] that sum to 1."""
    high = level(attention)
    shares = np.stack([1 - high, high * (1 - high) + _LEAST, high**2])
    return shares / shares.sum(0)


def _learned(small: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The shares [3, h, w] after rounds of learning each class's colours from them and weighing both together."""
    cells = small.astype(np.int64) * _BINS // 256
    colour = (cells[..., 0] * _BINS + cells[..., 1]) * _BINS + cells[..., 2]
    place, found = np.log(shares + _LEAST), shares
    for _ in range(_ROUNDS):
        counts = np.stack([np.bincount(colour.ravel(), part.ravel(), _BINS**3) / max(1.0, part.sum()) for part in found])
        told = place + np.log(counts[:, colour] + _UNSEEN)
        raised = np.exp(told - told.max(0))
        found = raised / raised.sum(0)
    return found
