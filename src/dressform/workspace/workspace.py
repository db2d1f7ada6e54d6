"""One character on disk: her file, her pictures, her adapters. The actions stand in the files beside this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dressform.consent import ledger as consent_ledger
from dressform.consent import lineage
from dressform.consent import profile as profiles
from dressform.consent.gate import EVERYTHING, NEUTRAL, Gate, Grant, outfit_asset
from dressform.consent.ledger import EMPTY, Ledger, head_of
from dressform.consent.profile import Profile
from dressform.consent.refusals import refuse_young
from dressform.consent.scopes import Scope
from dressform.errors import BadInput, Mismatch, NotReady, Refused, StoreError, UnknownName
from dressform.records import Character, IntakeReport, Outfit, Picture, Worn
from dressform.store import Store
from dressform.vault import owner as owners
from dressform.vault import vault, witness
from dressform.vault.owner import Ask, Owner
from dressform.workspace import character_file
from dressform.workspace.ledger_head import is_ledger, keep_head, read_head

if TYPE_CHECKING:
    from dressform.adapters.stack import Adapter
    from dressform.backbones.protocol import Backbone

IDENTITY = "identity"
IMPORTED = b"imported"
OWNER, RECOVERY, _PROFILE = "consent/owner", "consent/recovery", "consent/profile"


class Workspace:
    """A character's folder. ``store`` keeps everything private; ``looks`` and ``reports`` hold what is finished.

    ``gate`` answers for her consent; what needs a scope takes the Grant that the gate gave.
    """

    def __init__(self, root: Path, store: Store, owner: Owner) -> None:
        self.root = root
        self.character = character_file.read(root)
        self.store = store
        self.owner = owner
        self.looks = root / "looks"
        self.reports = root / "reports"
        self.exports = root / "exports"
        if OWNER not in store:
            raise NotReady(f"{root}: no owner is written in the vault; make the character again with dressform new")
        self._descended = (EMPTY, frozenset[str]())
        ledger = Ledger(root / consent_ledger.NAME, store.read(OWNER))
        self.gate = Gate(ledger, lambda: read_head(store), lambda: self.backbone.sha256)

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """What signs new lines of her ledger; refused there where it is not the owner's."""
        return self.owner.signing_key

    @cached_property
    def backbone(self) -> Backbone:
        """The character's base model, loaded on first use: nothing is learned or drawn without it.

        Raises Refused where her file, which anybody can edit, says of her that she is under age.
        """
        from dressform import backbones

        refuse_young(", ".join([self.character.name, self.character.trigger, self.character.description]))
        for worn in self.character.outfits:
            refuse_young(f"{worn.name}, {worn.trigger}")
        return backbones.load(self.character.base_model)

    @property
    def checkpoint(self) -> str:
        """What programs call the base model's file: its own name, or that of the folder it lies in parts in, with ``.safetensors``."""
        path = Path(self.character.base_model)
        return path.name if path.is_file() else f"{path.name}.safetensors"

    # pictures ---------------------------------------------------------------------------------------
    def pictures(self, outfit: str | None = None, every: bool = False) -> list[Picture]:
        """Neutral pictures, those of one outfit, or every one.

        Of what was revoked those alone that are here as that, for the gate to refuse: none that a model drew from it, and none that was
        given as it before and is here as something else (``left_aside``).
        """
        rows = self.rows()
        aside = {p.id for p in self._aside(rows)}
        return [p for p in rows if (every or p.outfit == outfit) and p.id not in aside]

    def rows(self) -> list[Picture]:
        """Every picture in the store, whatever was agreed."""
        names = [name for name in self.store.list("pictures/") if name.endswith(".json")]
        return [Picture(**json.loads(self.store.read(name))) for name in names]

    def left_aside(self) -> list[Picture]:
        """Pictures that come from what was revoked, and are here as something that is agreed to, or were drawn."""
        return self._aside(self.rows())

    def _aside(self, rows: Sequence[Picture]) -> list[Picture]:
        gone = self.quarantined()
        if not gone:
            return []
        revoked = self.gate.state().revoked
        return [p for p in rows if p.id in gone and (p.generation or not {asset_of(p.outfit), EVERYTHING} & revoked.keys())]

    def add(
        self, given: Sequence[Path], outfit: str | None, on_file: Callable[[int, int], None] = lambda _done, _all: None,
        kind: Worn = "outfit",
    ) -> IntakeReport:  # fmt: skip
        """Take pictures in: neutral ones, or those of an outfit or accessory (made known on first use). See ``adding.add``."""
        from dressform.workspace import adding

        return adding.add(self, given, outfit, on_file=on_file, kind=kind)

    # names ------------------------------------------------------------------------------------------
    def outfit(self, name: str) -> Outfit:
        """The outfit or accessory of that name. Raises UnknownName, with names near it."""
        found = self.character.outfit(name)
        if found is None:
            raise UnknownName("outfit", name, [o.name for o in self.character.outfits], _first("outfit"))
        return found

    def worn(self, kind: Worn, names: Sequence[str]) -> list[str]:
        """The names themselves, where all are of that kind. Raises UnknownName, and BadInput for one of the other kind."""
        for name in names:
            if self.character.outfit(name) is None:
                raise UnknownName(kind, name, self.character.named(kind), _first(kind))
            refuse_other_kind(self.character, name, kind)
        return list(names)

    def caption(self, picture: Picture) -> str:
        """A training caption: the trigger words, then what the picture's own caption says."""
        words = [self.character.trigger]
        if picture.outfit is not None:
            words.append(self.outfit(picture.outfit).trigger)
        own = [t.strip() for t in picture.caption.split(",") if t.strip()]
        return ", ".join([*words, *(t for t in own if t not in words)])

    # consent ----------------------------------------------------------------------------------------
    @property
    def profile(self) -> Profile:
        """Who she is and her boundaries, in her owner's words; an empty profile where none was written."""
        return profiles.from_bytes(self.store.read(_PROFILE)) if _PROFILE in self.store else profiles.EMPTY

    def record(self, grant: Grant[Scope], inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Write into the ledger what was made of what (SHA-256 or picture ids). Raises what ``stands`` does; then nothing is written."""
        self.stands(grant, inputs)
        self.record_what_is_done(grant, inputs, outputs)

    def record_what_is_done(self, grant: Grant[Scope], inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """``record`` of what lies in the store by now, whatever was taken back since: only what is named can go with the rest."""
        self.record_by(grant.scope, grant.entry, grant.assets, inputs, outputs)

    def record_by(self, scope: str, entry: str, assets: Sequence[str], inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """The same by the line of the ledger that a grant stood on."""
        self.gate.ledger.append(
            self.signing_key, "use", datetime.now(UTC),
            action=scope, grant=entry, assets=list(assets), inputs=sorted(inputs), outputs=sorted(outputs),
        )  # fmt: skip
        keep_head(self.store, self.gate.ledger)

    def stands(self, grant: Grant[Scope], inputs: Sequence[str]) -> None:
        """Raises Refused where consent was taken back since: what was granted, or what one of these inputs comes from.

        Cheap enough for every training step.
        """
        self.gate.holds(grant)
        if not self.quarantined().isdisjoint(inputs):
            raise Refused(f"{grant.scope}: what it is made of comes from what was revoked; run dressform train, which leaves that out")

    def permitted(self) -> dict[Scope, tuple[str, ...]]:
        """Each scope, and for what of her (``asset_of``) it holds now: her neutral pictures, and each thing that she wears."""
        return self.gate.permitted([asset_of(None), *(asset_of(o.name) for o in self.character.outfits)])

    def quarantined(self) -> frozenset[str]:
        """Hashes of everything that descends from what was revoked; of every adapter, where that is everything."""
        entries = self.gate.ledger.entries()  # first: what is taken back in between is counted, and again with the next line
        revoked = self.gate.state().revoked.keys()
        if self._descended[0] != (head := head_of(entries)):
            self._descended = (head, lineage.descended(entries, revoked))
        found = self._descended[1]
        return found.union(self.adapters_there().values()) if EVERYTHING in revoked else found

    def adapters_there(self) -> dict[str, str]:
        """Name in the store -> hash of every adapter, whatever was agreed; empty for one that cannot be read, which nobody can use."""
        names = [name for name in self.store.list("adapters/") if name.endswith(".safetensors")]
        return {name: self._hash_of(name) for name in names}

    def _hash_of(self, name: str) -> str:
        try:
            return sha256(self.store.read(name)).hexdigest()
        except StoreError:
            return ""

    def adapter_sha256(self, outfit: str | None) -> str:
        """The hash that lineage knows an adapter by."""
        return sha256(self.store.read(self.adapter_name(outfit))).hexdigest()

    def identity_tensors(self, sha256_of_file: str) -> str:
        """The SHA-256 of the tensors alone of her identity as it is exported, where its file has this hash; empty for another, or none."""
        from dressform.adapters import files

        name = self.adapter_name(None)
        data = self.store.read(name) if sha256_of_file and name in self.store else b""
        if sha256(data).hexdigest() != sha256_of_file:
            return ""
        who = files.from_bytes(data, self.backbone.target_layers(files.targets_of(data)), self.backbone.sha256)
        return files.tensor_area_sha256(files.to_bytes(who))

    # adapters ---------------------------------------------------------------------------------------
    def adapter_name(self, outfit: str | None) -> str:
        """Where the identity adapter, or an outfit's, lies in the store."""
        return f"adapters/{IDENTITY if outfit is None else 'outfit-' + outfit}.safetensors"

    def imported(self, outfit: str | None) -> bool:
        """True for an adapter that was made elsewhere; training leaves it alone. Its mark says so."""
        mark = f"{self.adapter_name(outfit)}.mark"
        return mark in self.store and self.store.read(mark) == IMPORTED

    def taken_back(self) -> list[str]:
        """Names of the outfits and accessories whose consent was taken back and is not given again."""
        revoked = self.gate.state().revoked
        return [o.name for o in self.character.outfits if EVERYTHING in revoked or asset_of(o.name) in revoked]

    def none_trained(self) -> NotReady:
        """What to say where no outfit can be worn."""
        if gone := self.taken_back():
            said = f"no outfit can be worn: consent for {', '.join(gone)} was taken back"
            return NotReady(f"{said}; run dressform train for the others, or see dressform consent show")
        return NotReady("no outfit is trained yet: run dressform train")

    def trained(self, kind: Worn = "outfit") -> list[str]:
        """Names of the outfits, or accessories, that have an adapter; none in quarantine."""
        found = [name for name in self.character.named(kind) if self.adapter_name(name) in self.store]
        gone = self.quarantined()
        return [name for name in found if self.adapter_sha256(name) not in gone] if gone else found

    def adapter(self, _grant: Grant[Scope], outfit: str | None) -> Adapter:
        """The identity adapter (None), or that of an outfit or accessory.

        Raises NotReady, BadInput, Mismatch (also where character.toml says another kind than it was trained as: what passes for
        an outfit passes for dressed), or Refused for one in quarantine.
        """
        from dressform.adapters import files

        name = self.adapter_name(outfit)
        if name not in self.store:
            what = "the identity is" if outfit is None else f"{self.outfit(outfit).kind} {outfit!r} is"
            raise NotReady(f"{what} not trained yet: run dressform train")
        data = self.store.read(name)
        if sha256(data).hexdigest() in self.quarantined():
            raise Refused(f"{name.split('/')[1]}: it comes from pictures whose consent was revoked; train again without them")
        targets = files.targets_of(data)
        found = files.from_bytes(data, self.backbone.target_layers(targets), self.backbone.sha256)
        expected = IDENTITY if outfit is None else self.outfit(outfit).kind
        if found.info.kind != expected:
            raise Mismatch(f"{found.info.name} was made as {found.info.kind}, {character_file.NAME} says {expected}: correct it there")
        return found.to(self.backbone.device)


def keep_profile(store: Store, written: Profile) -> None:
    """Seal a profile that ``profiles.checked`` let through."""
    store.write(_PROFILE, profiles.to_bytes(written))


def refuse_other_kind(character: Character, name: str, kind: Worn) -> None:
    """Raises BadInput where she has something of that name, but of the other kind."""
    known = character.outfit(name)
    if known is not None and known.kind != kind:
        use = {"outfit": "--outfit", "accessory": "--accessory when it is added, --with when it is worn"}[known.kind]
        raise BadInput(f"{name!r} is an {known.kind}, not an {kind}: name it with {use}, or choose another name")


def asset_of(outfit: str | None) -> str:
    """How the ledger names the neutral pictures (None), or those of an outfit or accessory.

    By its name alone, whichever it is: what character.toml calls it must not change what is agreed.
    """
    return NEUTRAL if outfit is None else outfit_asset(outfit)


@contextmanager
def opened(root: Path, ask: Ask | None = None) -> Iterator[Workspace]:
    """A character as her owner opens it: the key found, the vault held against what was last seen of it.

    Raises BadInput, Locked or Tampered; then nothing is opened.
    """
    character_file.read(root)
    owner = owners.load(ask)
    seen = witness.read(owners.home(), vault.read_id(root / "vault"))
    sealed = vault.open_(root / "vault", owner.identity)
    try:
        witness.hold(owners.home(), sealed.id, sealed.mark)
        witness.check(seen, sealed.index.head)
        try:
            yield Workspace(root, sealed, owner)
        finally:
            witness.keep(owners.home(), sealed.id, sealed.index.refreshed())
    finally:
        sealed.close()


def sealed(workspace: Workspace) -> vault.Vault:
    """The vault behind a workspace. Raises NotReady where its store is another."""
    if not isinstance(workspace.store, vault.Vault):
        raise NotReady(f"{workspace.root}: her store is not a vault")
    return workspace.store


def backed_up_for(workspace: Workspace) -> list[str]:
    """The age recipients who can open a backup: the owner's key and, of characters made since it is kept, the recovery key."""
    return [workspace.owner.recipient, *([workspace.store.read(RECOVERY).decode()] if RECOVERY in workspace.store else [])]


def in_the_clear(root: Path) -> dict[str, Path]:
    """What lies beside her vault and belongs to her: her file, the ledger, and those before it."""
    return {file.name: file for file in sorted(root.iterdir()) if file.name == character_file.NAME or is_ledger(file.name)}


def _first(kind: Worn) -> str:
    return f"add pictures of one with dressform add FOLDER PICTURES --{kind} NAME"


def by_outfit(pictures: Sequence[Picture]) -> dict[str | None, list[Picture]]:
    """The same pictures, those of each outfit (None: the neutral ones) together, in their order."""
    found: dict[str | None, list[Picture]] = {}
    for picture in pictures:
        found.setdefault(picture.outfit, []).append(picture)
    return found
