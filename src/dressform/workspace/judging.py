"""How good a drawn candidate is: is it her as asked (by the reader, on the embedded world), is it sharp, is it something new?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dressform.backbones.embedded import EMBEDDED
from dressform.layfigure.doll import GARMENT_ATTRIBUTES
from dressform.measure import reader as reading
from dressform.measure.likeness import likeness
from dressform.measure.reader import Reading
from dressform.measure.separation import NEUTRAL, SCENE_WORDS, Probe, Truth
from dressform.pictures import duplicates, intake
from dressform.pictures.duplicates import NEAR
from dressform.pictures.sharpness import SOFT_BELOW, sharpness
from dressform.pictures.wanted import Seen
from dressform.records import Picture
from dressform.workspace.describing import read_pictures, sample, who
from dressform.workspace.workspace import Workspace

UNDRESSED = NEUTRAL
_NEW = 255.0
"""The distance of pictures that are nothing alike."""


@dataclass(frozen=True)
class Judged:
    """``fidelity``: the share of what should show that is read as it should (None: there is no reader); ``wrong`` says what is not.

    ``sharpness`` is about 1 for a line drawing; ``novelty`` 0 for what is there already and 1 for what is like nothing there.
    """

    fidelity: float | None
    wrong: tuple[str, ...]
    sharpness: float
    novelty: float

    @property
    def rank(self) -> tuple[float, bool, bool, float]:
        """What candidates are ordered by: fidelity first, then that they are neither soft nor near-duplicates, then novelty."""
        return self.fidelity or 0.0, self.sharpness >= SOFT_BELOW, self.novelty > NEAR / _NEW, self.novelty


def from_row(row: dict) -> Judged:
    """A judgement as it was kept."""
    return Judged(**{**row, "wrong": tuple(row["wrong"])})


class Judge:
    """Judges pictures that are meant for one set of hers: the neutral one (None) or an outfit's.

    What she is and wears is read from pictures that were given, never from drawn ones, so that no drift is taken for her; what her
    description says goes before what is read (how tall she is cannot be seen on a figure that was cut out).
    ``beside`` are candidates that wait already: they are not new any more.
    """

    def __init__(self, workspace: Workspace, outfit: str | None, beside: Sequence[np.ndarray] = ()) -> None:
        self._outfit, self._side = outfit, workspace.backbone.size_px
        self._reader = reading.load() if workspace.character.base_model == EMBEDDED else None
        every = workspace.pictures(every=True)
        here = (intake.from_png(workspace.store.read(f"pictures/{p.id}.png")) for p in every if p.outfit == outfit)
        self._prints = [duplicates.fingerprint(pixels) for pixels in (*here, *beside)]
        self.who: Mapping[str, str] = {}
        self.worn: Mapping[str, str] = {}
        if self._reader is not None:
            self.who, self.worn = self._read(workspace, [p for p in every if not p.generation])

    def _read(self, workspace: Workspace, given: Sequence[Picture]) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Her attributes, from neutral pictures where there are any; and her garment's, from the outfit's."""
        assert self._reader is not None
        bare = [p for p in given if p.outfit is None]
        own = [p for p in given if p.outfit == self._outfit and self._outfit is not None]
        her, worn = (read_pictures(workspace, self._reader, sample(some)) for some in (bare or given, own))
        return who(workspace.character.description, her), reading.usual(worn, GARMENT_ATTRIBUTES)

    def __call__(self, pictures: Tensor, pixels: Sequence[np.ndarray], scene: Seen) -> list[Judged | None]:
        """Each of uint8 pictures [n, 3, h, w] (``pixels``: the same as [h, w, 3]); None for one of an outfit that came out undressed."""
        if self._reader is None:
            return [self._judged(None, (), one) for one in pixels]
        return [self._with_reading(r, one, scene) for r, one in zip(self._reader.read(pictures), pixels, strict=True)]

    def remember(self, pixels: np.ndarray) -> None:
        """From now on such a picture is not new."""
        self._prints.append(duplicates.fingerprint(pixels))

    def _with_reading(self, seen: Reading, pixels: np.ndarray, scene: Seen) -> Judged | None:
        if self._outfit is not None and seen.words["kind"] == UNDRESSED:
            return None
        if not self.who:
            return self._judged(None, (), pixels)
        asked: dict[str, str] = dict(zip(SCENE_WORDS, scene, strict=True))
        worn = self.worn if set(self.worn) >= set(GARMENT_ATTRIBUTES) else {}
        name = self._outfit or NEUTRAL
        truth = Truth(self.who, {name: worn} if worn else {})
        found = likeness(Probe(name, asked, seen, truth.visible(name, asked)), truth)
        return self._judged(found.share, found.wrong, pixels)

    def _judged(self, fidelity: float | None, wrong: tuple[str, ...], pixels: np.ndarray) -> Judged:
        own = duplicates.fingerprint(pixels)
        nearest = min((duplicates.distance(own, other) for other in self._prints), default=_NEW)
        return Judged(fidelity, wrong, round(sharpness(pixels, self._side), 3), round(nearest / _NEW, 3))
