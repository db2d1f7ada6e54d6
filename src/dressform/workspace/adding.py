"""The action ``add``: pictures taken in, each looked at first; and ``add --undo``, which takes the last one back.

Pictures are read, checked and packed by a few threads, a handful at a time, so that ten thousand take no more memory
than ten; what they became is sealed in batches, each of which is there whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from dressform.consent import lineage
from dressform.consent.gate import NEUTRAL, Grant
from dressform.consent.ledger import Entry
from dressform.consent.refusals import refuse_undressed, refuse_young
from dressform.errors import BadInput, DressformError, NotReady
from dressform.measure.separation import ANOTHER
from dressform.pictures import intake, sheets, sources
from dressform.pictures.intake import Decoded
from dressform.pictures.sheets import Cutting
from dressform.pictures.sources import Item
from dressform.records import IntakeNote, IntakeReport, Outfit, Picture, Worn, checked_name
from dressform.workspace import captioning, character_file, consenting, forgetting
from dressform.workspace.workspace import IDENTITY, Workspace, asset_of, refuse_other_kind

OnFile = Callable[[int, int], None]
Sheets = Cutting | Literal["leave", "whole"]
"""What to do with turnaround sheets: cut them so, leave them out and say so, or take every picture as it is."""
_THREADS, _AHEAD = min(4, os.cpu_count() or 1), 2
_BATCH, _BATCH_BYTES = 24, 48 << 20
_UNDER_WAY = "adding/"


def add(
    workspace: Workspace,
    given: Sequence[Path],
    outfit: str | None,
    turnaround: Sheets = "leave",
    on_file: OnFile = lambda _done, _all: None,
    kind: Worn = "outfit",
) -> IntakeReport:
    """Take pictures in: neutral ones, or those of an outfit or, by ``kind``, an accessory (made known on first use).

    What cannot be used is left out and named in the report; the rest is taken. Raises BadInput where there are no
    pictures at all, and Refused without consent.
    """
    if outfit is not None:
        refuse_name(outfit, kind)
        refuse_other_kind(workspace.character, outfit, kind)
    workspace.gate.ledger.refuse_other_key(workspace.signing_key)  # or what is sealed here would be signed by her in her next add
    go_on(workspace)
    grant = workspace.gate.need("add", asset_of(outfit))
    everything = [sources.found(path) for path in given]
    items = [item for found in everything for item in found.items]
    taking = _Taking(workspace, grant, outfit, kind, turnaround)
    taking.notes += [IntakeNote(left.called, False, left.reason) for found in everything for left in found.left]
    try:
        for done, looked in enumerate(_in_turn(taking.look, items), 1):
            taking.take(looked)
            on_file(done, len(items))
        taking.seal()
    finally:  # what is sealed is recorded, also where the rest was interrupted
        _conclude(workspace, grant, outfit, kind, taking.sealed, taking.under_way)
        if taking.was_here:
            make_known(workspace, outfit, kind)
    return IntakeReport(tuple(taking.notes))


def go_on(workspace: Workspace) -> None:
    """Conclude an ``add`` that was killed between its batches: what it sealed belongs to her set, and its line is in the ledger.

    Its line goes by the consent that it was sealed by, whatever was taken back since.
    """
    if not workspace.gate.ledger.is_signed_by(workspace.signing_key):
        return
    notes = {name: json.loads(workspace.store.read(name)) for name in workspace.store.list(_UNDER_WAY)}
    for outfit, kind in dict.fromkeys((note["outfit"], note["kind"]) for note in notes.values()):
        own = [name for name, note in notes.items() if note["outfit"] == outfit]
        ids = [i for name in own for i in notes[name]["ids"] if f"pictures/{i}.json" in workspace.store]
        if ids:
            workspace.record_by("add", notes[own[0]].get("grant", ""), [asset_of(outfit)], (), ids)
            make_known(workspace, outfit, kind)
        workspace.store.delete_all(own)


def _conclude(
    workspace: Workspace, grant: Grant[Literal["add"]], outfit: str | None, kind: Worn, sealed: Sequence[str], notes: Sequence[str]
) -> None:
    """One line for the whole of an ``add``, which makes it one to be taken back; its ``notes`` are done with."""
    if sealed:
        workspace.record_what_is_done(grant, (), sealed)
        make_known(workspace, outfit, kind)
    workspace.store.delete_all(list(notes))


def refuse_name(outfit: str, kind: Worn) -> None:
    """Raises BadInput, or Refused, for a name that no outfit or accessory can have."""
    if outfit in (NEUTRAL, IDENTITY):
        raise BadInput(f"{kind} name {outfit!r}: means who she is without any; use --neutral, or another name")
    if outfit == ANOTHER:
        raise BadInput(f"{kind} name {outfit!r}: is what a report calls a garment that nobody asked for; use a different name")
    refuse_young(checked_name(kind, outfit))
    refuse_undressed(outfit)


def preview(workspace: Workspace, file: Path, outfit: str | None, cutting: Cutting) -> tuple[sheets.Sheet, bytes]:
    """Where a turnaround sheet would be cut, and a PNG that shows it in silhouettes. Nothing is taken.

    Raises BadInput, and Refused without consent.
    """
    workspace.gate.need("add", asset_of(outfit))
    seen = intake.decode(sources.one(file), workspace.backbone.size_px, consenting.kind(workspace) == "original", neutral=True)
    sheet = sheets.cut(seen.pixels, cutting)
    return sheet, intake.png(sheets.outlined(seen.pixels, sheet))


def undo(workspace: Workspace) -> tuple[str, int]:
    """Take back the last ``add`` that still stands: what it took is forgotten, and the ledger says so.

    Returns what it was an add of, and how many pictures are gone. Raises NotReady where there is none, Refused without consent.
    """
    go_on(workspace)
    entry = _last_add(workspace.gate.ledger.entries())
    workspace.gate.need("add", *entry.body["assets"])
    workspace.gate.ledger.refuse_other_key(workspace.signing_key)
    asset, ids = entry.body["assets"][0], set(entry.body["outputs"])
    here = sum(f"pictures/{i}.json" in workspace.store for i in ids)
    statement = f"{lineage.TOOK_BACK} of line {entry.sequence}: {here} pictures of {asset}"
    forgetting.forget(workspace, ids)
    forgetting.attest(workspace, statement, [entry.sha256])
    forgetting.forget_empty(workspace, asset.removeprefix("outfit:"))
    return asset, here


# looking, in several threads ------------------------------------------------------------------------
@dataclass(frozen=True)
class _Looked:
    """One file as a thread left it: pictures to keep (several for a sheet), or an error."""

    called: str
    pictures: tuple[tuple[Decoded, bytes, bytes | None], ...] = ()
    error: str = ""
    sheet_of: int = 0


@dataclass
class _Taking:
    """One ``add`` under way."""

    workspace: Workspace
    grant: Grant[Literal["add"]]
    outfit: str | None
    kind: Worn
    turnaround: Sheets
    notes: list[IntakeNote] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    was_here: bool = False
    """True where a picture was in the store already, as what it is added as: an ``add`` may have been cut off after it."""
    _waiting: dict[str, bytes] = field(default_factory=dict)
    _ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._least_px = self.workspace.backbone.size_px
        self._taken_back = self.workspace.quarantined()
        self._original = consenting.kind(self.workspace) == "original"

    def look(self, item: Item) -> _Looked:
        try:
            seen = intake.decode(item, self._least_px, self._original, self.outfit is None)
            seen = replace(seen, caption=self._without_trigger(seen.caption))
            refuse_young(seen.caption)
            if isinstance(self.turnaround, Cutting):
                found = sheets.pictures(seen, self.turnaround, self._least_px)
            else:
                if self.turnaround == "leave" and (count := sheets.figures(seen.pixels)) > 1:
                    how = "--sheet" if count <= sheets.MOST_FIGURES else "--sheet --cuts 0-310,320-600,..."
                    raise BadInput(f"a turnaround sheet of {count} figures: add it with {how} to cut it, or with --whole as it is")
                found = (seen,)
            packed = [(p, intake.png(p.pixels), None if p.mask is None else intake.png(p.mask)) for p in found]
            return _Looked(item.called, tuple(packed), sheet_of=len(packed) if isinstance(self.turnaround, Cutting) else 0)
        except DressformError as error:
            return _Looked(item.called, error=str(error).removeprefix(f"{item.called}: "))

    def _without_trigger(self, caption: str) -> str:
        """kohya's ``10_aoi woman`` begins with her trigger word, which every training caption gets anyway."""
        first, _, rest = caption.partition(" ")
        return rest if first == self.workspace.character.trigger else caption

    # keeping, in turn -------------------------------------------------------------------------------
    def take(self, looked: _Looked) -> None:
        if looked.error:
            self.notes.append(IntakeNote(looked.called, False, looked.error))
        for i, (picture, pixels, mask) in enumerate(looked.pictures, 1):
            called = f"{looked.called}, figure {i}" if looked.sheet_of else looked.called
            row = Picture(
                picture.id, self.outfit, picture.caption, picture.pixels.shape[1], picture.pixels.shape[0], mask is not None,
                Path(looked.called).name, figure=i if looked.sheet_of else 0,
            )  # fmt: skip
            self.notes.append(self._keep(called, row, picture, pixels, mask))
        if len(self._ids) >= _BATCH or sum(map(len, self._waiting.values())) > _BATCH_BYTES:
            self.seal()

    def _keep(self, called: str, row: Picture, picture: Decoded, pixels: bytes, mask: bytes | None) -> IntakeNote:
        name = f"pictures/{picture.id}"
        if f"{name}.json" in self._waiting:
            return IntakeNote(called, False, "already here (the same pixels)", picture.what)
        if f"{name}.json" in self.workspace.store:
            with character_file.held(self.workspace.root, captioning.ROWS):
                return self._beside(called, row, picture, mask)
        if picture.id in self._taken_back:
            return IntakeNote(called, False, "its consent was taken back (the same pixels)", picture.what)
        self._waiting |= {f"{name}.png": pixels, f"{name}.json": json.dumps(asdict(row), ensure_ascii=False).encode()}
        if mask is not None:
            self._waiting[f"{name}.mask.png"] = mask
        if picture.original:
            self._waiting[f"{name}.original"] = picture.original
        self._ids.append(picture.id)
        return IntakeNote(called, True, "", picture.what, picture.warnings)

    def _beside(self, called: str, row: Picture, picture: Decoded, mask: bytes | None) -> IntakeNote:
        """A picture that is in the store already takes what is new beside it: a mask, or a caption where it had none."""
        name = f"pictures/{picture.id}"
        before = json.loads(self.workspace.store.read(f"{name}.json"))
        if before["outfit"] != self.outfit:
            return IntakeNote(called, False, f"already here as {before['outfit'] or NEUTRAL} (the same pixels)", picture.what)
        self.was_here = True
        told = {"caption": row.caption} if row.caption and not before["caption"] else {}
        given = {f"{name}.mask.png": mask} if mask is not None and not before["has_mask"] else {}
        if not (told or given):
            return IntakeNote(called, False, "already here (the same pixels)", picture.what)
        self.workspace.gate.holds(self.grant)
        row_now = before | told | ({"has_mask": True} if given else {})
        self.workspace.store.write_all({**given, f"{name}.json": json.dumps(row_now, ensure_ascii=False).encode()})
        what = " and ".join(["its mask"] * len(given) + ["its caption"] * len(told))
        return IntakeNote(called, False, f"already here (the same pixels); took {what}", picture.what)

    def seal(self) -> None:
        """Keep the batch that is waiting, with a note of it for ``go_on``."""
        if not self._ids:
            return
        self.workspace.gate.holds(self.grant)
        note = f"{_UNDER_WAY}{self._ids[0]}.json"
        said = json.dumps({"outfit": self.outfit, "kind": self.kind, "ids": self._ids, "grant": self.grant.entry}).encode()
        self.workspace.store.write_all({**self._waiting, note: said})
        self.sealed += self._ids
        self.under_way.append(note)
        self._waiting, self._ids = {}, []


def _in_turn(look: Callable[[Item], _Looked], items: Iterable[Item]) -> Iterator[_Looked]:
    """Each item looked at, in the order given; only a few are ever ahead of the one that is taken."""
    ahead: deque[Future[_Looked]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for item in items:
                ahead.append(pool.submit(look, item))
                if len(ahead) >= _THREADS + _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


# what is known of her -------------------------------------------------------------------------------
def make_known(workspace: Workspace, outfit: str | None, kind: Worn = "outfit") -> None:
    """An outfit or accessory (None: nothing to do) that has pictures now belongs to her, with a trigger word of its own."""
    if outfit is not None and workspace.character.outfit(outfit) is None:
        add_worn(workspace, Outfit(outfit, f"{workspace.character.trigger}_{outfit}", kind))


def add_worn(workspace: Workspace, worn: Outfit) -> None:
    """Write what she can wear into her file, where it is not there yet."""
    workspace.character = character_file.update(
        workspace.root, lambda her: her if her.outfit(worn.name) else replace(her, outfits=(*her.outfits, worn))
    )


def _last_add(entries: Sequence[Entry]) -> Entry:
    """The newest that still stands, with pictures or without: one who was interrupted while taking it back takes back no other."""
    undone = {e for entry in entries if entry.kind == "attest" for e in entry.body["evidence"]}
    for entry in reversed(entries):
        if entry.kind == "use" and entry.body["action"] == "add" and entry.sha256 not in undone:
            return entry
    raise NotReady("there is no add to take back")
