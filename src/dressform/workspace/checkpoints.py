"""A run's checkpoints in the store: the last two, so that one that cannot be read costs steps and not the run."""

from __future__ import annotations

from dressform.errors import StoreError
from dressform.store import Store

_KEPT = 2


class Checkpoints:
    """The checkpoints of the run called ``what``, numbered. Going on from an older one gives the same adapters (a run is exact)."""

    def __init__(self, store: Store, what: str) -> None:
        self._store, self._place = store, f"checkpoints/{what}/"

    def load(self) -> bytes | None:
        """The newest one that can be read, or None where there is none. Raises StoreError where none of them can be."""
        unreadable: StoreError | None = None
        for name in reversed(self.names()):
            try:
                return self._store.read(name)
            except StoreError as error:
                unreadable = unreadable or error
        if unreadable is not None:
            raise unreadable
        return None

    def save(self, data: bytes) -> None:
        """Keep one more, then forget all but the last two."""
        names = self.names()
        number = int(names[-1].rsplit("/", 1)[1].split(".")[0]) + 1 if names else 0
        self._store.write(f"{self._place}{number:06d}.safetensors", data)
        for old in self.names()[:-_KEPT]:
            self._store.delete(old)

    def names(self) -> list[str]:
        """Oldest first."""
        return list(self._store.list(self._place))

    def clear(self) -> None:
        """Forget them all."""
        for name in self.names():
            self._store.delete(name)
