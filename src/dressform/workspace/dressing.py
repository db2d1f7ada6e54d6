"""The actions ``dress`` and ``lookbook``: identity and outfit composed, different outfits side by side in one batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Literal

import numpy as np

from dressform.adapters.stack import AdapterStack
from dressform.consent.gate import NEUTRAL, Grant
from dressform.consent.refusals import refuse_undressed, refuse_young
from dressform.consent.scopes import Scope
from dressform.dress import lookbook as book
from dressform.dress.garments import covering
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
    return AdapterStack(workspace.backbone.target_layers(adapters[0].info.targets), adapters)


def scales(outfits: Sequence[str], outfit: str | None, scale: float = 1.0) -> tuple[float, ...]:
    """The gate columns of ``wardrobe`` for one outfit (None: identity alone)."""
    return (1.0, *(scale if name == outfit else 0.0 for name in outfits))


def prompt_for(workspace: Workspace, outfit: str | None, text: str) -> str:
    """Trigger words before what was asked."""
    words = [workspace.character.trigger]
    if outfit is not None:
        words.append(workspace.outfit(outfit).trigger)
    return ", ".join([*words, text]) if text else ", ".join(words)


def dress(
    workspace: Workspace, outfits: Sequence[str], text: str, count: int, seed: int, config: SampleConfig, scale: float = 1.0,
    on_pictures: OnPictures = lambda _done, _all: None, wear: str = "",
) -> list[Look]:  # fmt: skip
    """Draw ``count`` finished pictures of each outfit, and of the base model's own garment ``wear``, into ``looks/``.

    Raises Refused for a prompt that asks for less than dressed, UnknownName for an outfit, NotReady before training.
    """
    refuse_undressed(f"{wear}, {text}")
    refuse_young(f"{wear}, {text}")
    if not outfits and not wear:
        raise BadInput('no outfit named: finished pictures are dressed; choose one with --outfit NAME, or --wear "green coat"')
    names = [workspace.outfit(name).name for name in outfits]
    worn: list[tuple[str, str | None, str]] = [(name, name, text) for name in names]
    if wear:
        worn.append((re.sub(r"[^a-z0-9]+", "-", covering(wear).lower()).strip("-")[:40], None, f"{wear}, {text}"))
    rows = [Row(prompt_for(workspace, name, said), seed + i, scales(names, name, scale)) for _, name, said in worn for i in range(count)]
    grant = agreed(workspace, names)
    stack = wardrobe(workspace, grant, names)
    with stack.attached():
        pictures = draw(workspace.backbone, stack, rows, config, lambda done: on_pictures(done, len(rows)))
    looks, made, signer = [], [], credentials(workspace.store)
    called = np.repeat([label for label, _, _ in worn], count).tolist()
    for row, outfit, pixels in zip(rows, called, pictures.permute(0, 2, 3, 1).numpy(), strict=True):
        file = workspace.looks / f"{workspace.character.name}-{outfit}-{row.seed}.png"
        made.append(finish(file, pixels, signer))
        looks.append(Look(str(file), row.prompt, outfit, row.seed))
    workspace.record(grant, [workspace.adapter_sha256(None), *map(workspace.adapter_sha256, names)], made)
    return looks


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
