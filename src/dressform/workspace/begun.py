"""What a training of outfits left unfinished: how far each of them is, and in which groups they stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence

from dressform.store import Store
from dressform.train.plan import Group
from dressform.workspace.checkpoints import FOLDER, Checkpoints, place_of

GROUPS = f"{FOLDER}groups.json"


def steps_done(store: Store, outfits: Sequence[str | None]) -> int:
    """How far these are together (None: the identity); 0 where nothing was saved."""
    return max(Checkpoints(store, outfits).steps(), default=0)


def remember(store: Store, run: str, groups: Sequence[Group]) -> None:
    """Keep the groups of a ``run`` that begins, so that it goes on with the same ones: a batch's size shows in the last bit of a sum.

    Others of which something was saved are still known.
    """
    now, before = {name for group in groups for name in group.names}, _remembered(store)
    others = [_of(group, [n for n in group.names if n not in now and steps_done(store, [n])]) for group in before]
    known = [_of(group, group.names) for group in groups] + [group for group in others if group.names]
    if (run, known) != (_run(store), before):
        named = [{"names": list(group.names), "micro_rows": group.micro_rows} for group in known]
        store.write(GROUPS, json.dumps({"run": run, "groups": named}).encode())


def gone_on_with(store: Store, run: str, todo: Sequence[str], begun: Collection[str], fits: Callable[[Group], bool]) -> list[Group]:
    """The groups that are trained as they were parted: what is ``begun`` of each, of which a step was saved.

    Of the same ``run``, groups of which nothing was saved yet as well, where all of one is ``todo`` and ``fits``.
    """
    found = []
    for group in _remembered(store):
        here = [name for name in group.names if name in todo]
        if saved := [name for name in here if name in begun]:
            found.append(Group(tuple(saved), group.micro_rows, steps_done(store, saved)))
        elif run == _run(store) and len(here) == len(group.names) and fits(group):
            found.append(group)
    return found


def forget_all_but(store: Store, outfits: Sequence[str | None]) -> None:
    """Forget whatever was begun but these (None: the identity), and how it was parted where none of them was."""
    places = tuple(place_of(name) for name in outfits)
    parted = any(name is not None and steps_done(store, [name]) for name in outfits)
    store.delete_all([name for name in store.list(FOLDER) if not name.startswith(places) and not (parted and name == GROUPS)])


def _of(group: Group, names: Sequence[str]) -> Group:
    return Group(tuple(names), group.micro_rows)


def _remembered(store: Store) -> list[Group]:
    return [Group(tuple(g["names"]), g["micro_rows"]) for g in json.loads(store.read(GROUPS))["groups"]] if GROUPS in store else []


def _run(store: Store) -> str:
    return json.loads(store.read(GROUPS)).get("run", "") if GROUPS in store else ""
