"""Which pictures a set lacks: scenes to ask for, so that every view, pose and background comes about equally often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product

Seen = tuple[str, str, str]
"""A view, a pose and a background, in words; a word that no choice has counts for nothing."""


def lacking(have: Sequence[Seen], choices: tuple[Sequence[str], Sequence[str], Sequence[str]], count: int) -> list[Seen]:
    """``count`` scenes that go best with those that are there: each time the one whose parts were seen least.

    Views before poses before backgrounds, and each pair of them; the same for the same set.
    """
    seen: Counter[tuple[tuple[int, str], ...]] = Counter()
    for scene in have:
        seen.update(_parts(scene))
    every, found = [(v, p, b) for v, p, b in product(*choices)], []
    for _ in range(count):
        scene = min(every, key=lambda one: _crowded(one, seen))
        seen.update(_parts(scene))
        found.append(scene)
    return found


def _parts(scene: Seen) -> list[tuple[tuple[int, str], ...]]:
    """The scene's words by their places, alone, in pairs, and all three."""
    placed = list(enumerate(scene))
    return [part for size in (1, 2, 3) for part in combinations(placed, size)]


def _crowded(scene: Seen, seen: Counter[tuple[tuple[int, str], ...]]) -> tuple[int, ...]:
    """How often the scene was seen whole, then its views, poses and backgrounds, then their pairs."""
    view, pose, background, view_pose, view_background, pose_background, whole = (seen[part] for part in _parts(scene))
    return whole, view, view_pose, pose, background, view_background, pose_background
