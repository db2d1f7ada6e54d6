"""What ``train`` will do before it does it: what is missing, in which groups, in how much memory and time."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

import torch

from dressform.errors import BadInput
from dressform.train import checkpoint, memory
from dressform.train.checkpoint import Mark, mark
from dressform.train.config import TrainConfig
from dressform.train.objective import Objective
from dressform.train.objectives.identity import anchored_identity
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.plan import Cost, Group, Plan, estimated, planned
from dressform.train.trial import measured
from dressform.workspace import fitting
from dressform.workspace.checkpoints import FOLDER, OF_OUTFITS, Checkpoints
from dressform.workspace.datasets import Material
from dressform.workspace.keeping import is_done
from dressform.workspace.workspace import IDENTITY, Workspace

GROUPS = f"{FOLDER}groups.json"


@dataclass(frozen=True)
class Recipes:
    """How the identity is trained, and every outfit; ``memory_bytes`` is what the process may hold in all (0: what is free)."""

    identity: TrainConfig
    outfits: TrainConfig
    memory_bytes: int = 0


@dataclass(frozen=True)
class Outlook:
    """What is kept because it is trained already, and the plans of the two stages (None: nothing to do there)."""

    kept: tuple[str, ...]
    identity: Plan | None
    outfits: Plan | None
    budget_bytes: float
    accessories: tuple[str, ...] = ()
    """Which of the names are accessories."""
    pictures_of_her: int = 0
    """How many pictures the identity is learned from."""

    @property
    def seconds(self) -> float:
        return sum(p.seconds for p in (self.identity, self.outfits) if p is not None)

    @property
    def peak_bytes(self) -> float:
        return max((p.peak_bytes for p in (self.identity, self.outfits) if p is not None), default=0.0)


def look_ahead(workspace: Workspace, given: Material, recipes: Recipes) -> Outlook:
    """The plan of a training. A step is measured once for each recipe and machine, then remembered.

    Groups that were begun are gone on with as they are; where no step of one was saved, only while it fits. Raises NotReady where
    the memory is too little for one picture, and BadInput where outfits were begun on an identity that would be replaced now.
    """
    who = identity_mark(workspace, given, recipes.identity)
    budget = recipes.memory_bytes or memory.budget_bytes(_device(workspace))
    own = [n for n in given.outfits if not workspace.imported(n)]
    anew = not is_done(workspace, None, who)
    if anew and any(workspace.store.list(OF_OUTFITS)):
        raise BadInput(
            "an unfinished training of outfits is there, but since then this has changed: the identity that they stand on (its pictures, "
            "captions or recipe). Change it back to go on where it stopped, or run train with --restart to begin again"
        )
    if anew:
        cost = _cost(workspace, IDENTITY, recipes.identity, anchored_identity(recipes.identity.anchor), budget, given.text_length)
        identity = _of_her(workspace, recipes.identity, cost, budget)
        todo = own
    else:
        identity = None
        marks = {n: outfit_mark(workspace, given, recipes.outfits, n) for n in own}
        todo = [n for n, m in marks.items() if not is_done(workspace, n, m)]
    kept = ([IDENTITY] if identity is None else []) + [n for n in given.outfits if n not in todo]
    outfits = _outfits(workspace, recipes, todo, own, budget, given.text_length) if todo else None
    return Outlook(tuple(kept), identity, outfits, budget, workspace.character.named("accessory"), len(given.identity.ids))


def refuse_what_changed(workspace: Workspace, given: Material, recipes: Recipes, outlook: Outlook) -> None:
    """Raises BadInput where something that was begun cannot be gone on with, as the training does when it reads what was saved."""
    her, worn = outlook.identity, outlook.outfits
    begun: list[dict[str | None, Mark]] = []
    if her and her.groups[0].steps_done:
        begun.append({None: identity_mark(workspace, given, recipes.identity)})
    for group in worn.groups if worn else ():
        if group.steps_done:
            begun.append({name: outfit_mark(workspace, given, recipes.outfits, name) for name in group.names})
    for marks in begun:
        states = Checkpoints(workspace.store, list(marks)).load() or []
        before = [checkpoint.mark_of(data) for data in states]
        checkpoint.refuse_changed(list(marks.values()), before, [called(workspace, name) for name in marks])


def called(workspace: Workspace, outfit: str | None) -> str:
    """What an outfit's adapter is called, or her identity's (None): by her name and its own."""
    her = workspace.character.name
    return her if outfit is None else f"{her}-{outfit}"


def identity_mark(workspace: Workspace, given: Material, config: TrainConfig) -> Mark:
    """What the identity is trained on."""
    return mark(config, workspace.backbone.sha256, "", [given.identity])


def outfit_mark(workspace: Workspace, given: Material, config: TrainConfig, name: str) -> Mark:
    """What this outfit is trained on, on top of the identity as it is kept."""
    return mark(config, workspace.backbone.sha256, workspace.adapter_sha256(None), [given.outfits[name]])


def _of_her(workspace: Workspace, config: TrainConfig, cost: Cost, budget: float) -> Plan:
    """The plan for her identity, from the step that it was begun to, if it was."""
    (group,) = planned({IDENTITY: config.steps}, config.rows, cost, budget).groups
    group = replace(group, steps_done=max(Checkpoints(workspace.store, [None]).steps(), default=0))
    return Plan((group,), *estimated([group], {IDENTITY: config.steps}, config.rows, cost))


def _outfits(workspace: Workspace, recipes: Recipes, todo: Sequence[str], own: Sequence[str], budget: float, length: int) -> Plan:
    """The plan for those still ``todo``: of the groups that were begun what is ``own``, to be trained here, and then the others."""
    config = recipes.outfits
    cost = _cost(workspace, "outfits", config, outfit_on_identity(config.preserve), budget, length)
    begun = [
        left
        for group in _remembered(workspace, config)
        if (left := _left_of(workspace, group, own))
        and set(left.names) & set(todo)
        and (left.steps_done or _fits(left, config, cost, budget))
    ]
    fresh = [name for name in todo if not any(name in group.names for group in begun)]
    groups = [*begun, *(planned(dict.fromkeys(fresh, config.steps), config.rows, cost, budget).groups if fresh else ())]
    steps = {name: config.steps for group in groups for name in group.names}
    return Plan(tuple(groups), *estimated(groups, steps, config.rows, cost))


def _left_of(workspace: Workspace, group: Group, own: Sequence[str]) -> Group | None:
    """A remembered group without those that are not trained here any more, or have to begin again while others of it have begun."""
    here = [name for name in group.names if name in own]
    begun = [name for name in here if Checkpoints(workspace.store, [name]).steps()]
    if begun:
        return Group(tuple(begun), group.micro_rows, max(Checkpoints(workspace.store, begun).steps(), default=0))
    return group if len(here) == len(group.names) else None


def _fits(group: Group, config: TrainConfig, cost: Cost, budget: float) -> bool:
    _, peak = estimated([group], dict.fromkeys(group.names, config.steps), config.rows, cost)
    return peak <= budget


def remember(workspace: Workspace, config: TrainConfig, groups: Sequence[Group]) -> None:
    """Keep the groups of a run that begins, so that it goes on with the same ones: a batch's size shows in the last bit of a sum.

    Groups that others were begun in are still known.
    """
    before, now = _read(workspace), {name for group in groups for name in group.names}
    others = [Group(names, group.micro_rows) for group in before if (names := tuple(n for n in group.names if n not in now))]
    known = [Group(group.names, group.micro_rows) for group in groups] + others
    if known != before:
        named = [{"names": list(group.names), "micro_rows": group.micro_rows} for group in known]
        workspace.store.write(GROUPS, json.dumps({"key": _key(workspace, "outfits", config), "groups": named}).encode())


def _remembered(workspace: Workspace, config: TrainConfig) -> list[Group]:
    """The groups that a run was parted into; of another recipe only while something of them is begun: it says then what changed."""
    if GROUPS not in workspace.store:
        return []
    said = json.loads(workspace.store.read(GROUPS))
    same = said["key"] == _key(workspace, "outfits", config)
    return _read(workspace) if same or any(workspace.store.list(OF_OUTFITS)) else []


def _read(workspace: Workspace) -> list[Group]:
    said = json.loads(workspace.store.read(GROUPS)) if GROUPS in workspace.store else {"groups": ()}
    return [Group(tuple(g["names"]), g["micro_rows"]) for g in said["groups"]]


def _cost(workspace: Workspace, what: str, config: TrainConfig, objective: Objective, budget: float, length: int) -> Cost:
    place = f"plans/{_key(workspace, what, config)}-{length}.json"
    if place in workspace.store:
        return Cost(**json.loads(workspace.store.read(place)))
    fitting.refuse_too_large(workspace, config, budget)
    try:
        found = measured(workspace.backbone, config, objective, budget, what != IDENTITY, length)
    except torch.OutOfMemoryError as error:
        raise fitting.too_large(workspace, config, budget) from error
    if found.sizes > 1:  # where the budget was too little for a second, one of another day is not to go by it
        workspace.store.write(place, json.dumps(asdict(found)).encode())
    return found


def _key(workspace: Workspace, what: str, config: TrainConfig) -> str:
    """One machine, base model and shape of work."""
    device = _device(workspace)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.node()} {torch.get_num_threads()}"
    shape = replace(config, steps=1, seed=0, learning_rate=0.0, warmup_steps=0, until="steps", floor_steps=1, check_steps=1, min_snr=None)
    said = [what, asdict(shape), workspace.backbone.sha256, str(device), card, torch.__version__]
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def _device(workspace: Workspace) -> torch.device:
    return workspace.backbone.device
