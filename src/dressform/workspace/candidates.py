"""Pictures that the model proposed and that wait for a person: sealed under ``drafts/``, looked at, decided on.

What is approved joins its set, marked with its generation, and has a line in the ledger that says what drew it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dressform.consent.gate import Grant
from dressform.consent.scopes import Scope
from dressform.dress.prompt_weights import plain
from dressform.errors import NotReady, Refused, UnknownName
from dressform.layfigure.captions import NEUTRAL
from dressform.pictures import intake, tags
from dressform.pictures.contact import Cell, contact_sheet
from dressform.pictures.wanted import Seen
from dressform.records import Picture
from dressform.workspace import adding, judging, room
from dressform.workspace.character_file import held
from dressform.workspace.judging import Judged
from dressform.workspace.workspace import Workspace, asset_of, refuse_other_kind

By = Literal["auto", "adapter", "words"]
_PLACE = "drafts/"
DECIDED = "drafts"
"""Held by whoever gives numbers to candidates or decides on them."""


@dataclass(frozen=True)
class Asked:
    """What to propose: pictures of the neutral layer (None) or an outfit, until the set has ``want`` of them.

    ``by`` says what draws them: her identity "adapter" (and the outfit's, where it is trained), or the base model alone, by
    "words" for her; "auto" takes the adapter where there is one. ``wear`` names the garment of an outfit that is not trained.
    Each scene is drawn ``tries`` times, and the best one proposed.
    """

    outfit: str | None = None
    want: int = 24
    by: By = "auto"
    wear: str = ""
    text: str = ""
    tries: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """One proposed picture that waits for a person. ``drew`` are the hashes of what drew it, ``turn`` counts its redraws."""

    number: int
    id: str
    asked: Asked
    scene: Seen
    turn: int
    judged: Judged
    generation: int
    drew: tuple[str, ...]

    @property
    def caption(self) -> str:
        """What it will be captioned with: how she is seen and what else was asked for, never who she is."""
        view, pose, background = self.scene
        first = [NEUTRAL] if self.asked.outfit is None else []
        last = [tag for tag in tags.tags(plain(self.asked.text)) if tags.kind(tag) not in ("body", "view", "background")]
        return tags.joined([*first, f"{view} view", pose, f"{background} background", *last])


def waiting(workspace: Workspace) -> list[Candidate]:
    """Every candidate that is not decided on, by number; none that comes from what was revoked since."""
    rows = [json.loads(workspace.store.read(name)) for name in workspace.store.list(_PLACE) if name.endswith(".json")]
    found = [_from_row(row) for row in rows]
    gone = workspace.quarantined() if found else frozenset[str]()
    return [c for c in found if c.id not in gone]


def picked(workspace: Workspace, numbers: Sequence[int]) -> list[Candidate]:
    """The candidates of these numbers, or all that wait where none is given. Raises UnknownName, or NotReady where none waits."""
    known = {c.number: c for c in waiting(workspace)}
    if not known:
        raise NotReady("no candidate waits: draw some with dressform draft propose")
    for number in numbers:
        if number not in known:
            raise UnknownName("candidate", str(number), map(str, known))
    return [known[n] for n in dict.fromkeys(numbers)] if numbers else list(known.values())


def picture(workspace: Workspace, candidate: Candidate) -> np.ndarray:
    """A candidate's pixels, uint8 [h, w, 3]. Raises Refused without consent to keep such pictures."""
    workspace.gate.need("add", asset_of(candidate.asked.outfit))
    return intake.from_png(workspace.store.read(f"{_name(candidate)}.png"))


def cells(workspace: Workspace, candidates: Sequence[Candidate]) -> list[Cell]:
    """The candidates as cells of a contact sheet, each with its number."""
    return [Cell(picture(workspace, c), f"{c.number} {c.scene[0]}, {c.scene[1]}") for c in candidates]


def approve(workspace: Workspace, candidates: Sequence[Candidate]) -> int:
    """Let candidates join the set, marked as drawn; ``add --undo`` takes them back. How many joined.

    Raises Refused without consent, and NotReady where one of them is not any more what it was.
    """
    with held(workspace.root, DECIDED):
        refuse_changed(workspace, candidates)
        return sum(
            _join(workspace, outfit, [c for c in candidates if c.asked.outfit == outfit])
            for outfit in dict.fromkeys(c.asked.outfit for c in candidates)
        )


def reject(workspace: Workspace, candidates: Sequence[Candidate]) -> int:
    """Forget candidates; how many. Raises NotReady where one of them is not any more what it was."""
    with held(workspace.root, DECIDED):
        refuse_changed(workspace, candidates)
        workspace.store.delete_all(_names(candidates))
    return len(candidates)


def write_candidates(workspace: Workspace, candidates: Sequence[Candidate], folder: Path) -> list[Path]:
    """Write dressed candidates and a contact sheet of them into a folder, unsealed, for their owner to look at; recorded first.

    Raises Refused for neutral ones, which never leave the vault, and BadInput as ``room.write_unsealed`` does.
    """
    if not candidates or any(c.asked.outfit is None for c in candidates):
        raise Refused("neutral candidates never leave the vault: look at them with dressform draft show --show, or draft review")
    her = workspace.character.name
    shown = cells(workspace, candidates)
    files = {folder / f"{her}-candidate-{c.number:04}.png": intake.png(cell.pixels) for c, cell in zip(candidates, shown, strict=True)}
    files[folder / f"{her}-candidates.png"] = intake.png(contact_sheet(shown))
    return room.write_unsealed(workspace, folder, files, f"{len(shown)} candidates")


def keep(workspace: Workspace, grant: Grant[Scope], made: Sequence[tuple[Candidate, np.ndarray]]) -> None:
    if not made:
        return
    workspace.record(grant, sorted({one for c, _ in made for one in c.drew}), [c.id for c, _ in made])
    parts: dict[str, bytes] = {}
    for candidate, pixels in made:
        parts[f"{_name(candidate)}.png"] = intake.png(pixels)
        parts[f"{_name(candidate)}.json"] = json.dumps(asdict(candidate), ensure_ascii=False).encode()
    workspace.store.write_all(parts)


def numbers_taken(workspace: Workspace) -> list[int]:
    """All that are taken, also by what was revoked since."""
    return [int(name.removeprefix(_PLACE).removesuffix(".json")) for name in workspace.store.list(_PLACE) if name.endswith(".json")]


def refuse_changed(workspace: Workspace, candidates: Sequence[Candidate]) -> None:
    """Raises NotReady for one that another process decided on, or drew anew, since it was looked at: a number may be another's by now."""
    for c in candidates:
        name = f"{_name(c)}.json"
        now = json.loads(workspace.store.read(name)) if name in workspace.store else {}
        if not now or (now["id"], now["asked"]["outfit"]) != (c.id, c.asked.outfit):
            raise NotReady(f"candidate {c.number} is not the one that was looked at any more: look again with dressform draft show")


def id_of(pixels: np.ndarray) -> str:
    """Named by its pixels, as every picture is (``intake.Decoded.id``)."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()[:20]


def _join(workspace: Workspace, outfit: str | None, candidates: Sequence[Candidate]) -> int:
    """The ledger's line first, then the pictures in the place of the candidates: an interrupt leaves no picture without its line.

    A picture that is there already stays as it is. How many joined.
    """
    grant = workspace.gate.need("add", asset_of(outfit))
    if outfit is not None:
        refuse_other_kind(workspace.character, outfit, "outfit")
    parts: dict[str, bytes] = {}
    new = [c for c in candidates if f"pictures/{c.id}.json" not in workspace.store]
    for c in new:
        data = workspace.store.read(f"{_name(c)}.png")
        height, width = intake.from_png(data).shape[:2]
        row = Picture(c.id, outfit, c.caption, width, height, False, f"drawn-{c.id[:8]}.png", c.generation)
        parts |= {f"pictures/{c.id}.png": data, f"pictures/{c.id}.json": json.dumps(asdict(row), ensure_ascii=False).encode()}
    if new:
        workspace.record(grant, sorted({one for c in new for one in c.drew}), [c.id for c in new])
        adding.make_known(workspace, outfit)
    workspace.store.write_all(parts, _names(candidates))
    return len(new)


def _from_row(row: dict) -> Candidate:
    asked, judged = Asked(**row.pop("asked")), judging.from_row(row.pop("judged"))
    scene, drew = tuple(row.pop("scene")), tuple(row.pop("drew"))
    return Candidate(**row, asked=asked, judged=judged, scene=scene, drew=drew)


def _name(candidate: Candidate) -> str:
    return f"{_PLACE}{candidate.number:04}"


def _names(candidates: Sequence[Candidate]) -> list[str]:
    return [name for c in candidates for name in (f"{_name(c)}.json", f"{_name(c)}.png")]
