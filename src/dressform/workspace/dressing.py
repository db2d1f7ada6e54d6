"""The actions ``dress`` and ``lookbook``: identity, outfit and accessories composed, different outfits side by side in one batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Literal
from unicodedata import normalize

import numpy as np

from dressform.adapters import files
from dressform.adapters.stack import Adapter, AdapterStack
from dressform.adapters.widening import widened, widest
from dressform.backbones.embedded import EMBEDDED
from dressform.consent.gate import NEUTRAL, Grant
from dressform.consent.refusals import refuse_undressed, refuse_young
from dressform.consent.scopes import Scope
from dressform.dress import infotext, weighting
from dressform.dress import lookbook as book
from dressform.dress.composition import composed
from dressform.dress.garments import asked_of
from dressform.dress.prompt_weights import plain, weighted
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.errors import BadInput
from dressform.layfigure import captions
from dressform.records import IDENTITY_ALONE, Composition, Look
from dressform.store import write_atomically
from dressform.train.draws import seed_of
from dressform.workspace.finishing import credentials, finished
from dressform.workspace.workspace import Workspace, asset_of

OnPictures = Callable[[int, int], None]
_MOST_PICTURES, _LAST_SEED = 1000, 2**32 - 1
VIEWS = ("front", "three-quarter", "side", "back")


def agreed(workspace: Workspace, outfits: Sequence[str]) -> Grant[Literal["dress"]]:
    """Consent to draw her in these outfits and accessories. Raises Refused."""
    return workspace.gate.need("dress", NEUTRAL, *map(asset_of, outfits))


def wardrobe(workspace: Workspace, grant: Grant[Scope], outfits: Sequence[str]) -> AdapterStack:
    """The identity, these outfits and accessories as one stack: column 0 is the identity, column i + 1 outfit i."""
    return _side_by_side(workspace, _adapters(workspace, grant, outfits))


def _adapters(workspace: Workspace, grant: Grant[Scope], outfits: Sequence[str]) -> list[Adapter]:
    return [workspace.adapter(grant, name) for name in (None, *outfits)]


def _side_by_side(workspace: Workspace, adapters: Sequence[Adapter]) -> AdapterStack:
    targets = widest(adapters)
    layers = workspace.backbone.target_layers(targets)
    return AdapterStack(layers, [widened(a, targets, layers) for a in adapters])


def origins(stack: AdapterStack) -> tuple[str, ...]:
    """The hashes of the adapters that were read into a stack: what is drawn with it comes from them, whatever the store holds by then."""
    return tuple(adapter.sha256 for adapter in stack.adapters)


def scales(outfits: Sequence[str], worn: Composition) -> tuple[float, ...]:
    """The gate columns of ``wardrobe`` for what is worn."""
    return (1.0, *map(worn.scale, outfits))


def prompt_for(workspace: Workspace, worn: Composition, text: str) -> str:
    """Trigger words before what was asked. Raises Refused for one, in a file that anybody can edit, that asks for less than dressed."""
    words = [workspace.character.trigger, *(workspace.outfit(name).trigger for name in worn.names)]
    refuse_words(", ".join(words))
    return ", ".join([*words, text]) if text else ", ".join(words)


@dataclass(frozen=True)
class Asked:
    """What to draw: ``count`` pictures of each outfit, and of the base model's own garment ``wear``, all with ``accessories``.

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
    accessories: Composition = IDENTITY_ALONE


@dataclass(frozen=True)
class _Worn:
    """One way of being dressed: what its pictures are called, the adapters, and what is asked for beside them."""

    label: str
    adapters: Composition
    text: str


def dress(
    workspace: Workspace, asked: Asked, config: SampleConfig, on_pictures: OnPictures = lambda _done, _all: None
) -> list[Look]:  # fmt: skip
    """Draw finished pictures into ``looks/``.

    Raises Refused for a prompt that asks for less than dressed, BadInput for an accessory alone or a scale that leaves her
    undressed, UnknownName for an outfit, NotReady before training. Infotext tells others about her, so it needs the consent to
    publish.
    """
    refuse_words(asked.wear, asked.text)
    if not 1 <= asked.count <= _MOST_PICTURES:
        raise BadInput(f"-n {asked.count}: use 1 to {_MOST_PICTURES} pictures of each outfit")
    if not 0 <= asked.seed <= _LAST_SEED:
        raise BadInput(f"--seed {asked.seed}: use 0 to {_LAST_SEED}")
    looks_to_draw = _worn(workspace, asked)
    names = list(dict.fromkeys(name for worn in looks_to_draw for name in worn.adapters.names))
    rows = [
        Row(prompt_for(workspace, worn.adapters, worn.text), asked.seed + i, scales(names, worn.adapters))
        for worn in looks_to_draw
        for i in range(asked.count)
    ]
    grant = agreed(workspace, names)
    grants: list[Grant[Scope]] = [grant]
    if asked.infotext:
        grants.append(workspace.gate.need("publish", NEUTRAL, *map(asset_of, names)))
    adapters = _adapters(workspace, grant, names)
    stack = _side_by_side(workspace, adapters)
    files_named = [(a.info.name, files.tensor_area_sha256(files.to_bytes(a))) for a in adapters] if asked.infotext else []
    told = [_infotext(workspace, files_named, row, config) if asked.infotext else "" for row in rows]  # first: it may refuse a prompt
    with stack.attached():
        pictures = draw(workspace.backbone, stack, rows, config, lambda done: on_pictures(done, len(rows)))
    signer, called = credentials(workspace.store), np.repeat([worn.label for worn in looks_to_draw], asked.count).tolist()
    made = [finished(one, signer, about) for one, about in zip(pictures.permute(0, 2, 3, 1).numpy(), told, strict=True)]
    places = [workspace.looks / f"{workspace.character.name}-{outfit}-{row.seed}.png" for row, outfit in zip(rows, called, strict=True)]
    there = {file for file in places if file.exists()}
    _leave(workspace, grants, stack, made, dict(zip(places, made, strict=True)))
    return [Look(str(file), row.prompt, outfit, row.seed, file in there) for file, row, outfit in zip(places, rows, called, strict=True)]


def _leave(
    workspace: Workspace, grants: Sequence[Grant[Scope]], stack: AdapterStack, pictures: Iterable[bytes], written: Mapping[Path, bytes]
) -> None:
    """Write finished files, once it stands in the ledger what ``pictures`` were made. Raises Refused where consent was taken back."""
    for grant in grants:
        workspace.gate.holds(grant)
    workspace.record(grants[0], origins(stack), [sha256(data).hexdigest() for data in pictures])
    for file, data in written.items():
        write_atomically(file, data)


def refuse_words(*said: str) -> None:
    """Raises Refused for words that ask for less than dressed, or for someone under age; no weights may part them."""
    text = ", ".join(said)
    for one in dict.fromkeys((text, plain(text))):
        refuse_undressed(one)
        refuse_young(one)


def _worn(workspace: Workspace, asked: Asked) -> list[_Worn]:
    """Each way of being dressed that is asked for. Raises BadInput or UnknownName."""
    extra, wear = asked.accessories, asked.wear
    if not asked.outfits and not wear:
        alone = f"{', '.join(extra.names)} alone is no dressed picture" if extra.names else "no outfit named"
        raise BadInput(f'{alone}: finished pictures are dressed; choose an outfit with --outfit NAME, or --wear "green coat"')
    if asked.scale != 1 and not asked.outfits:
        raise BadInput(f"--scale {asked.scale:g}: is the strength of an outfit's adapter, and --wear has none; leave it out")
    workspace.worn("accessory", extra.names)
    found = [
        _Worn(_label(name, extra), composed(Composition.of([name], asked.scale), extra), asked.text)
        for name in dict.fromkeys(workspace.worn("outfit", asked.outfits))
    ]
    if wear:
        said, slug = asked_of(workspace.character.base_model, wear), _slug(wear)
        while workspace.character.outfit(slug):  # her own outfit of that name has its pictures
            slug = f"wear-{slug}"
        found.append(_Worn(_label(slug, extra), composed(IDENTITY_ALONE, extra), ", ".join(one for one in (said, asked.text) if one)))
    return found


def _slug(wear: str) -> str:
    """The words as a part of a file's name, in whatever script; full-width letters as the usual ones."""
    return re.sub(r"[\W_]+", "-", normalize("NFKC", wear).lower()).strip("-")[:40]


def _label(outfit: str, accessories: Composition) -> str:
    return "-with-".join(part for part in (outfit, "-".join(accessories.names)) if part)


def ignores_weights(workspace: Workspace, text: str) -> bool:
    """True where the prompt weighs words and the base model draws them all alike."""
    return weighted(text) and not workspace.backbone.weighs


def unknown_words(workspace: Workspace, text: str) -> list[str]:
    """Words that mean nothing to the base model, as far as that is known: what the embedded one was taught is."""
    her = workspace.character
    if her.base_model != EMBEDDED:
        return []
    own = " ".join([her.trigger, *(o.trigger for o in her.outfits)]).lower()
    return captions.unknown_words(plain(text), re.split(r"[\W\d_]+", own))


def unread(workspace: Workspace, looks: Sequence[Look]) -> int:
    """How many tokens at the end of a prompt, the most of all, the base model did not read."""
    return max((weighting.unread(workspace.backbone, look.prompt) for look in looks), default=0)


def _infotext(workspace: Workspace, exported: Sequence[tuple[str, str]], row: Row, config: SampleConfig) -> str:
    """How a row is drawn, by the names and hashes that the exported adapters have: one for each column of the stack."""
    worn = tuple(infotext.Worn(name, scale, sha) for (name, sha), scale in zip(exported, row.scales, strict=True) if scale)
    base = workspace.backbone
    guidance = base.guidance if config.guidance is None else config.guidance
    return infotext.text(
        infotext.Made(
            row.prompt, worn, config.steps, guidance, row.seed, base.size_px, base.size_px,
            PurePath(workspace.checkpoint).stem, base.sha256,
        )
    )  # fmt: skip


def lookbook(
    workspace: Workspace, seed: int, config: SampleConfig, background: str = "white",
    on_pictures: OnPictures = lambda _done, _all: None, accessories: Composition = IDENTITY_ALONE,
) -> tuple[str, str]:  # fmt: skip
    """Every trained outfit from every view, as ``looks/lookbook.png`` and ``looks/lookbook.html``; their paths.

    With ``accessories`` each is worn with them, and the files say so in their names. Raises Refused for a background that asks for
    less than dressed or for someone under age, NotReady before training, BadInput or UnknownName for accessories.
    """
    refuse_words(background)
    names = workspace.trained()
    if not names:
        raise workspace.none_trained()
    every = [*names, *workspace.worn("accessory", accessories.names)]
    worn = {name: composed(Composition.of([name]), accessories) for name in names}
    rows = [
        Row(
            prompt_for(workspace, worn[name], f"{view} view, standing, {background} background"),
            seed_of(seed, "lookbook", 0, f"{name}/{view}") % 2**31,
            scales(every, worn[name]),
        )
        for name in names
        for view in VIEWS
    ]
    grant = agreed(workspace, every)
    stack = wardrobe(workspace, grant, every)
    with stack.attached():
        drawn = draw(workspace.backbone, stack, rows, config, lambda done: on_pictures(done, len(rows)))
    keys = [(name, view) for name in names for view in VIEWS]
    cells = dict(zip(keys, drawn.permute(0, 2, 3, 1).numpy(), strict=True))
    title = f"{workspace.character.name}: {_label('lookbook', accessories).replace('-with-', ' with ')}"
    picture, page = (workspace.looks / f"{_label('lookbook', accessories)}.{ending}" for ending in ("png", "html"))
    signer = credentials(workspace.store)
    sheet = finished(book.sheet(cells, names, VIEWS, title), signer)
    each = {key: finished(pixels, signer) for key, pixels in cells.items()}
    written = {picture: sheet, page: book.page(each, names, VIEWS, title).encode()}
    _leave(workspace, [grant], stack, [sheet, *each.values()], written)
    return str(picture), str(page)
