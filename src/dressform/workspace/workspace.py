"""One character on disk: her file, her pictures, her adapters. The actions stand in the files beside this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dressform.consent.dressed import refuse_young
from dressform.errors import BadInput, DressformError, NotReady, UnknownName
from dressform.records import Character, IntakeNote, IntakeReport, Outfit, Picture, checked_name
from dressform.store import DirectoryStore, Store
from dressform.workspace import character_file

if TYPE_CHECKING:
    from dressform.adapters.stack import Adapter
    from dressform.backbones.protocol import Backbone

IDENTITY = "identity"


class Workspace:
    """A character's folder. ``store`` keeps everything private; ``looks`` and ``reports`` hold what is finished."""

    def __init__(self, root: Path, store: Store | None = None) -> None:
        self.root = root
        self.character = character_file.read(root)
        self.store: Store = store or DirectoryStore(root / "store")
        self.looks = root / "looks"
        self.reports = root / "reports"

    @cached_property
    def backbone(self) -> Backbone:
        """The character's base model, loaded on first use."""
        from dressform import backbones

        return backbones.load(self.character.base_model)

    # pictures ---------------------------------------------------------------------------------------
    def pictures(self, outfit: str | None = None, every: bool = False) -> list[Picture]:
        """Neutral pictures, those of one outfit, or every one."""
        rows = [json.loads(self.store.read(name)) for name in self.store.list("pictures/") if name.endswith(".json")]
        found = [Picture(**row) for row in rows]
        return [p for p in found if every or p.outfit == outfit]

    def add(
        self, given: Sequence[Path], outfit: str | None, on_file: Callable[[int, int], None] = lambda _done, _all: None
    ) -> IntakeReport:
        """Take pictures in: neutral ones, or those of an outfit (made known on first use).

        A file that cannot be used is left out and named in the report; the others are taken.
        """
        from dressform.pictures import intake

        if outfit is not None:
            checked_name("outfit", outfit)
        files = [file for path in given for file in intake.candidates(path)]
        notes = []
        for i, file in enumerate(files):
            notes.append(self._take(file, outfit))
            on_file(i + 1, len(files))
        report = IntakeReport(tuple(notes))
        if report.taken and outfit is not None and self.character.outfit(outfit) is None:
            known = (*self.character.outfits, Outfit(outfit, f"{self.character.trigger}_{outfit}"))
            self.character = replace(self.character, outfits=known)
            character_file.write(self.root, self.character)
        return report

    def _take(self, file: Path, outfit: str | None) -> IntakeNote:
        from dressform.pictures import intake

        try:
            picture = intake.decode(file, self.backbone.size_px, self.character.kind == "original")
            refuse_young(picture.caption)
            name = f"pictures/{picture.id}"
            if f"{name}.json" in self.store:
                return IntakeNote(file.name, False, "already here (the same pixels)")
            if outfit is not None and picture.mask is None:
                return IntakeNote(file.name, False, "no garment mask; put masks/NAME.png beside it, or use an alpha channel")
            row = Picture(
                picture.id, outfit, picture.caption, picture.pixels.shape[1], picture.pixels.shape[0],
                picture.mask is not None, file.name,
            )  # fmt: skip
            if picture.mask is not None:
                self.store.write(f"{name}.mask.png", intake.png(picture.mask))
            self.store.write(f"{name}.png", intake.png(picture.pixels))
            self.store.write(f"{name}.json", json.dumps(asdict(row), ensure_ascii=False).encode())
        except DressformError as error:
            return IntakeNote(file.name, False, str(error))
        return IntakeNote(file.name, True)

    # names ------------------------------------------------------------------------------------------
    def outfit(self, name: str) -> Outfit:
        """The outfit of that name. Raises UnknownName, with names near it."""
        found = self.character.outfit(name)
        if found is None:
            raise UnknownName("outfit", name, [o.name for o in self.character.outfits])
        return found

    def caption(self, picture: Picture) -> str:
        """A training caption: the trigger words, then what the picture's own caption says."""
        words = [self.character.trigger]
        if picture.outfit is not None:
            words.append(self.outfit(picture.outfit).trigger)
        own = [t.strip() for t in picture.caption.split(",") if t.strip()]
        return ", ".join([*words, *(t for t in own if t not in words)])

    # adapters ---------------------------------------------------------------------------------------
    def adapter_name(self, outfit: str | None) -> str:
        """Where the identity adapter, or an outfit's, lies in the store."""
        return f"adapters/{IDENTITY if outfit is None else 'outfit-' + outfit}.safetensors"

    def trained(self) -> list[str]:
        """Names of the outfits that have an adapter."""
        return [o.name for o in self.character.outfits if self.adapter_name(o.name) in self.store]

    def adapter(self, outfit: str | None) -> Adapter:
        """The identity adapter (None) or an outfit's. Raises NotReady, BadInput or Mismatch."""
        from dressform.adapters import files

        name = self.adapter_name(outfit)
        if name not in self.store:
            what = "the identity is" if outfit is None else f"outfit {outfit!r} is"
            raise NotReady(f"{what} not trained yet: run dressform train")
        data = self.store.read(name)
        targets = files.targets_of(data)
        return files.from_bytes(data, self.backbone.target_layers(targets), self.backbone.sha256)


def create(root: Path, name: str, age_years: int, kind: str, trigger: str | None, base_model: str) -> Workspace:
    """Make a new character's folder. Raises BadInput or Refused before anything is written."""
    from dressform import backbones

    checked_name("character", name)
    refuse_young(name)
    word = trigger or name
    character = Character(name, word, kind, age_years, base_model)
    checked_name("trigger word", word)
    if (root / character_file.NAME).exists():
        raise BadInput(f"{root}: there is a character here already; choose another name or folder")
    if backbones.load(base_model).knows_word(word):
        raise BadInput(
            f"trigger word {word!r} already means something to the base model: choose a word that means nothing, "
            f"for example {word}chan or {word[:3]}ro"
        )
    character_file.write(root, character)
    return Workspace(root)
