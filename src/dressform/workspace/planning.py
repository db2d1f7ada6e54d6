"""What ``train`` will do before it does it: what is missing, in which groups, in how much memory and time."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
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
from dressform.workspace.begun import gone_on_with, steps_done
from dressform.workspace.checkpoints import Checkpoints
from dressform.workspace.datasets import Material
from dressform.workspace.keeping import is_done, is_trained
from dressform.workspace.workspace import IDENTITY, Workspace


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
    anew: tuple[str, ...] = ()
    """Those that are trained already, and are learned again: their pictures, captions, recipe or identity are not what they were."""

    @property
    def seconds(self) -> float:
        return sum(p.seconds for p in (self.identity, self.outfits) if p is not None)

    @property
    def gone_on_with(self) -> list[str | None]:
        """Those that were begun, and go on from there (None: the identity)."""
        her = [None] if self.identity and self.identity.groups[0].steps_done else []
        return [*her, *(name for group in (self.outfits.groups if self.outfits else ()) if group.steps_done for name in group.names)]

    @property
    def peak_bytes(self) -> float:
        return max((p.peak_bytes for p in (self.identity, self.outfits) if p is not None), default=0.0)


@dataclass(frozen=True)
class Wanted:
    """Which adapters a training is for.

    ``names`` of outfits and accessories, and those of ``others`` that could be trained here and are not asked for. ``again``: which begin
    again (in either, None: the identity). ``keep_her``: her identity stays as it is.
    """

    names: tuple[str, ...]
    others: tuple[str | None, ...] = ()
    again: frozenset[str | None] = frozenset()
    keep_her: bool = False


def look_ahead(workspace: Workspace, given: Material, recipes: Recipes, wanted: Wanted) -> Outlook:
    """The plan of a training. A step is measured once for each recipe and machine, then remembered.

    Groups that were begun are gone on with as they are; where no step of one was saved, only while it fits. Raises NotReady where
    the memory is too little for one picture, and BadInput where what was begun cannot be gone on with.
    """
    who = workspace.adapter_sha256(None) if workspace.adapter_name(None) in workspace.store else ""
    own = [n for n in given.outfits if n in wanted.again or not workspace.imported(n)]
    anew = not wanted.keep_her and (None in wanted.again or not is_done(workspace, None, identity_mark(workspace, given, recipes.identity)))
    todo = [n for n in own if n in wanted.again or not is_done(workspace, n, outfit_mark(workspace, given, recipes.outfits, n, who))]
    begun = [n for n in todo if n not in wanted.again and steps_done(workspace.store, [n])]
    if anew:
        beside = [n for n in wanted.others if n is not None and steps_done(workspace.store, [n])]
        _refuse_unfinished([*begun, *beside], may_stay(workspace))
        todo = own
    budget = recipes.memory_bytes or memory.budget_bytes(_device(workspace))
    identity = _of_her(workspace, given, recipes.identity, budget, None in wanted.again) if anew else None
    kept = ([IDENTITY] if identity is None else []) + [n for n in given.outfits if n not in todo]
    outfits = _of_outfits(workspace, given, recipes.outfits, budget, wanted, todo, begun) if todo else None
    again = [n for n in ([None] if anew else []) + todo if n not in wanted.again and is_trained(workspace, n)]
    accessories, of_her = workspace.character.named("accessory"), len(given.identity.ids)
    outlook = Outlook(tuple(kept), identity, outfits, budget, accessories, of_her, tuple(n or IDENTITY for n in again))
    _refuse_what_changed(workspace, given, recipes, outlook)
    return outlook


def keeps_her(workspace: Workspace, only: Sequence[str]) -> bool:
    """True where her identity stays as it is: it was made elsewhere, or ``only`` some outfits are asked for and it may stay."""
    return workspace.imported(None) or (bool(only) and may_stay(workspace))


def may_stay(workspace: Workspace) -> bool:
    """True where her identity is there, and not in quarantine."""
    return is_trained(workspace, None) and workspace.adapter_sha256(None) not in workspace.quarantined()


def _refuse_unfinished(begun: Sequence[str], may_stay: bool) -> None:
    """Raises BadInput where there are outfits that were begun on an identity that would be replaced."""
    if begun:
        end_them = f"end them on her identity as it is with train --outfit {','.join(begun)} and the options that they were begun with, "
        raise BadInput(
            f"an unfinished training of {', '.join(begun)} is there, but since then this has changed: the identity that they stand on "
            f"(its pictures, captions, recipe or base model). Change it back to go on where it stopped, {end_them if may_stay else ''}"
            "or run train with --restart to begin again"
        )


def _refuse_what_changed(workspace: Workspace, given: Material, recipes: Recipes, outlook: Outlook) -> None:
    """Raises BadInput where the pictures, or the recipe, of something that was begun are not what they were."""
    her, worn = outlook.identity, outlook.outfits
    if her and her.groups[0].steps_done:
        _refuse(
            workspace,
            {None: identity_mark(workspace, given, recipes.identity)},
            "run train with --restart and without --outfit to begin again",
        )
    for group in worn.groups if worn else ():
        if group.steps_done:
            who = workspace.adapter_sha256(None)
            marks: dict[str | None, Mark] = {name: outfit_mark(workspace, given, recipes.outfits, name, who) for name in group.names}
            _refuse(workspace, marks, "run train with --outfit NAME --restart to begin that one again (without --outfit: everything)")


def _refuse(workspace: Workspace, marks: Mapping[str | None, Mark], otherwise: str) -> None:
    states = Checkpoints(workspace.store, list(marks)).load() or []
    before = [checkpoint.mark_of(data) for data in states]
    checkpoint.refuse_changed(list(marks.values()), before, [called(workspace, name) for name in marks], otherwise)


def called(workspace: Workspace, outfit: str | None) -> str:
    """What an outfit's adapter is called, or her identity's (None): by her name and its own."""
    her = workspace.character.name
    return her if outfit is None else f"{her}-{outfit}"


def identity_mark(workspace: Workspace, given: Material, config: TrainConfig) -> Mark:
    """What the identity is trained on."""
    return mark(config, workspace.backbone.sha256, "", [given.identity])


def outfit_mark(workspace: Workspace, given: Material, config: TrainConfig, name: str, who: str) -> Mark:
    """What this outfit is trained on, on top of the identity of hash ``who``."""
    return mark(config, workspace.backbone.sha256, who, [given.outfits[name]])


def _of_her(workspace: Workspace, given: Material, config: TrainConfig, budget: float, again: bool) -> Plan:
    """The plan for her identity, from the step that it was begun to, if it was."""
    cost = _cost(workspace, IDENTITY, config, anchored_identity(config.anchor), budget, given.text_length)
    (group,) = planned({IDENTITY: config.steps}, config.rows, cost, budget).groups
    group = replace(group, steps_done=0 if again else steps_done(workspace.store, [None]))
    return Plan((group,), *estimated([group], {IDENTITY: config.steps}, config.rows, cost))


def _of_outfits(
    workspace: Workspace, given: Material, config: TrainConfig, budget: float, wanted: Wanted, todo: Sequence[str], begun: Sequence[str]
) -> Plan:
    """The plan for those still ``todo``: first the groups that were begun, then the others."""
    cost = _cost(workspace, "outfits", config, outfit_on_identity(config.preserve), budget, given.text_length)

    def fits(group: Group) -> bool:
        return estimated([group], dict.fromkeys(group.names, config.steps), config.rows, cost)[1] <= budget

    as_before = [name for name in todo if name not in wanted.again]
    known = gone_on_with(workspace.store, run_of(workspace, config, wanted.names), as_before, begun, fits)
    fresh = [name for name in todo if not any(name in group.names for group in known)]
    groups = [*known, *(planned(dict.fromkeys(fresh, config.steps), config.rows, cost, budget).groups if fresh else ())]
    return Plan(tuple(groups), *estimated(groups, dict.fromkeys(todo, config.steps), config.rows, cost))


def run_of(workspace: Workspace, config: TrainConfig, names: Sequence[str]) -> str:
    """A word for a training of these outfits by this recipe on this machine."""
    return sha256(f"{_key(workspace, 'outfits', config)}|{'|'.join(sorted(names))}".encode()).hexdigest()[:32]


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
