"""The actions ``dress`` and ``lookbook``: identity and outfit composed, different outfits side by side in one batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from dressform.adapters import files
from dressform.adapters.stack import AdapterStack
from dressform.adapters.widening import widened, widest
from dressform.consent.gate import NEUTRAL, Grant
from dressform.consent.refusals import refuse_undressed, refuse_young
from dressform.consent.scopes import Scope
from dressform.dress import infotext
from dressform.dress import lookbook as book
from dressform.dress.garments import covering
from dressform.dress.prompt_weights import plain, weighted
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.errors import BadInput, NotReady
from dressform.records import Look
from dressform.store import write_atomically
from dressform.train.draws import seed_of
from dressform.workspace.finishing import credentials, finish, finished
from dressform.workspace.workspace import Workspace, asset_of

OnPictures = Callable[[int, int], None]
VIEWS = ("front", "three-quarter", "side", "back")


def agreed(workspace: Workspace, outfits: Sequence[str]) -> Grant[Literal["dress"]]:
    """Consent to draw her in these outfits. Raises Refused."""
    return workspace.gate.need("dress", NEUTRAL, *map(asset_of, outfits))


def wardrobe(workspace: Workspace, grant: Grant[Scope], outfits: Sequence[str]) -> AdapterStack:
    """The identity and these outfits as one stack: column 0 is the identity, column i + 1 outfit i."""
    adapters = [workspace.adapter(grant, None), *(workspace.adapter(grant, name) for name in outfits)]
    targets = widest(adapters)
    layers = workspace.backbone.target_layers(targets)
    return AdapterStack(layers, [widened(a, targets, layers) for a in adapters])


def scales(outfits: Sequence[str], outfit: str | None, scale: float = 1.0) -> tuple[float, ...]:
    """The gate columns of ``wardrobe`` for one outfit (None: identity alone)."""
    return (1.0, *(scale if name == outfit else 0.0 for name in outfits))


def prompt_for(workspace: Workspace, outfit: str | None, text: str) -> str:
    """Trigger words before what was asked."""
    words = [workspace.character.trigger]
    if outfit is not None:
        words.append(workspace.outfit(outfit).trigger)
    return ", ".join([*words, text]) if text else ", ".join(words)


@dataclass(frozen=True)
class Asked:
    """What to draw: ``count`` pictures of each outfit, and of the base model's own garment ``wear``.

    ``text`` says what else they show, with A1111's weights where they are wanted. ``scale`` is the strength of the outfit.
    With ``infotext`` each picture says how it was made.
    """

    outfits: tuple[str, ...] = ()
    text: str = ""
    count: int = 1
    seed: int = 0
    scale: float = 1.0
    wear: str = ""
    infotext: bool = False


def dress(
    workspace: Workspace, asked: Asked, config: SampleConfig, on_pictures: OnPictures = lambda _done, _all: None
) -> list[Look]:  # fmt: skip
    """Draw finished pictures into ``looks/``.

    Raises Refused for a prompt that asks for less than dressed, UnknownName for an outfit, NotReady before training. Infotext
    tells others about her, so it needs the consent to publish.
    """
    wear, text = asked.wear, asked.text
    for said in dict.fromkeys((text, plain(text))):  # weights must not part a word that is looked for
        refuse_undressed(f"{wear}, {said}")
        refuse_young(f"{wear}, {said}")
    if not asked.outfits and not wear:
        raise BadInput('no outfit named: finished pictures are dressed; choose one with --outfit NAME, or --wear "green coat"')
    names = [workspace.outfit(name).name for name in asked.outfits]
    worn: list[tuple[str, str | None, str]] = [(name, name, text) for name in names]
    if wear:
        worn.append((re.sub(r"[^a-z0-9]+", "-", covering(wear).lower()).strip("-")[:40], None, f"{wear}, {text}"))
    rows = [
        Row(prompt_for(workspace, name, said), asked.seed + i, scales(names, name, asked.scale))
        for _, name, said in worn
        for i in range(asked.count)
    ]
    grant = agreed(workspace, names)
    if asked.infotext:
        workspace.gate.need("publish", NEUTRAL, *map(asset_of, names))
    stack = wardrobe(workspace, grant, names)
    told = [_infotext(workspace, stack, row, config) if asked.infotext else "" for row in rows]  # first: it may refuse a prompt
    with stack.attached():
        pictures = draw(workspace.backbone, stack, rows, config, lambda done: on_pictures(done, len(rows)))
    looks, made, signer = [], [], credentials(workspace.store)
    called = np.repeat([label for label, _, _ in worn], asked.count).tolist()
    for row, outfit, about, pixels in zip(rows, called, told, pictures.permute(0, 2, 3, 1).numpy(), strict=True):
        file = workspace.looks / f"{workspace.character.name}-{outfit}-{row.seed}.png"
        made.append(finish(file, pixels, signer, about))
        looks.append(Look(str(file), row.prompt, outfit, row.seed))
    workspace.record(grant, [workspace.adapter_sha256(None), *map(workspace.adapter_sha256, names)], made)
    return looks


def ignores_weights(workspace: Workspace, text: str) -> bool:
    """True where the prompt weighs words and the base model draws them all alike."""
    return weighted(text) and not workspace.backbone.weighs


def _infotext(workspace: Workspace, stack: AdapterStack, row: Row, config: SampleConfig) -> str:
    """How a row is drawn, by the names and hashes that the exported adapters have."""
    live = [(a, scale) for a, scale in zip(stack.adapters, row.scales, strict=True) if scale]
    worn = tuple(infotext.Worn(a.info.name, scale, files.tensor_area_sha256(files.to_bytes(a))) for a, scale in live)
    base = workspace.backbone
    guidance = base.guidance if config.guidance is None else config.guidance
    return infotext.text(
        infotext.Made(
            row.prompt, worn, config.steps, guidance, row.seed, base.size_px, base.size_px,
            Path(workspace.character.base_model).stem, base.sha256,
        )
    )  # fmt: skip


def lookbook(
    workspace: Workspace, seed: int, config: SampleConfig, background: str = "white",
    on_pictures: OnPictures = lambda _done, _all: None,
) -> tuple[str, str]:  # fmt: skip
    """Every trained outfit from every view, as ``looks/lookbook.png`` and ``looks/lookbook.html``; their paths."""
    names = workspace.trained()
    if not names:
        raise NotReady("no outfit is trained yet: run dressform train")
    rows = [
        Row(
            prompt_for(workspace, name, f"{view} view, standing, {background} background"),
            seed_of(seed, "lookbook", 0, f"{name}/{view}") % 2**31,
            scales(names, name),
        )
        for name in names
        for view in VIEWS
    ]
    grant = agreed(workspace, names)
    stack = wardrobe(workspace, grant, names)
    with stack.attached():
        drawn = draw(workspace.backbone, stack, rows, config, lambda done: on_pictures(done, len(rows)))
    keys = [(name, view) for name in names for view in VIEWS]
    cells = dict(zip(keys, drawn.permute(0, 2, 3, 1).numpy(), strict=True))
    title = f"{workspace.character.name}: lookbook"
    picture, page = workspace.looks / "lookbook.png", workspace.looks / "lookbook.html"
    signer = credentials(workspace.store)
    made = finish(picture, book.sheet(cells, names, VIEWS, title), signer)
    files = {key: finished(pixels, signer) for key, pixels in cells.items()}
    write_atomically(page, book.page(files, names, VIEWS, title).encode())
    outputs = [made, *(sha256(data).hexdigest() for data in files.values())]
    workspace.record(grant, [workspace.adapter_sha256(None), *map(workspace.adapter_sha256, names)], outputs)
    return str(picture), str(page)
