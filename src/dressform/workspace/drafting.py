"""The actions ``draft propose`` and ``draft redraw``: the model draws pictures that a set lacks, and the best of each few are kept.

They wait as candidates (``candidates.py``) until a person decides on them: only approved ones join, so that a set never drifts unseen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch

from dressform.adapters.stack import AdapterStack
from dressform.backbones.embedded import EMBEDDED
from dressform.consent import lineage
from dressform.consent.gate import Grant
from dressform.consent.refusals import refuse_young
from dressform.consent.scopes import Scope
from dressform.dress.garments import asked_of
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.errors import BadInput, NotReady, Refused, UnknownName
from dressform.layfigure.captions import NEUTRAL, garment_tag
from dressform.layfigure.doll import BACKGROUNDS, GARMENT_ATTRIBUTES, IDENTITY_ATTRIBUTES, POSES, VIEWS, Garment
from dressform.pictures import tags
from dressform.pictures.wanted import Seen, lacking
from dressform.records import Composition
from dressform.train.draws import seed_of
from dressform.workspace import adding, candidates, judging, room
from dressform.workspace.candidates import Asked, By, Candidate
from dressform.workspace.character_file import held
from dressform.workspace.describing import body
from dressform.workspace.dressing import OnPictures, origins, prompt_for, refuse_words, scales, wardrobe
from dressform.workspace.judging import Judge
from dressform.workspace.workspace import Workspace, asset_of, refuse_other_kind

_TURNS = "draft-turns.json"
_ELSEWHERE = (("standing", "sitting", "walking", "arms up", "hands on hips"), ("white", "grey", "park"))
"""Poses and backgrounds that are asked for on other base models than the embedded one."""


@dataclass(frozen=True)
class Proposed:
    """The candidates of one call, the best first, and the scenes for which every try came out undressed."""

    candidates: tuple[Candidate, ...]
    left: tuple[Seen, ...] = ()


def way_of(word: str) -> By:
    """The word as what draws the candidates. Raises BadInput."""
    if word not in get_args(By):
        raise BadInput(f"way {word!r}: use {', '.join(get_args(By))}")
    return word  # type: ignore[return-value]


def propose(
    workspace: Workspace, asked: Asked, config: SampleConfig, on_pictures: OnPictures = lambda _done, _all: None
) -> Proposed:  # fmt: skip
    """Draw candidates for the views, poses and backgrounds that the set lacks, and keep them sealed.

    Raises Refused without consent (to add such pictures, and to draw them) or for words that ask for less than dressed,
    NotReady where nothing says who she is or what she wears, and BadInput where the set has as many pictures already.
    """
    grant = _agreed(workspace, asked)
    pending = [c for c in candidates.waiting(workspace) if c.asked.outfit == asked.outfit]
    have = [_scene_of(p.caption) for p in workspace.pictures(asked.outfit)] + [c.scene for c in pending]
    if asked.want <= len(have):
        beside = f" and {len(pending)} that wait" if pending else ""
        raise BadInput(f"there are {len(have) - len(pending)} pictures{beside} already; ask for more with --want {len(have) + 8}")
    poses, backgrounds = (POSES, BACKGROUNDS) if _embedded(workspace) else _ELSEWHERE
    scenes = lacking(have, (VIEWS, poses, backgrounds), asked.want - len(have))
    turns = [(scene, (have + scenes[:i]).count(scene)) for i, scene in enumerate(scenes)]
    found, left = _best(workspace, grant, asked, _anew(workspace, asked, turns), config, on_pictures)
    ranked = sorted(found, key=lambda one: one[0].judged.rank, reverse=True)
    with held(workspace.root, candidates.DECIDED):
        first = max(candidates.numbers_taken(workspace), default=0) + 1
        kept = [(replace(c, number=first + i), pixels) for i, (c, pixels) in enumerate(ranked)]
        candidates.keep(workspace, grant, kept)
    return Proposed(tuple(c for c, _ in kept), tuple(left))


def redraw(
    workspace: Workspace, given: Sequence[Candidate], config: SampleConfig, on_pictures: OnPictures = lambda _done, _all: None
) -> Proposed:
    """Draw the same scenes anew, each in its candidate's place. Raises as ``propose`` does."""
    made: list[Candidate] = []
    left: list[Seen] = []
    for asked in dict.fromkeys(c.asked for c in given):
        own = [c for c in given if c.asked == asked]
        grant = _agreed(workspace, asked)
        turns = _anew(workspace, asked, [(c.scene, c.turn + 1) for c in own])
        numbers = dict(zip(turns, (c.number for c in own), strict=True))
        found, failed = _best(workspace, grant, asked, turns, config, on_pictures)
        kept = [(replace(c, number=numbers[c.scene, c.turn]), pixels) for c, pixels in found]
        with held(workspace.root, candidates.DECIDED):
            candidates.refuse_changed(workspace, own)
            candidates.keep(workspace, grant, kept)
        made += [c for c, _ in kept]
        left += failed
    return Proposed(tuple(made), tuple(left))


# what is agreed, and said ---------------------------------------------------------------------------
def _agreed(workspace: Workspace, asked: Asked) -> Grant[Scope]:
    """Consent to draw such pictures, and to keep them where they are approved. Neutral ones are drawn as measuring draws them.

    Raises Refused, also for neutral pictures on other base models: nothing there tells whether what came out is the neutral layer.
    """
    refuse_young(asked.outfit or "")
    refuse_words(asked.wear, asked.text)
    if asked.tries < 1:
        raise BadInput(f"--tries {asked.tries}: use 1 or more")
    workspace.gate.need("add", asset_of(asked.outfit))
    if asked.outfit is not None:
        adding.refuse_name(asked.outfit, "outfit")
        refuse_other_kind(workspace.character, asked.outfit, "outfit")  # an accessory alone is no dressed picture
        return workspace.gate.need("dress", asset_of(None), asset_of(asked.outfit))
    if asked.wear:
        raise BadInput("--wear is for outfits: neutral pictures show the neutral layer alone")
    if not _embedded(workspace):
        raise Refused("neutral pictures are drawn on the embedded lay-figure model alone; on this base model draft an outfit")
    return workspace.gate.need("measure", asset_of(None))


@dataclass(frozen=True)
class _Voice:
    """How a picture is asked for: the outfits in the stack, whether her identity is, and the words before the scene."""

    adapters: tuple[str, ...]
    identity: bool
    words: tuple[str, ...]


def _voice(workspace: Workspace, asked: Asked, judge: Judge) -> _Voice:
    """Raises NotReady where nothing says who she is, or what she wears."""
    has_identity = workspace.adapter_name(None) in workspace.store
    if asked.by == "adapter" and not has_identity:
        raise NotReady("the identity is not trained yet: run dressform train, or draft with --by words")
    by_adapter = has_identity and asked.by != "words"
    if by_adapter and asked.outfit in workspace.trained() and not asked.wear:
        assert asked.outfit is not None
        return _Voice((asked.outfit,), True, ())
    worn = NEUTRAL if asked.outfit is None else _garment(workspace, asked, judge)
    return _Voice((), True, (worn,)) if by_adapter else _Voice((), False, (_body(workspace, judge), worn))


def _garment(workspace: Workspace, asked: Asked, judge: Judge) -> str:
    """The garment in the base model's words: as it was given, or as the reader sees it on the outfit's own pictures."""
    if asked.wear:
        return asked_of(workspace.character.base_model, asked.wear)
    worn = judge.worn
    if set(worn) >= set(GARMENT_ATTRIBUTES) and worn["kind"] != judging.UNDRESSED:
        return garment_tag(Garment(**{name: worn[name] for name in GARMENT_ATTRIBUTES}))
    say = 'say what it is, for example --wear "green coat"'
    known = workspace.character.named("outfit")
    if asked.outfit is not None and known and asked.outfit not in known:
        raise NotReady(f"{UnknownName('outfit', asked.outfit, known)} For a new one, {say}")
    raise NotReady(f"outfit {asked.outfit!r} is not trained yet: {say}")


def _body(workspace: Workspace, judge: Judge) -> str:
    """Her body in words: as her owner wrote it, and what she left out as the reader sees it."""
    said = tags.tags(workspace.character.description)
    refuse_young(", ".join(said))
    if set(judge.who) >= set(IDENTITY_ATTRIBUTES):
        return body(judge.who, workspace.character.description)
    if said:
        return ", ".join(said)
    raise NotReady("nothing says who she is: add pictures or train her first, or write a description into character.toml")


# drawing and judging --------------------------------------------------------------------------------
def _best(
    workspace: Workspace, grant: Grant[Scope], asked: Asked, scenes: Sequence[tuple[Seen, int]], config: SampleConfig,
    on_pictures: Callable[[int, int], None],
) -> tuple[list[tuple[Candidate, np.ndarray]], list[Seen]]:  # fmt: skip
    """For each scene and turn the best of ``asked.tries`` pictures, and the scenes of which none can be used."""
    anew = {scene for scene, _ in scenes}
    beside = [c for c in candidates.waiting(workspace) if c.asked.outfit == asked.outfit and c.scene not in anew]
    judge = Judge(workspace, asked.outfit, [candidates.picture(workspace, c) for c in beside])
    voice = _voice(workspace, asked, judge)
    rows = [_row(workspace, asked, voice, scene, seed) for scene, turn in scenes for seed in _seeds(asked, scene, turn)]
    stack = wardrobe(workspace, grant, voice.adapters) if voice.identity else AdapterStack({}, [])
    with stack.attached():
        drawn = draw(workspace.backbone, stack, rows, config, lambda done: on_pictures(done, len(rows)))
    drew = origins(stack) or (workspace.backbone.sha256,)
    generation = 1 + lineage.generation(workspace.gate.ledger.entries(), drew)
    found: list[tuple[Candidate, np.ndarray]] = []
    left: list[Seen] = []
    for (scene, turn), tries in zip(scenes, drawn.split(asked.tries), strict=True):
        pixels = [np.ascontiguousarray(one.permute(1, 2, 0).numpy()) for one in tries]
        judged = judge(torch.stack(list(tries)), pixels, scene)
        usable = [i for i, one in enumerate(judged) if one is not None]
        if not usable:
            left.append(scene)
            continue
        best = max(usable, key=lambda i: judged[i].rank)  # type: ignore[union-attr]
        judge.remember(pixels[best])
        found.append((Candidate(0, candidates.id_of(pixels[best]), asked, scene, turn, judged[best], generation, drew), pixels[best]))  # type: ignore[arg-type]
    return found, left


def _anew(workspace: Workspace, asked: Asked, turns: Sequence[tuple[Seen, int]]) -> list[tuple[Seen, int]]:
    """The same scenes, each in a turn in which it was never drawn for this set: what was rejected, or has joined, does not come again."""
    known: dict[str, int] = json.loads(workspace.store.read(_TURNS)) if _TURNS in workspace.store else {}
    found: list[tuple[Seen, int]] = []
    for scene, turn in turns:
        name = f"{asked.outfit or NEUTRAL}/{'/'.join(scene)}/{asked.seed}"
        found.append((scene, max(turn, known.get(name, 0))))
        known[name] = found[-1][1] + 1
    workspace.store.write(_TURNS, json.dumps(known, ensure_ascii=False).encode())
    return found


def _seeds(asked: Asked, scene: Seen, turn: int) -> list[int]:
    """One for each try: the same for the same question, another for each redraw."""
    called = f"{asked.outfit}/{'/'.join(scene)}"
    return [seed_of(asked.seed, "draft", turn, f"{called}/{i}") % 2**31 for i in range(asked.tries)]


def _row(workspace: Workspace, asked: Asked, voice: _Voice, scene: Seen, seed: int) -> Row:
    view, pose, background = scene
    text = ", ".join(part for part in (*voice.words, f"{view} view", pose, f"{background} background", asked.text) if part)
    if not voice.identity:
        return Row(text, seed, ())
    worn = Composition.of(voice.adapters)
    return Row(prompt_for(workspace, worn, text), seed, scales(voice.adapters, worn))


def _scene_of(caption: str) -> Seen:
    return room.view_of(caption), room.pose_of(caption), room.background_of(caption)


def _embedded(workspace: Workspace) -> bool:
    return workspace.character.base_model == EMBEDDED
