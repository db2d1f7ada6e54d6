"""The action ``measure``: probes of every trained outfit and of the neutral layer, read back and counted.

What is right is read from the training pictures themselves, so it works for any character whose pictures the
reader can read. Probe pictures stay in memory: those of the neutral layer are never written, the others only as examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from dressform.backbones.protocol import Backbone
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.errors import NotReady, Refused
from dressform.layfigure.doll import BACKGROUNDS, IDENTITY_ATTRIBUTES, POSES, VIEWS
from dressform.layfigure.render import render
from dressform.measure import reader as reading
from dressform.measure.report import Example, Examples, page
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
from dressform.records import IDENTITY_ALONE, Composition, Figure
from dressform.store import write_atomically
from dressform.train.draws import generator, seed_of
from dressform.workspace.describing import read_pictures
from dressform.workspace.dressing import OnPictures, prompt_for, scales, wardrobe
from dressform.workspace.finishing import credentials, finished
from dressform.workspace.workspace import Workspace, asset_of


@dataclass(frozen=True)
class Measured:
    """Figures by name, the matrix asked x appeared, what was right, and how far the reader itself can be trusted.

    ``reader`` is its accuracy for each attribute on held-out dolls, by kind of picture. ``examples`` are the best and the
    worst probes of each outfit, as finished pictures: none where ``dress`` is not agreed, and never one that came out undressed.
    """

    figures: dict[str, Figure]
    matrix: dict[str, dict[str, Figure]]
    truth: Truth
    reader: dict[str, dict[str, float]]
    examples: dict[str, Examples] = field(default_factory=dict)


def measure(
    workspace: Workspace, each: int, seed: int, config: SampleConfig, on_pictures: OnPictures = lambda _done, _all: None
) -> Measured:
    """Draw ``each`` probes of every trained outfit, and as many of the neutral layer, and read them.

    Raises NotReady before training, Refused without consent.
    """
    names = [name for name in workspace.trained() if workspace.pictures(name)]
    if not names:
        raise NotReady("no outfit is trained yet: run dressform train; an imported one is measured once pictures of it are added")
    grant = workspace.gate.need("measure", asset_of(None), *map(asset_of, names))
    reader = reading.load()
    truth = _truth(workspace, reader, names)
    asked = [name for name in [NEUTRAL, *names] for _ in range(each)]
    scenes = [_scene(seed, i) for i in range(len(asked))]
    rows = [_row(workspace, names, a, s, seed_of(seed, "probe", i) % 2**31) for i, (a, s) in enumerate(zip(asked, scenes, strict=True))]
    stack = wardrobe(workspace, grant, names)
    with stack.attached():
        drawn = draw(workspace.backbone, stack, rows, config, lambda done: on_pictures(done, len(rows)))
    inputs = [workspace.adapter_sha256(None), *map(workspace.adapter_sha256, names)]
    workspace.record(grant, inputs, ())
    probes = [Probe(a, s, r, truth.visible(a, s)) for a, s, r in zip(asked, scenes, reader.read(drawn), strict=True)]
    kept = _examples(workspace, inputs, names, probes, drawn, truth)
    return Measured(figures(probes, truth), matrix(probes, truth), truth, reader.card, kept)


def to_json(measured: Measured) -> str:
    """The project's one form for figures, with the matrix and what was right beside it."""
    return json.dumps(
        {
            "figures": {name: asdict(figure) for name, figure in measured.figures.items()},
            "matrix": {row: {c: asdict(f) for c, f in cells.items()} for row, cells in measured.matrix.items()},
            "truth": {
                "noise": round(measured.truth.noise, 4),
                "identity": dict(measured.truth.identity),
                "outfits": {k: dict(v) for k, v in measured.truth.outfits.items()},
            },
            "reader": measured.reader,
        },
        indent=1,
    )  # fmt: skip


def write_json(measured: Measured, file: Path) -> None:
    """Write the report in one piece."""
    write_atomically(file, to_json(measured).encode() + b"\n")


def write_page(measured: Measured, title: str, file: Path) -> None:
    """Write the same, with examples and what to do, as a page that opens from disk."""
    text = page(title, measured.figures, measured.matrix, measured.reader, measured.examples)
    write_atomically(file, text.encode())


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


def _row(workspace: Workspace, names: list[str], asked: str, scene: dict[str, str], seed: int) -> Row:
    text = f"{scene['view']} view, {scene['pose']}, {scene['background']} background"
    if asked == NEUTRAL:
        return Row(prompt_for(workspace, IDENTITY_ALONE, f"neutral layer, {text}"), seed, scales(names, IDENTITY_ALONE))
    worn = Composition.of([asked])
    return Row(prompt_for(workspace, worn, text), seed, scales(names, worn))


def _scene(seed: int, i: int) -> dict[str, str]:
    draw_ = generator(seed, "scene", i)
    pick: Callable[[tuple[str, ...]], str] = lambda words: words[int(torch.randint(len(words), (), generator=draw_))]  # noqa: E731
    return {"view": pick(VIEWS), "pose": pick(POSES), "background": pick(BACKGROUNDS)}


def _truth(workspace: Workspace, reader: reading.Reader, names: list[str]) -> Truth:
    neutral = read_pictures(workspace, reader, workspace.pictures(None))
    worn = {name: read_pictures(workspace, reader, workspace.pictures(name)) for name in names}
    everything = neutral or [r for found in worn.values() for r in found]
    who = reading.usual(everything, IDENTITY_ATTRIBUTES)
    outfits = {name: reading.usual(found, (*GARMENT_WORDS, "second")) for name, found in worn.items()}
    return Truth(who, outfits, noise_floor(workspace.backbone, reader, who))


def noise_floor(base: Backbone, reader: reading.Reader, who: Mapping[str, str]) -> float:
    """The largest share of garment read in true renders of her neutral layer, after the base model's autoencoder."""
    pictures = torch.from_numpy(np.stack([render(doll).picture for doll in neutral_dolls(who)])).permute(0, 3, 1, 2)
    return max(r.garment_share for r in reader.read(base.decode(base.encode_pictures(pictures))))
