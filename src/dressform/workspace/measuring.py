"""The action ``measure``: probes of every trained outfit and of the neutral layer, read back and counted.

What is right is read from the training pictures themselves, so it works for any character whose pictures the
reader can read. Probe pictures stay in memory: those of the neutral layer are never written, the others only as examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from dressform.backbones.embedded import EMBEDDED
from dressform.backbones.protocol import Backbone
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.errors import BadInput, NotReady, Refused
from dressform.layfigure.doll import BACKGROUNDS, POSES, VIEWS, Scene
from dressform.layfigure.render import render
from dressform.measure import reader as reading
from dressform.measure.curves import SCALES, curves
from dressform.measure.reader import Reading
from dressform.measure.report import Example, Examples, Measured, page
from dressform.measure.separation import (
    GARMENT_WORDS,
    IDENTITY_WORDS,
    NEUTRAL,
    SCENE_WORDS,
    Probe,
    Truth,
    figures,
    matrix,
    mistakes,
    neutral_dolls,
)
from dressform.records import IDENTITY_ALONE, Composition, Figure, Picture
from dressform.store import write_atomically
from dressform.train.draws import generator, seed_of
from dressform.workspace import keeping
from dressform.workspace.describing import read_pictures, sample, who
from dressform.workspace.dressing import OnPictures, origins, prompt_for, scales, wardrobe
from dressform.workspace.finishing import credentials, finished
from dressform.workspace.trying import masked, tried_on
from dressform.workspace.workspace import Workspace, asset_of, by_outfit

_MOST_EACH = 10_000


_DOLLS_ALONE = "the reader behind these figures knows lay-figure dolls alone: of pictures of anything else they say nothing"


@dataclass(frozen=True)
class _Trial:
    """One picture to draw and read: what is asked, how she is seen, from which seed, and what is worn."""

    asked: str
    scene: Scene
    seed: int
    worn: Composition


def measure(
    workspace: Workspace, each: int, seed: int, config: SampleConfig, on_pictures: OnPictures = lambda _done, _all: None,
    scales_too: bool = False,
) -> Measured:  # fmt: skip
    """Draw ``each`` probes of every trained outfit, and as many of the neutral layer, and read them.

    Then ``each`` with every trained accessory, over all outfits; and with ``scales_too`` those of the outfits at every scale of
    ``curves.SCALES``. They ask for pictures that were drawn without, from the same seeds.

    Raises NotReady before training, Refused without consent.
    """
    if not 1 <= each <= _MOST_EACH:
        raise BadInput(f"--each {each}: use 1 to {_MOST_EACH} pictures of each outfit")
    sets = by_outfit(workspace.pictures(every=True))
    names = [name for name in workspace.trained() if name in sets]
    if not names and workspace.taken_back():
        raise workspace.none_trained()
    if not names and workspace.trained():
        raise NotReady(f"{', '.join(workspace.trained())}: there are no pictures to measure by; add some with dressform add")
    if not names:
        raise NotReady("no outfit is trained yet: run dressform train; an imported one is measured once pictures of it are added")
    extras = [name for name in workspace.trained("accessory") if any(p.has_mask for p in sets.get(name, ()))]
    grant = workspace.gate.need("measure", asset_of(None), *map(asset_of, [*names, *extras]))
    extras = [name for name in extras if masked(workspace, name)]
    reader = reading.load(device=workspace.backbone.device)
    truth, notes = _truth(workspace, reader, names, sets)
    notes = (*notes, *(f"{name}: not measured, there are no pictures of it" for name in workspace.trained() if name not in sets))
    names = list(truth.outfits)
    every = [*names, *extras]
    notes = (*notes, *keeping.on_an_earlier_identity(workspace, every))
    plain = _trials(names, each, seed)
    dressed = plain[each:]
    spread = dressed[:: len(names)]
    with_it = {name: [replace(t, worn=t.worn + Composition.of([name])) for t in spread] for name in extras}
    at = {scale: [replace(t, worn=Composition.of([t.asked], scale)) for t in dressed] for scale in SCALES if scale != 1.0 and scales_too}
    trials = [*plain, *(t for part in (*with_it.values(), *at.values()) for t in part)]
    stack = wardrobe(workspace, grant, every)
    with stack.attached():
        rows = [_row(workspace, every, t) for t in trials]
        drawn = draw(workspace.backbone, stack, rows, config, lambda done: on_pictures(done, len(rows)))
    inputs = origins(stack)
    workspace.record(grant, inputs, ())
    read = dict(zip(trials, zip(_probes(trials, reader.read(drawn), truth), drawn, strict=True), strict=True))
    probes = [read[t][0] for t in plain]
    kept = _examples(workspace, inputs[: 1 + len(names)], names, probes, drawn, truth)
    tried = {
        name: tried_on(workspace, reader, name, truth, [read[t] for t in spread], [read[t] for t in part]) for name, part in with_it.items()
    }
    scaled = curves({1.0: probes[each:], **{scale: [read[t][0] for t in part] for scale, part in at.items()}}, truth) if at else {}
    return Measured(figures(probes, truth), matrix(probes, truth), truth, reader.card, kept, tried, scaled, notes)


def to_json(measured: Measured) -> str:
    """The project's one form for figures, with the matrix and what was right beside it."""
    return json.dumps(
        {
            "figures": {name: asdict(figure) for name, figure in measured.figures.items()},
            "matrix": _as_rows(measured.matrix),
            "truth": {
                "noise": round(measured.truth.noise, 4),
                "identity": dict(measured.truth.identity),
                "outfits": {k: dict(v) for k, v in measured.truth.outfits.items()},
            },
            "reader": measured.reader,
            "accessories": _as_rows(measured.accessories),
            "curves": _as_rows(measured.curves),
            "notes": measured.notes,
        },
        indent=1,
    )  # fmt: skip


def _as_rows(found: Mapping[str, Mapping[str, Figure]]) -> dict[str, dict[str, dict]]:
    return {row: {name: asdict(figure) for name, figure in cells.items()} for row, cells in found.items()}


def write_json(measured: Measured, file: Path) -> None:
    """Write the report in one piece."""
    write_atomically(file, to_json(measured).encode() + b"\n")


def write_page(measured: Measured, title: str, file: Path) -> None:
    """Write the same, with examples and what to do, as a page that opens from disk."""
    write_atomically(file, page(title, measured).encode())


def _examples(
    workspace: Workspace, inputs: Sequence[str], names: Sequence[str], probes: Sequence[Probe], drawn: torch.Tensor, truth: Truth
) -> dict[str, Examples]:
    """The two best and the four worst of each outfit, signed and recorded like any other finished picture.

    Measuring alone is agreed for pictures that are thrown away: what is kept needs the agreement to dress her.
    """
    try:
        grant = workspace.gate.need("dress", *map(asset_of, [None, *names]))
    except Refused:
        return {}
    signer = credentials(workspace.store)
    wrong = [mistakes(p, truth, (*GARMENT_WORDS, *IDENTITY_WORDS, *SCENE_WORDS)) for p in probes]
    as_example = lambda i: Example(finished(drawn[i].permute(1, 2, 0).numpy(), signer), _in_words(wrong[i]))  # noqa: E731
    found = {}
    for name in names:
        own = [i for i, p in enumerate(probes) if p.asked == name and p.reading.words["kind"] != NEUTRAL]
        ranked = sorted(own, key=lambda i: len(wrong[i]))
        best, worst = [i for i in ranked if not wrong[i]][:2], [i for i in ranked if wrong[i]][::-1][:4]
        found[name] = Examples([as_example(i) for i in best], [as_example(i) for i in worst])
    kept = [sha256(e.png).hexdigest() for shown in found.values() for e in (*shown.best, *shown.worst)]
    workspace.record(grant, inputs, kept)
    return found


def _in_words(wrong: Mapping[str, tuple[str, str]]) -> str:
    return "; ".join(f"{name.replace('_', ' ')} {seen}, not {wanted}" for name, (wanted, seen) in wrong.items())


def _trials(names: Sequence[str], each: int, seed: int) -> list[_Trial]:
    """``each`` of the neutral layer, then as many of every outfit."""
    asked = [name for name in (NEUTRAL, *names) for _ in range(each)]
    worn = {NEUTRAL: IDENTITY_ALONE, **{name: Composition.of([name]) for name in names}}
    return [_Trial(a, _scene(seed, i), seed_of(seed, "probe", i) % 2**31, worn[a]) for i, a in enumerate(asked)]


def _probes(trials: Sequence[_Trial], readings: Sequence[Reading], truth: Truth) -> list[Probe]:
    """What should show does not depend on accessories and scales: it is asked for once for each scene."""
    visible = {(asked, scene): truth.visible(asked, asdict(scene)) for asked, scene in {(t.asked, t.scene) for t in trials}}
    return [Probe(t.asked, asdict(t.scene), r, visible[t.asked, t.scene]) for t, r in zip(trials, readings, strict=True)]


def _row(workspace: Workspace, names: list[str], trial: _Trial) -> Row:
    scene = trial.scene
    text = f"{scene.view} view, {scene.pose}, {scene.background} background"
    said = f"neutral layer, {text}" if trial.asked == NEUTRAL else text
    return Row(prompt_for(workspace, trial.worn, said), trial.seed, scales(names, trial.worn))


def _scene(seed: int, i: int) -> Scene:
    draw_ = generator(seed, "scene", i)
    pick: Callable[[tuple[str, ...]], str] = lambda words: words[int(torch.randint(len(words), (), generator=draw_))]  # noqa: E731
    return Scene(pick(VIEWS), pick(POSES), pick(BACKGROUNDS))


def _truth(
    workspace: Workspace, reader: reading.Reader, names: list[str], sets: Mapping[str | None, Sequence[Picture]]
) -> tuple[Truth, tuple[str, ...]]:  # fmt: skip
    """What is right, for the outfits that are read as garments at all, and what is to be said of the others.

    Raises NotReady where there are none.
    """
    neutral, *worn = (read_pictures(workspace, reader, sample(sets.get(name, ()))) for name in (None, *names))
    her = who(workspace.character.description, neutral or [r for found in worn for r in found])
    outfits = {name: reading.usual(found, (*GARMENT_WORDS, "second")) for name, found in zip(names, worn, strict=True)}
    bare = [name for name, worn in outfits.items() if worn["kind"] == NEUTRAL]
    notes = [] if workspace.character.base_model == EMBEDDED else [_DOLLS_ALONE]
    notes += [f"{', '.join(bare)}: not measured, for the reader sees no garment in its own pictures"] * bool(bare)
    if len(bare) == len(outfits):
        raise NotReady(f"{', '.join(bare)}: the reader, which knows lay-figure dolls, sees no garment in its own pictures: look at them")
    worn_too = {name: worn for name, worn in outfits.items() if name not in bare}
    return Truth(her, worn_too, noise_floor(workspace.backbone, reader, her)), tuple(notes)


def noise_floor(base: Backbone, reader: reading.Reader, who: Mapping[str, str]) -> float:
    """The largest share of garment read in true renders of her neutral layer, after the base model's autoencoder."""
    pictures = torch.from_numpy(np.stack([render(doll).picture for doll in neutral_dolls(who)])).permute(0, 3, 1, 2)
    return max(r.garment_share for r in reader.read(base.decode(base.encode_pictures(pictures))))
