"""The action ``pictures``: what is there of her, by outfit, view and pose; what is missing; contact sheets.

Working pictures are sealed, so a contact sheet is drawn in memory. It is written to a folder that the owner names for
dressed pictures alone, with a line in the ledger; neutral pictures have no way out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from pathlib import Path

import numpy as np

from dressform import paper
from dressform.errors import BadInput, NotReady, Refused
from dressform.layfigure.doll import POSES as DOLL_POSES
from dressform.layfigure.doll import VIEWS
from dressform.pictures import intake
from dressform.pictures.contact import Cell, contact_sheet
from dressform.records import Picture
from dressform.store import made_folder, write_atomically
from dressform.workspace.ledger_head import keep_head
from dressform.workspace.workspace import Workspace, asset_of, by_outfit

UNNAMED = "not named"
MOST_SHOWN = 240
_POSES = (*DOLL_POSES, "sitting", "kneeling", "running", "jumping", "squatting", "lying", "dancing", "arms up", "hands on hips")
_SAYS = {
    "from behind": "back", "rear": "back", "from side": "side", "profile": "side",
    "three quarter": "three-quarter", "three-quarter": "three-quarter", "3/4": "three-quarter",
    "後ろ姿": "back", "背面": "back", "横向き": "side", "側面": "side", "斜め": "three-quarter", "正面": "front",
    "立ち": "standing", "座り": "sitting", "歩き": "walking", "走り": "running",
}  # fmt: skip
_THUMB_PX = 192


@dataclass(frozen=True)
class Shelf:
    """The pictures of one outfit, or the neutral ones (None): how many for each (view, pose)."""

    outfit: str | None
    counts: Mapping[tuple[str, str], int]
    uncaptioned: int
    drawn: int = 0
    """How many of them a model drew (``dressform draft``)."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def views(self) -> Counter[str]:
        return _summed((view, n) for (view, _), n in self.counts.items())

    def poses(self) -> Counter[str]:
        return _summed((pose, n) for (_, pose), n in self.counts.items())


def shelves(workspace: Workspace) -> list[Shelf]:
    """The neutral pictures, then each outfit's; those whose consent does not hold are not counted. Raises NotReady."""
    found, sets = [], by_outfit(workspace.pictures(every=True))
    for outfit in _outfits(workspace):
        of_it = sets.get(outfit, [])
        if not of_it or not _permitted(workspace, outfit):
            continue
        counts = Counter((view_of(p.caption), pose_of(p.caption)) for p in of_it)
        found.append(Shelf(outfit, counts, sum(not p.caption for p in of_it), sum(p.generation > 0 for p in of_it)))
    if not found:
        raise NotReady("no pictures yet: add some with dressform add FOLDER --neutral or --outfit NAME")
    return found


def missing(shelf: Shelf) -> list[str]:
    """What a set for training lacks, as far as its captions tell."""
    views, poses = shelf.views(), shelf.poses()
    out = [f"no picture of the {view} view" for view in VIEWS if not views[view]] if set(views) != {UNNAMED} else []
    if views[UNNAMED]:
        out.append(f"{views[UNNAMED]} of {shelf.total} captions name no view")
    named = [p for p in poses if p != UNNAMED]
    if len(named) == 1 and shelf.total > 1:
        out.append(f"every pose that is named is {named[0]}")
    if shelf.uncaptioned:
        out.append(f"{shelf.uncaptioned} of {shelf.total} have no caption at all")
    return out


def view_of(caption: str) -> str:
    """The view that a caption names."""
    says = {f"{v} view": v for v in VIEWS} | {f"view from the {v}": v for v in VIEWS}
    return _named(caption, says | {said: meant for said, meant in _SAYS.items() if meant in VIEWS})


def pose_of(caption: str) -> str:
    """The pose that a caption names."""
    return _named(caption, {p: p for p in _POSES} | {said: meant for said, meant in _SAYS.items() if meant in _POSES})


def _named(caption: str, says: Mapping[str, str]) -> str:
    """What the first of these words in the caption means: whole words, where they are Latin ("rear" is not in "forearm")."""
    words = caption.lower()
    edge = {said: r"\b" if said.isascii() else "" for said in says}
    found = {said: re.search(f"{edge[said]}{re.escape(said)}{edge[said]}", words) for said in says}
    first = min(((match.start(), -len(said), says[said]) for said, match in found.items() if match), default=None)
    return first[2] if first else UNNAMED


def background_of(caption: str) -> str:
    """The background that a caption names: "park" for "park background"."""
    named = [t for tag in caption.split(",") if (t := " ".join(tag.lower().split())).endswith(" background")]
    return named[0].removesuffix(" background") if named else UNNAMED


def cells(workspace: Workspace, outfit: str | None) -> list[Cell]:
    """Small copies of the neutral pictures or an outfit's, in the order of their views. Raises Refused, or NotReady where none are."""
    workspace.gate.need("add", asset_of(outfit))
    of_it = sorted(workspace.pictures(outfit), key=_order)[:MOST_SHOWN]
    if not of_it:
        raise NotReady(f"no pictures of {outfit or 'the neutral layer'} yet: add some with dressform add")
    return [Cell(_small(workspace, p), _label(p)) for p in of_it]


def write_contact(workspace: Workspace, outfits: Sequence[str], folder: Path) -> list[Path]:
    """Write a contact sheet of each outfit's pictures and one page of all into a folder: unsealed, and recorded first.

    Raises Refused for neutral pictures and without consent, UnknownName, NotReady, and BadInput where the folder is hers.
    """
    names = workspace.worn("outfit", outfits)  # what she wears with an accessory may be the neutral layer
    if not names:
        raise Refused("only neutral pictures are here, and they never leave the vault but in an encrypted backup")
    shown = {name: cells(workspace, name) for name in names}
    files = {folder / f"{workspace.character.name}-{name}.png": intake.png(contact_sheet(of_it)) for name, of_it in shown.items()}
    files[folder / f"{workspace.character.name}-pictures.html"] = _page(workspace, shown).encode()
    return write_unsealed(workspace, folder, files, f"contact sheets of {', '.join(names)}")


def write_unsealed(workspace: Workspace, folder: Path, files: Mapping[Path, bytes], what: str) -> list[Path]:
    """Write dressed pictures into a folder for their owner to look at: recorded first, and readable by her alone.

    Raises BadInput where the folder is the character's own, or a file is there already.
    """
    if folder.resolve().is_relative_to(workspace.root.resolve()):
        raise BadInput(f"{folder}: lies in her own folder; name another one, which you can delete")
    if there := [file for file in files if file.exists()]:
        raise BadInput(f"{there[0]}: is there already; move it away, or name another folder with --to")
    made_folder(folder)
    workspace.gate.ledger.append(
        workspace.signing_key, "attest", datetime.now(UTC),
        statement=f"wrote {what} outside the vault, for the owner to look at",
        evidence=[sha256(data).hexdigest() for data in files.values()],
    )  # fmt: skip
    keep_head(workspace.store, workspace.gate.ledger)
    for file, data in files.items():
        write_atomically(file, data, mode=0o600)
    return list(files)


def _outfits(workspace: Workspace) -> list[str | None]:
    return [None, *(o.name for o in workspace.character.outfits)]


def _permitted(workspace: Workspace, outfit: str | None) -> bool:
    try:
        workspace.gate.need("add", asset_of(outfit))
    except Refused:
        return False
    return True


def _order(picture: Picture) -> tuple[int, str, str]:
    view = view_of(picture.caption)
    return VIEWS.index(view) if view in VIEWS else len(VIEWS), pose_of(picture.caption), picture.id


def _small(workspace: Workspace, picture: Picture) -> np.ndarray:
    return intake.fitted(intake.from_png(workspace.store.read(f"pictures/{picture.id}.png")), _THUMB_PX)


def _label(picture: Picture) -> str:
    said = [w for w in (view_of(picture.caption), pose_of(picture.caption)) if w != UNNAMED]
    return ", ".join(said) or picture.source


def _page(workspace: Workspace, shown: Mapping[str, Sequence[Cell]]) -> str:
    body, sets = [], by_outfit(workspace.pictures(every=True))
    for name, of_it in shown.items():
        total = len(sets[name])
        more = f", the first {len(of_it)} of them" if total > len(of_it) else ""
        figures = "".join(
            f"<figure>{paper.picture(intake.png(c.pixels), c.label)}<figcaption>{escape(c.label)}</figcaption></figure> " for c in of_it
        )
        body.append(f"<h2>{escape(name)}: {total} pictures{more}</h2><div>{figures}</div>")
    return paper.page(f"{workspace.character.name}: pictures", "\n".join(body))


def _summed(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for key, n in pairs:
        total[key] += n
    return total
