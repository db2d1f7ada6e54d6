"""The actions of ``consent``: what was agreed, in plain words; agreeing, narrowing, taking back; the owner's receipts."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from dressform import paper
from dressform.consent import lineage
from dressform.consent.gate import EVERYTHING, MOST_GRACE_DAYS, NEUTRAL, fold, grace_ends, outfit_asset, refuse_past
from dressform.consent.ledger import Entry, Head, head_of
from dressform.consent.profile import refuse_against
from dressform.consent.scopes import PLAIN_WORDS, SCOPES, Scope
from dressform.errors import BadInput, DressformError, Refused, Tampered, UnknownName
from dressform.records import Character
from dressform.store import write_atomically
from dressform.workspace import character_file
from dressform.workspace.forgetting import attest_where_it_fits, files_of, has_pictures
from dressform.workspace.ledger_head import keep_head
from dressform.workspace.workspace import Workspace, asset_of

GRACE_DAYS = 7
_SHREDDED = "shredded"


def grant(workspace: Workspace, permit: Sequence[Scope], assets: Sequence[str], expires: datetime | None, lang: str) -> Entry:
    """Agree to more, or again after a revocation. Raises BadInput, UnknownName, or Refused where a boundary stands against it."""
    named = tuple(_asset(workspace, a) for a in assets) or (EVERYTHING,)
    if not permit:
        raise BadInput(f"nothing to agree to: give --permit with some of {', '.join(SCOPES)}")
    if kind(workspace) == "self" and expires is None:
        raise BadInput("consent for yourself needs an end: give --expires YYYY-MM-DD")
    refuse_past(expires)
    refuse_against(workspace.profile, permit)
    if EVERYTHING not in named and EVERYTHING in workspace.gate.state().revoked:
        raise BadInput("everything was taken back: agree again without --asset, to as few scopes as you like, then for single outfits")
    # What is not agreed to stays open for a later grant; a prohibition is only written by ``narrow``, or it would win.
    notice = "\n".join(_line(lang, s, s in permit) for s in SCOPES)
    her = workspace.character
    entry = workspace.gate.ledger.append(
        workspace.signing_key, "grant", datetime.now(UTC),
        subject={"name": her.name, "kind": her.kind, "age": her.age_years},
        assets=list(named), permit=sorted(permit), prohibit=[],
        limits={"expires": expires.astimezone(UTC).isoformat(timespec="seconds")} if expires else {},
        on_revoke={"data": "shred", "adapters": "quarantine-then-shred", "grace_days": GRACE_DAYS},
        notice={"lang": lang, "sha256": sha256(notice.encode()).hexdigest()},
    )  # fmt: skip
    keep_head(workspace.store, workspace.gate.ledger)
    _receipt(workspace.root, her, entry, [f"for {_named(named)}{_until(entry.body)}:", *notice.splitlines()])
    return entry


def kind(workspace: Workspace) -> str:
    """Original or self, as the ledger's first grant says. Raises Refused where her file, which anybody can edit, says otherwise."""
    written = workspace.character.kind
    agreed = next((e.body["subject"]["kind"] for e in workspace.gate.ledger.entries() if e.kind == "grant"), written)
    if agreed != written:
        raise Refused(
            f"{character_file.NAME} says she is {written!r}, and what was agreed says {agreed!r}: write {agreed!r} there again, "
            "or make another character with dressform new"
        )
    return agreed


def narrow(workspace: Workspace, prohibit: Sequence[Scope], lang: str) -> Entry:
    """Prohibit scopes from now on, whatever was granted before."""
    if not prohibit:
        raise BadInput(f"nothing to prohibit: give some of {', '.join(SCOPES)}")
    entry = workspace.gate.ledger.append(workspace.signing_key, "narrow", datetime.now(UTC), prohibit=sorted(prohibit))
    keep_head(workspace.store, workspace.gate.ledger)
    _receipt(workspace.root, workspace.character, entry, [_line(lang, s, False) for s in prohibit])
    return entry


def revoke(workspace: Workspace, assets: Sequence[str], grace_days: int) -> tuple[Entry, int]:
    """Take consent back for everything, or for some assets; returns the entry and how many things were quarantined.

    Taking back is always possible: on a ledger that was put back from an older copy, it takes back everything.
    """
    from dressform.workspace import adding

    named = [_asset(workspace, a) for a in assets] or [EVERYTHING]
    try:
        workspace.gate.state()
    except Tampered:
        named = [EVERYTHING]
    if not 0 <= grace_days <= MOST_GRACE_DAYS:
        raise BadInput(f"--grace-days {grace_days}: use 0 to {MOST_GRACE_DAYS}")
    with contextlib.suppress(DressformError):  # what holds that up must not hold this up
        adding.go_on(workspace)  # what a killed add sealed is named first, or it would not go with the rest
    entry = workspace.gate.ledger.append(workspace.signing_key, "revoke", datetime.now(UTC), assets=named, grace_days=grace_days)
    keep_head(workspace.store, workspace.gate.ledger)
    quarantined = len(workspace.quarantined())
    text = [f"revoked: {_named(named)}", f"quarantined now: {quarantined}; shredded after {days_left(workspace, entry)} days of grace"]
    text.append("Copies that were given away before cannot be called back.")
    _receipt(workspace.root, workspace.character, entry, text)
    return entry, quarantined


def days_left(workspace: Workspace, revoked: Entry) -> int:
    """Days, rounded up, until the last of what this line takes back is shredded; an earlier line may have begun to count."""
    standing = workspace.gate.state().revoked
    left = max(grace_ends(standing[asset]) for asset in revoked.body["assets"]) - revoked.at
    return max(0, -(-left // timedelta(days=1)))


def shred(workspace: Workspace, now: datetime | None = None) -> int:
    """Destroy the keys of everything revoked whose days of grace are over; how many things that were."""
    moment = now or datetime.now(UTC)
    entries = workspace.gate.ledger.entries()
    revoked = workspace.gate.state().revoked
    ended = {a: grace_ends(one) for a, one in revoked.items() if moment >= grace_ends(one) or not one[1]}  # none: whatever the clock was
    if not ended or not workspace.gate.ledger.is_signed_by(workspace.signing_key):
        return 0  # another person's command leaves it to her next one
    gone = lineage.descended(entries, ended.keys())
    names = [*_named_pictures(workspace, ended.keys(), gone), *_adapters_among(workspace, ended.keys(), gone)]
    told = max((e.at for e in entries if e.kind == "attest" and e.body["statement"].startswith(_SHREDDED)), default=None)
    if not names and told is not None and told >= max(ended.values()):
        return 0  # what was made since was agreed to
    names += _working_files(workspace)
    workspace.store.delete_all(names)
    statement = f"{_SHREDDED} {len(names)} objects after revocation"
    attest_where_it_fits(workspace, statement, sorted(gone), moment)
    return len(names)


def withheld(workspace: Workspace) -> frozenset[str]:
    """Names in the store that hold what was taken back, or came from it: what goes into no backup, whether its days are over or not."""
    revoked = workspace.gate.state().revoked.keys()
    if not revoked:
        return frozenset()
    gone = workspace.quarantined()
    names = [*_named_pictures(workspace, revoked, gone), *_adapters_among(workspace, revoked, gone)]
    return frozenset([*names, *_working_files(workspace)] if names else ())


def left_in_the_clear(workspace: Workspace) -> list[Path]:
    """What came from what was taken back and lies open in her folder: finished pictures, pages that show some, exported adapters.

    They are the owner's files, which nothing deletes.
    """
    gone = workspace.quarantined()
    places = [place for place in (workspace.looks, workspace.reports, workspace.exports) if gone and place.is_dir()]
    files = [file for place in places for file in sorted(place.rglob("*")) if file.is_file()]
    return [file for file in files if not gone.isdisjoint(sha256(one).hexdigest() for one in _pictures_in(file))]


def _pictures_in(file: Path) -> list[bytes]:
    """The file itself, or of a page the pictures that it shows."""
    data = file.read_bytes()
    return paper.pictures_in(data) if file.suffix == ".html" else [data]


def history(workspace: Workspace) -> list[tuple[int, str, str, str]]:
    """(line, local time, kind, what) of every entry, for people."""
    return [(e.sequence, e.at.astimezone().strftime("%Y-%m-%d %H:%M"), e.kind, _said(e)) for e in workspace.gate.ledger.entries()]


def verify(workspace: Workspace) -> Head:
    """Check every line and signature, and that none is missing; the newest head. Raises Tampered."""
    workspace.gate.state()
    return head_of(workspace.gate.ledger.entries())


def _receipt(root: Path, character: Character, entry: Entry, lines: Sequence[str]) -> None:
    """The owner's copy of one line, readable without dressform."""
    head = [
        f"{character.name}: consent line {entry.sequence} ({entry.kind}), {entry.at.isoformat()}",
        f"SHA-256 of the line in consent.jsonl: {entry.sha256}",
        "",
    ]
    write_atomically(root / "receipts" / f"{entry.sequence:04d}-{entry.kind}.txt", "\n".join([*head, *lines, ""]).encode())


def _line(lang: str, scope: Scope, agreed: bool) -> str:
    yes, no = ("はい", "いいえ") if lang == "ja" else ("yes", "no")
    return f"{yes if agreed else no:>6}  {scope:<16}  {PLAIN_WORDS[lang][scope]}"


def _said(entry: Entry) -> str:
    body = entry.body
    match entry.kind:
        case "grant":
            return f"permits {', '.join(body['permit'])} for {_named(body['assets'])}{_until(body)}"
        case "narrow":
            return f"prohibits {', '.join(body['prohibit'])}"
        case "revoke":
            return f"takes back {_named(body['assets'])}"
        case "use":
            made_from = f" from {len(body['inputs'])}" if body["inputs"] else ""
            return f"{body['action']} for {_named(body['assets'])} gave {len(body['outputs'])}{made_from}"
        case _:
            return str(body["statement"])


def _until(grant: Mapping[str, Any]) -> str:
    """Where it has an end, that day as the owner's clock has it."""
    ends = grant["limits"].get("expires")
    return f" until {datetime.fromisoformat(ends).astimezone():%Y-%m-%d %H:%M}" if ends else ""


def _named(assets: Sequence[str]) -> str:
    return ", ".join("everything" if a == EVERYTHING else a for a in assets)


def _asset(workspace: Workspace, word: str) -> str:
    if word in (EVERYTHING, NEUTRAL):
        return word
    name = word.removeprefix("outfit:")
    known = workspace.character.outfit(name) is not None or outfit_asset(name) in fold(workspace.gate.ledger.entries()).revoked
    if not known and not has_pictures(workspace, name):
        raise UnknownName("outfit", name, [NEUTRAL, *(o.name for o in workspace.character.outfits)])
    return outfit_asset(name)


def _named_pictures(workspace: Workspace, over: Collection[str], gone: frozenset[str]) -> list[str]:
    """Everything of the pictures of these assets, and of those that a model drew from them."""
    everything = EVERYTHING in over
    rows = workspace.rows()
    ids = {p.id for p in rows if everything or asset_of(p.outfit) in over}
    return files_of(workspace, ids | gone)


def _adapters_among(workspace: Workspace, over: Collection[str], gone: frozenset[str]) -> list[str]:
    """Those that came from what is gone; every one where that is everything, also one that no line speaks of."""
    doomed = [name for name, digest in workspace.adapters_there().items() if EVERYTHING in over or digest in gone]
    return [*doomed, *(f"{n}.mark" for n in doomed if f"{n}.mark" in workspace.store)]


def _working_files(workspace: Workspace) -> list[str]:
    places = ("checkpoints/", "previews/", "cache/", "drafts/", "captions/", "lint/")
    return [name for place in places for name in workspace.store.list(place)]
