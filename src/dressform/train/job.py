"""What is asked of a run: adapters with their pictures."""

from __future__ import annotations

from dataclasses import dataclass

from dressform.adapters.stack import Adapter
from dressform.train.data import Examples


@dataclass(frozen=True)
class Job:
    """One adapter to train and its pictures. ``steps``: its own number of them, where it is not the recipe's."""

    adapter: Adapter
    data: Examples
    steps: int | None = None
