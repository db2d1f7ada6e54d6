"""The action ``train``: the identity, frozen; then every outfit on top of it, in one pass.

The identity comes from neutral pictures, or, where a character has none, from dressed ones with the garments masked out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch

from dressform.adapters import files
from dressform.adapters.stack import Adapter, AdapterStack
from dressform.consent.gate import Grant
from dressform.consent.scopes import Scope
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.errors import BadInput, NotReady
from dressform.pictures import intake
from dressform.records import AdapterInfo, Picture
from dressform.train import checkpoint
from dressform.train.config import TrainConfig
from dressform.train.data import TrainingSet, encode
from dressform.train.draws import seed_of
from dressform.train.events import StepDone
from dressform.train.loop import Job, Previews, Saved, train
from dressform.train.objective import Objective
from dressform.train.objectives.dressed import identity_from_dressed
from dressform.train.objectives.outfit import outfit_on_identity
from dressform.train.objectives.plain import plain
from dressform.workspace.describing import anchor_captions
from dressform.workspace.looking import refuse_unmasked
from dressform.workspace.workspace import IDENTITY, Workspace, asset_of

Source = Literal["auto", "neutral", "dressed"]
OnStep = Callable[[str, StepDone], None]


@dataclass(frozen=True)
class Stage:
    """One of the two trainings of a character: what it is called, how it is trained, and who watches its steps."""

    what: str
    config: TrainConfig
    restart: bool
    on_step: OnStep

    @property
    def place(self) -> str:
        """Where its checkpoint lies in the store."""
        return f"checkpoints/{self.what}.safetensors"


@dataclass(frozen=True)
class Trained:
    """What a training made: adapter names, and the seconds it took."""

    adapters: tuple[str, ...]
    seconds: float


def run(
    workspace: Workspace,
    identity: TrainConfig,
    outfits: TrainConfig,
    restart: bool = False,
    on_step: OnStep = lambda _what, _event: None,
    source: Source = "auto",
) -> Trained:
    """Train what is missing; what is trained already, on the same pictures, is kept.

    ``source`` says what the identity is learned from; "auto" takes neutral pictures where there are any.

    Raises NotReady where pictures are missing, BadInput where an unfinished run no longer fits its pictures, and Refused
    without consent: before the first step, or within one step of its being taken back, with nothing saved after that.
    """
    began = time.monotonic()
    pictures = _identity_pictures(workspace, source)
    refuse_unmasked(workspace.pictures(every=True))
    names = [o.name for o in workspace.character.outfits]
    learn_her = workspace.gate.need("train:identity", *sorted({asset_of(p.outfit) for p in pictures}))
    learn_outfits = workspace.gate.need("train:outfit", asset_of(None), *map(asset_of, names)) if names else None
    made: list[str] = []
    first = Stage(IDENTITY, identity, restart, _watched(workspace, learn_her, on_step))
    who = _train_identity(workspace, learn_her, pictures, first, made)
    if learn_outfits:
        _train_outfits(workspace, who, Stage("outfits", outfits, restart, _watched(workspace, learn_outfits, on_step)), made)
    return Trained(tuple(made), time.monotonic() - began)


def _watched(workspace: Workspace, grant: Grant[Scope], on_step: OnStep) -> OnStep:
    """``on_step`` that first asks whether consent still stands; a step's result is saved only after it."""

    def watched(what: str, event: StepDone) -> None:
        workspace.gate.holds(grant)
        on_step(what, event)

    return watched


def _train_identity(
    workspace: Workspace, grant: Grant[Literal["train:identity"]], pictures: list[Picture], stage: Stage, made: list[str]
) -> Adapter:
    name, config = workspace.adapter_name(None), stage.config
    neutral = all(p.outfit is None for p in pictures)
    data = _training_set(workspace, pictures) if neutral else _dressed_set(workspace, pictures)
    objective = plain if neutral else identity_from_dressed(config.anchor)
    mark = checkpoint.fingerprint(config, workspace.backbone.sha256, "", [data])
    if not stage.restart and _is_done(workspace, name, mark):
        return workspace.adapter(grant, None)
    adapter = _new_adapter(workspace, IDENTITY, workspace.character.name, workspace.character.trigger, config, "")
    _run(workspace, stage, [Job(adapter, data)], objective, None, mark)
    _keep(workspace, grant, name, adapter, mark, [p.id for p in pictures])
    made.append(IDENTITY)
    return workspace.adapter(grant, None)  # as it is kept, rounded: a resumed run has no other, and must not differ


def _train_outfits(workspace: Workspace, who: Adapter, stage: Stage, made: list[str]) -> None:
    identity_sha, config = workspace.adapter_sha256(None), stage.config
    jobs, marks = [], {}
    for outfit in workspace.character.outfits:
        data = _training_set(workspace, workspace.pictures(outfit.name))
        mark = checkpoint.fingerprint(config, workspace.backbone.sha256, identity_sha, [data])
        if stage.restart or not _is_done(workspace, workspace.adapter_name(outfit.name), mark):
            name = f"{workspace.character.name}-{outfit.name}"
            jobs.append(Job(_new_adapter(workspace, "outfit", name, outfit.trigger, config, identity_sha), data))
            marks[outfit.name] = mark
    if not jobs:
        return
    together = checkpoint.fingerprint(config, workspace.backbone.sha256, identity_sha, [job.data for job in jobs])
    _run(workspace, stage, jobs, outfit_on_identity(config.preserve), who, together)
    for job, (outfit_name, mark) in zip(jobs, marks.items(), strict=True):
        own = workspace.gate.need("train:outfit", asset_of(None), asset_of(outfit_name))
        _keep(workspace, own, workspace.adapter_name(outfit_name), job.adapter, mark, [identity_sha, *job.data.ids])
        made.append(outfit_name)


def _run(workspace: Workspace, stage: Stage, jobs: list[Job], objective: Objective, frozen: Adapter | None, mark: str) -> None:
    place, config = stage.place, stage.config
    if stage.restart:
        workspace.store.delete(place)
    saved = Saved(
        load=lambda: workspace.store.read(place) if place in workspace.store else None,
        save=lambda data: workspace.store.write(place, data),
        mark=mark,
    )
    previews = Previews(lambda stack, step: _preview(workspace, stage.what, jobs, stack, step), max(1, config.steps // 3))
    train(workspace.backbone, jobs, objective, config, frozen, saved, lambda event: stage.on_step(stage.what, event), previews)
    workspace.store.delete(place)


def _preview(workspace: Workspace, what: str, jobs: list[Job], stack: AdapterStack, step: int) -> None:
    """One picture for each adapter as it stands, kept in the store: previews are as private as what they are made of."""
    columns, every = len(stack.adapters), workspace.pictures(every=True)
    rows = []
    for i, job in enumerate(jobs):
        outfit = _outfit_of(workspace, job)
        shown = next((p for p in every if p.outfit == outfit), every[0])
        gates = tuple(float(c in (i, len(jobs))) for c in range(columns))
        rows.append(Row(workspace.caption(replace(shown, outfit=outfit)), 0, gates))
    drawn = draw(workspace.backbone, stack, rows, SampleConfig(steps=12))
    sheet = np.concatenate(list(drawn.permute(0, 2, 3, 1).numpy()), axis=1)
    workspace.store.write(f"previews/{what}-{step:05d}.png", intake.png(sheet))


def _outfit_of(workspace: Workspace, job: Job) -> str | None:
    found = (o.name for o in workspace.character.outfits if o.trigger == job.adapter.info.trigger)
    return next(found, None)


def _new_adapter(workspace: Workspace, kind: str, name: str, trigger: str, config: TrainConfig, identity_sha: str) -> Adapter:
    info = AdapterInfo(
        kind, name, trigger, config.rank, config.alpha, config.targets, workspace.backbone.sha256, identity_sha, config.steps,
        workspace.backbone.architecture,
    )  # fmt: skip
    return Adapter(info, workspace.backbone.target_layers(config.targets), seed_of(config.seed, "adapter", 0, name))


def _identity_pictures(workspace: Workspace, source: Source) -> list[Picture]:
    neutral, every = workspace.pictures(None), workspace.pictures(every=True)
    if source == "neutral" or (source == "auto" and neutral):
        if not neutral:
            raise NotReady("no neutral pictures yet: add some with dressform add FOLDER --neutral, or train --identity dressed")
        return neutral
    dressed = [p for p in every if p.outfit is not None]
    if not dressed:
        raise NotReady("no pictures yet: add some with dressform add FOLDER --neutral or --outfit NAME")
    return dressed


def _dressed_set(workspace: Workspace, pictures: list[Picture]) -> TrainingSet:
    """Dressed pictures as the identity sees them: called by her own word alone, anchored in the base model's words."""
    bare = [replace(p, outfit=None) for p in pictures]
    return _training_set(workspace, pictures, [workspace.caption(p) for p in bare], anchor_captions(workspace, pictures))


def _training_set(
    workspace: Workspace, pictures: list[Picture], captions: list[str] | None = None, anchors: list[str] | None = None
) -> TrainingSet:
    side = workspace.backbone.size_px
    stack, masks = [], []
    for picture in pictures:
        stack.append(intake.fitted(intake.from_png(workspace.store.read(f"pictures/{picture.id}.png")), side))
        if picture.has_mask and picture.outfit is not None:
            mask = intake.from_png(workspace.store.read(f"pictures/{picture.id}.mask.png")) > 127
            masks.append(intake.fitted_mask(mask, side))
    return encode(
        workspace.backbone,
        tuple(p.id for p in pictures),
        torch.from_numpy(np.stack(stack)).permute(0, 3, 1, 2),
        captions or [workspace.caption(p) for p in pictures],
        torch.from_numpy(np.stack(masks)) if masks else None,
        anchors,
    )


def _is_done(workspace: Workspace, name: str, mark: str) -> bool:
    return name in workspace.store and f"{name}.mark" in workspace.store and workspace.store.read(f"{name}.mark") == mark.encode()


def _keep(workspace: Workspace, grant: Grant[Scope], name: str, adapter: Adapter, mark: str, inputs: list[str]) -> None:
    data = files.to_bytes(adapter)
    workspace.record(grant, inputs, [hashlib.sha256(data).hexdigest()])  # first, so that no adapter is without its line
    workspace.store.write(name, data)
    workspace.store.write(f"{name}.mark", mark.encode())


def recipes(rank: int, seed: int, steps: int | None) -> tuple[TrainConfig, TrainConfig]:
    """The house's recipe for the identity and for the outfits."""
    who = TrainConfig(steps=steps or 300, rows=6, rank=rank, alpha=float(rank), seed=seed)
    return who, TrainConfig(steps=steps or 300, rows=3, rank=rank, alpha=float(rank), seed=seed)


def source_of(word: str) -> Source:
    """The word as a source of the identity. Raises BadInput."""
    if word not in get_args(Source):
        raise BadInput(f"identity {word!r}: use {', '.join(get_args(Source))}")
    return word  # type: ignore[return-value]
