"""The action ``train``: the identity, frozen; then every outfit on top of it, in one pass, or in as few as the memory allows.

The identity comes from every picture of her: neutral ones, and dressed ones with the garments masked out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import get_args

from dressform.adapters.stack import Adapter
from dressform.adapters.widening import widened, widest
from dressform.consent import lineage
from dressform.consent.gate import Grant
from dressform.consent.scopes import Scope
from dressform.errors import BadInput, NotReady, Refused
from dressform.records import AdapterInfo, Picture
from dressform.train import memory
from dressform.train.checkpoint import Mark
from dressform.train.config import TrainConfig
from dressform.train.data import apart
from dressform.train.draws import seed_of
from dressform.train.events import StepDone
from dressform.train.figures import Meter, Record
from dressform.train.loop import Job, Previews, Saved, train
from dressform.train.objective import Objective
from dressform.train.objectives.identity import anchored_identity
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.optimizer import refuse_missing
from dressform.train.plan import Group
from dressform.workspace.begun import forget_all_but, remember
from dressform.workspace.character_file import held
from dressform.workspace.checkpoints import Checkpoints
from dressform.workspace.datasets import Material, Origin, identity_pictures, material
from dressform.workspace.describing import can_describe
from dressform.workspace.keeping import Made, begin_again, is_trained, keep
from dressform.workspace.looking import refuse_unmasked
from dressform.workspace.planning import Outlook, Recipes, Wanted, called, identity_mark, keeps_her, look_ahead, outfit_mark, run_of
from dressform.workspace.previewing import preview
from dressform.workspace.workspace import IDENTITY, Workspace, asset_of

OnStep = Callable[[str, StepDone], None]


@dataclass(frozen=True)
class Watch:
    """Who is told of the plan before the first step, and of pictures being encoded."""

    on_plan: Callable[[Outlook], None] = lambda _outlook: None
    on_encoded: Callable[[int, int], None] = lambda _done, _all: None


NOBODY = Watch()


@dataclass(frozen=True)
class Trained:
    """What a training made: adapter names, and the seconds it took."""

    adapters: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class _Training:
    """All that the stages share; ``grant`` is the stage's own."""

    workspace: Workspace
    pictures: Sequence[Picture]
    given: Material
    recipes: Recipes
    wanted: Wanted
    outlook: Outlook
    grant: Grant[Scope]
    on_step: OnStep


def run(
    workspace: Workspace,
    identity: TrainConfig,
    outfits: TrainConfig,
    restart: bool = False,
    on_step: OnStep = lambda _what, _event: None,
    source: Origin = "auto",
    memory_bytes: int = 0,
    watch: Watch = NOBODY,
    only: Sequence[str] = (),
) -> Trained:
    """Train what is missing; what is trained already, on the same pictures, is kept. Goes on where a training stopped.

    ``only``: these outfits and accessories, and her identity where that is missing; () for all. ``restart`` lets nothing count as
    trained (of ``only`` these, where some are named): each adapter serves until its new one is kept, and a restart that was stopped is
    gone on with by a run without it. ``source`` says what the identity is learned from; "auto" takes all pictures of her.
    ``memory_bytes``: what this process may hold in all (0: what is free). Every step is written to ``reports/train``.

    Raises NotReady where pictures are missing, BadInput where an unfinished run no longer fits its pictures, and Refused
    without consent: before the first step, or within one step of its being taken back, with nothing saved after that. Raises StoreError
    where another process is training her, and BadInput where the key at hand could not sign what is made.
    """
    workspace.gate.ledger.refuse_other_key(workspace.signing_key)
    with held(workspace.root, "training", wait_seconds=0):  # two at once would learn outfits on each other's identity
        return _run_alone(workspace, Recipes(identity, outfits, memory_bytes), only, restart, source, on_step, watch)


def _run_alone(
    workspace: Workspace, recipes: Recipes, only: Sequence[str], restart: bool, source: Origin, on_step: OnStep, watch: Watch
) -> Trained:
    began = time.monotonic()
    asked = _agreed(workspace, source, only, restart)
    refuse_unmasked(asked.every)
    given, recipes = _prepared(workspace, asked, recipes, watch)
    outlook = look_ahead(workspace, given, recipes, asked.wanted)
    # only now, after all that can be refused: a restart that cannot begin forgets nothing
    forget_all_but(workspace.store, [*outlook.gone_on_with, *asked.wanted.others])
    begin_again(workspace, asked.wanted.again)
    watch.on_plan(outlook)

    def stage(grant: Grant[Scope]) -> _Training:
        return _Training(workspace, asked.pictures, given, recipes, asked.wanted, outlook, grant, _told(workspace, on_step))

    made: list[str] = []
    if asked.learn_her and outlook.identity is not None:
        _train_identity(stage(asked.learn_her))
        made.append(IDENTITY)
    if asked.learn_outfits and outlook.outfits is not None:
        made += _train_outfits(stage(asked.learn_outfits))
    forget_all_but(workspace.store, asked.wanted.others)
    if not only:
        given.drop_unused()
    return Trained(tuple(made), time.monotonic() - began)


def plan(
    workspace: Workspace,
    identity: TrainConfig,
    outfits: TrainConfig,
    source: Origin = "auto",
    memory_bytes: int = 0,
    watch: Watch = NOBODY,
    only: Sequence[str] = (),
) -> Outlook:
    """What ``run`` would do now; a step is measured, nothing is trained. Raises as it does before its first step."""
    asked = _agreed(workspace, source, only, restart=False)
    refuse_unmasked(asked.every)
    return look_ahead(workspace, *_prepared(workspace, asked, Recipes(identity, outfits, memory_bytes), watch), asked.wanted)


@dataclass(frozen=True)
class _Asked:
    """Which adapters, the pictures to learn from, those that show her among them, and consent to either (None: nothing to learn there)."""

    wanted: Wanted
    pictures: list[Picture]
    of_her: list[Picture]
    learn_her: Grant[Scope] | None
    learn_outfits: Grant[Scope] | None

    @property
    def every(self) -> list[Picture]:
        """All pictures that something is learned from."""
        return list({p.id: p for p in (*self.pictures, *self.of_her)}.values())


def _prepared(workspace: Workspace, asked: _Asked, recipes: Recipes, watch: Watch) -> tuple[Material, Recipes]:
    """What is learned from, and the recipes for this base model. Raises NotReady for what cannot end well."""
    _spare(workspace, recipes.identity, recipes.outfits)
    granted = [grant for grant in (asked.learn_her, asked.learn_outfits) if grant]

    def encoded(done: int, of: int) -> None:
        for grant in granted:
            workspace.gate.holds(grant)
        watch.on_encoded(done, of)

    given = material(workspace, asked.pictures, asked.of_her, encoded)
    recipes = _on_this_base(workspace, asked, recipes)
    _refuse_too_few(given, recipes)
    return given, recipes


def _refuse_too_few(given: Material, recipes: Recipes) -> None:
    """Raises NotReady, before anything is trained, where a set is too small to hold pictures out and that is asked for."""
    sets = {IDENTITY: (recipes.identity, given.identity), **{name: (recipes.outfits, one) for name, one in given.outfits.items()}}
    for name, (config, one) in sets.items():
        if config.until != "steps" and one.ids:
            try:
                apart(one, config.seed)
            except NotReady as error:
                raise NotReady(f"{name}: {error}") from error


def _spare(workspace: Workspace, *recipes: TrainConfig) -> None:
    """Before anything is loaded: where blocks are offloaded, they never all lie on the device. Raises NotReady for a missing optimizer."""
    for config in recipes:
        refuse_missing(config.optimizer)
    away = any(config.offload for config in recipes)
    workspace.backbone.offload(away)
    workspace.backbone.tile(away)


def _on_this_base(workspace: Workspace, asked: _Asked, recipes: Recipes) -> Recipes:
    """The recipes for this base model; outfits reach the layers of an identity that stays as it is, too. Raises what ``adapter`` does."""
    identity, outfits = (c.on(workspace.backbone) for c in (recipes.identity, recipes.outfits))
    if asked.learn_outfits and asked.wanted.keep_her:
        outfits = replace(outfits, targets=widest([workspace.adapter(asked.learn_outfits, None)], outfits.targets))
    return Recipes(identity, outfits, recipes.memory_bytes)


def _agreed(workspace: Workspace, source: Origin, only: Sequence[str], restart: bool) -> _Asked:
    """What there is to learn from, and consent to it. Raises NotReady or Refused, and UnknownName for an outfit that she has not.

    An outfit that was taken back, or that her file does not name, is left out and holds up none of the others. An identity that was made
    elsewhere is not learned, nor is one that is there where ``only`` some outfits are asked for: it needs no pictures of her, and no
    consent to learn from them.
    """
    revoked = workspace.gate.state().revoked
    agreed = {None, *(o.name for o in workspace.character.outfits if asset_of(o.name) not in revoked)}
    pictures = [p for p in workspace.pictures(every=True) if p.outfit in agreed]
    there = sorted({p.outfit for p in pictures if p.outfit is not None})
    names = _named(workspace, only, there) if only else there
    her_again = restart and not only
    keep_her = not her_again and keeps_her(workspace, only)
    if keep_her and not names:
        raise NotReady("her identity was made elsewhere, and there is no outfit to learn yet: dressform add FOLDER --outfit NAME")
    of_her = [] if keep_her else _pictures_of_her(workspace, pictures, source, her_again)
    learn_her = None if keep_her else workspace.gate.need("train:identity", *sorted({asset_of(p.outfit) for p in of_her}))
    learn_outfits = workspace.gate.need("train:outfit", asset_of(None), *map(asset_of, names)) if names else None
    again = frozenset(([None, *names] if her_again else names) if restart else [])
    others = (*([None] if only else []), *(name for name in there if name not in names and not workspace.imported(name)))
    learned_from = [p for p in pictures if p.outfit is None or p.outfit in names]
    return _Asked(Wanted(tuple(names), others, again, keep_her), learned_from, of_her, learn_her, learn_outfits)


def _named(workspace: Workspace, only: Sequence[str], there: Collection[str]) -> list[str]:
    """The outfits and accessories of these names. Raises UnknownName, Refused, and NotReady for one with no pictures to learn from."""
    for name in only:
        if name not in there:
            kind = workspace.outfit(name).kind
            workspace.gate.need("train:outfit", asset_of(name))
            raise NotReady(f"{kind} {name!r} has no pictures to learn from: add some with dressform add")
    return sorted(set(only))


def _pictures_of_her(workspace: Workspace, pictures: Sequence[Picture], source: Origin, her_again: bool) -> list[Picture]:
    """Those that her identity is learned from. Raises NotReady where there are none."""
    learned = frozenset() if her_again or not is_trained(workspace, None) else _learned_from(workspace)
    of_her = identity_pictures(pictures, source, workspace.character.named("accessory"), learned)
    if source == "auto" and any(p.outfit is None for p in of_her):
        showing = {None, *(name for name in {p.outfit for p in of_her} if name is not None and _may_show_her(workspace, name))}
        of_her = [p for p in of_her if p.outfit in showing]
    return of_her


def _learned_from(workspace: Workspace) -> frozenset[str]:
    """The ids of the pictures that the identity in the store comes from."""
    return lineage.inputs_of(workspace.gate.ledger.entries(), workspace.adapter_sha256(None))


def _may_show_her(workspace: Workspace, outfit: str) -> bool:
    """True where her identity may be learned from this outfit's pictures too: it is agreed to, and what lies under it has words."""
    try:
        workspace.gate.need("train:identity", asset_of(None), asset_of(outfit))
    except Refused:
        return False
    return can_describe(workspace)


def _told(workspace: Workspace, on_step: OnStep) -> OnStep:
    """``on_step`` that is told the speed too, as it is written down."""
    device = workspace.backbone.device
    meter, record = Meter(lambda: memory.used_bytes(device)), Record(workspace.reports / "train")

    def measured(what: str, event: StepDone) -> None:
        told = meter(event)
        record.write(what, told)
        on_step(what, told)

    return measured


def _train_identity(her: _Training) -> None:
    workspace, config = her.workspace, her.recipes.identity
    assert her.outlook.identity is not None
    (group,) = her.outlook.identity.groups
    mark = identity_mark(workspace, her.given, config)
    adapter = _new_adapter(workspace, IDENTITY, called(workspace, None), workspace.character.trigger, config, "")
    job = Job(adapter, her.given.identity)
    _run(her, IDENTITY, group, [job], anchored_identity(config.anchor), None, [mark])
    keep(workspace, Made(None, her.grant, adapter, mark, her.given.identity.ids))


def _train_outfits(her: _Training) -> list[str]:
    """Group after group, each kept before the next begins; on her identity as it is kept, rounded: a resumed run has no other."""
    workspace, config = her.workspace, her.recipes.outfits
    who = workspace.adapter(her.grant, None)
    assert her.outlook.outfits is not None
    groups = her.outlook.outfits.groups
    remember(workspace.store, run_of(workspace, config, her.wanted.names), groups)
    counted = Counted(her.on_step, len(groups), config.steps)
    for group in groups:
        counted.begin_group()
        _train_group(replace(her, on_step=counted), group, who)
    return [name for group in groups for name in group.names]


@dataclass
class Counted:
    """An ``OnStep`` of groups that train one after another, which tells their steps as those of one stage.

    ``to_come`` groups are not begun, and each has ``steps`` at most; ``behind`` are the steps of those that have ended.
    """

    on_step: OnStep
    to_come: int
    steps: int
    behind: int = 0
    here: int = 0

    def begin_group(self) -> None:
        """The next group's steps follow."""
        self.to_come, self.behind, self.here = self.to_come - 1, self.behind + self.here, 0

    def __call__(self, what: str, event: StepDone) -> None:
        self.here = event.step
        self.on_step(what, replace(event, step=self.behind + event.step, steps=self.behind + event.steps + self.to_come * self.steps))


def _train_group(her: _Training, group: Group, who: Adapter) -> None:
    workspace, config = her.workspace, her.recipes.outfits
    who = widened(who, config.targets, workspace.backbone.target_layers(config.targets))
    jobs = []
    for name in group.names:
        worn = workspace.outfit(name)
        adapter = _new_adapter(workspace, worn.kind, called(workspace, name), worn.trigger, config, who.sha256)
        jobs.append(Job(adapter, her.given.outfits[name]))
    marks = [outfit_mark(workspace, her.given, config, name, who.sha256) for name in group.names]
    _run(her, "outfits", group, jobs, outfit_on_identity(config.preserve), who, marks)
    agreed = [workspace.gate.need("train:outfit", asset_of(None), asset_of(name)) for name in group.names]
    made = zip(group.names, agreed, jobs, marks, strict=True)
    keep(workspace, *(Made(name, own, job.adapter, mark, [who.sha256, *job.data.ids]) for name, own, job, mark in made))


def _run(
    her: _Training, what: str, group: Group, jobs: list[Job], objective: Objective, frozen: Adapter | None, marks: Sequence[Mark]
) -> None:
    workspace, config = her.workspace, her.recipes.identity if what == IDENTITY else her.recipes.outfits
    outfits = [None] if what == IDENTITY else list(group.names)
    kept, place = Checkpoints(workspace.store, outfits), what if what == IDENTITY else f"{what}-{_short(group.names)}"

    made_of = [*([frozen.sha256] if frozen else ()), *(picture for job in jobs for picture in job.data.ids)]

    def stepped(event: StepDone) -> None:
        workspace.stands(her.grant, made_of)
        her.on_step(what, event)

    def save(step: int, states: Sequence[bytes]) -> None:
        workspace.stands(her.grant, made_of)  # also where an interruption saves, or a preview took its time since the step
        kept.save(step, states)

    outfit_of = {job.adapter.info.name: outfit for outfit, job in zip(outfits, jobs, strict=True)}
    previews = Previews(
        lambda stack, live, step: preview(
            workspace, her.grant, f"previews/{place}-{step:05d}.png", her.pictures, stack, [outfit_of[name] for name in live]
        ),
        max(1, config.steps // 3),
    )
    train(
        workspace.backbone, jobs, objective, replace(config, micro_rows=group.micro_rows or config.micro_rows), frozen,
        Saved(kept.load, save, marks), stepped, previews,
    )  # fmt: skip


def _short(names: Sequence[str]) -> str:
    """A word for adapters that train together."""
    return sha256("|".join(names).encode()).hexdigest()[:12]


def _new_adapter(workspace: Workspace, kind: str, name: str, trigger: str, config: TrainConfig, identity_sha: str) -> Adapter:
    info = AdapterInfo(
        kind, name, trigger, config.rank, config.alpha, config.targets, workspace.backbone.sha256, identity_sha, config.steps,
        workspace.backbone.architecture,
    )  # fmt: skip
    return Adapter(info, workspace.backbone.target_layers(config.targets), seed_of(config.seed, "adapter", 0, name))


def recipes(rank: int, seed: int, steps: int | None, targets: str = "auto") -> tuple[TrainConfig, TrainConfig]:
    """The house's recipe for the identity and for the outfits; ``steps`` (None: the recipe's) of both. Raises BadInput."""
    who = TrainConfig(steps=400 if steps is None else steps, rows=6, rank=rank, alpha=float(rank), targets=targets, seed=seed)
    return who, replace(who, rows=3, steps=250 if steps is None else steps)


def source_of(word: str) -> Origin:
    """The word as a source of the identity. Raises BadInput."""
    if word not in get_args(Origin):
        raise BadInput(f"identity {word!r}: use {', '.join(get_args(Origin))}")
    return word  # type: ignore[return-value]
