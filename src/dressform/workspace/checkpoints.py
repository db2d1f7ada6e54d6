"""The checkpoints of adapters that train together in the store: of the last two steps, so that one unreadable costs steps, not the run."""

from __future__ import annotations

from collections.abc import Sequence

from dressform.errors import StoreError
from dressform.store import Store

FOLDER = "checkpoints/"
_KEPT = 2


def place_of(outfit: str | None) -> str:
    """Where an outfit's checkpoints lie, or the identity's (None)."""
    return f"{FOLDER}adapters/{'identity' if outfit is None else f'outfit-{outfit}'}/"


class Checkpoints:
    """Those of ``outfits`` (None: the identity): a file of each, by step. Going on from an older step ends the same (a run is exact).

    Each adapter has files of its own, so that what is forgotten or begun again takes nothing with it.
    """

    def __init__(self, store: Store, outfits: Sequence[str | None]) -> None:
        self._store, self._places = store, [place_of(one) for one in outfits]

    def load(self) -> list[bytes] | None:
        """The newest that can be read of all of them, or None where there are none. Raises StoreError where none can be."""
        unreadable: StoreError | None = None
        for step in reversed(self.steps()):
            try:
                return [self._store.read(_file(place, step)) for place in self._places]
            except StoreError as error:
                unreadable = unreadable or error
        if unreadable is not None:
            raise unreadable
        return None

    def save(self, step: int, states: Sequence[bytes]) -> None:
        """Keep those of one more step, and forget all but the last two."""
        newest = {_file(place, step): data for place, data in zip(self._places, states, strict=True)}
        before = [one for one in self.steps() if one != step][1 - _KEPT :]
        kept = {_file(place, one) for place in self._places for one in before}
        self._store.write_all(newest, [name for name in self.names() if name not in kept])

    def steps(self) -> list[int]:
        """Those that all of them have one of, the first of them first."""
        each = [{int(n.removeprefix(place).split(".")[0]) for n in self._store.list(place)} for place in self._places]
        return sorted(set.intersection(*each)) if each else []

    def names(self) -> list[str]:
        """Where in the store all of them lie."""
        return [name for place in self._places for name in self._store.list(place)]


def _file(place: str, step: int) -> str:
    return f"{place}{step:06d}.safetensors"
