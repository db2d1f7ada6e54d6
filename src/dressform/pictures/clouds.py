"""What stands behind figures without an outline of its own: clouds, suns and bubbles, which join figures that do not touch."""

from __future__ import annotations

import numpy as np

from dressform.pictures.components import from_border, grown, labelled

_DRAWN, _LINE_GAP, _THICK = 0.35, 2, 0.022
_RIM_PX, _FLAT, _FLAT_SHARE, _MOST_LINED, _MOST, _STEP = 3, 24, 0.95, 0.06, 0.5, 10


def without_clouds(pixels: np.ndarray, mask: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """``mask`` (bool [h, w], of ``backdrop.drawn_on``) of uint8 [h, w, 3] without what has no outline against the ground.

    ``lines`` is that of ``backdrop.line_strength``. From the picture's edge everything is reached that no line closes off; gaps in a
    line are closed. Of what is reached and thick, a cloud has one colour right up to the ground. A figure whose outline is too
    faint to hold has another colour there, if only the outline's own. Where most would go, figures are of one colour without an
    outline, and all stays.
    """
    walls, ground = lines > _DRAWN, ~mask
    lined, rim = grown(walls, 1), grown(ground, _RIM_PX) & ~grown(ground, 1)  # the outermost pixels are mixed with the ground
    reached = from_border(~grown(walls, _LINE_GAP)) & mask
    pieces, _ = labelled(reached & ~_edges(pixels))
    clouds = np.zeros_like(mask)
    for number in np.unique(pieces[~grown(~reached, max(3, round(_THICK * len(mask))))]):
        piece = pieces == number
        if number and _is_flat(pixels[piece], pixels[piece & rim]):
            piece = grown(piece, _LINE_GAP)
            edge = lined[grown(piece, 1) & ~piece & ground]
            if edge.sum() <= _MOST_LINED * len(edge):
                clouds |= piece & ~walls
    return mask & ~clouds if clouds.sum() <= _MOST * mask.sum() else mask


def _edges(pixels: np.ndarray) -> np.ndarray:
    """Where one colour ends and another begins: each piece is of one, as two clouds that overlap are not."""
    out, planes = np.zeros(pixels.shape[:2], bool), np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.int16)
    for axis in (0, 1):
        step = np.abs(np.diff(planes, axis=axis + 1)).max(axis=0) > _STEP
        for side in (slice(None, -1), slice(1, None)):
            out[(slice(None),) * axis + (side,)] |= step
    return out


def _is_flat(inside: np.ndarray, rim: np.ndarray) -> bool:
    """Has the rim the colour of the inside? Both are colours [n, 3]."""
    return len(rim) > 0 and bool((np.abs(rim - np.median(inside, axis=0)).max(axis=1) < _FLAT).mean() >= _FLAT_SHARE)
