"""What came from what: the ``use`` lines of a ledger, read backwards when consent for something is revoked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dressform.consent.gate import EVERYTHING
from dressform.consent.ledger import Entry


def descended(entries: Sequence[Entry], revoked: Collection[str]) -> frozenset[str]:
    """The hashes of everything made from revoked assets, at any distance."""
    if not revoked:
        return frozenset()
    found: set[str] = set()
    for entry in entries:  # a line comes after those whose outputs it uses
        if entry.kind != "use":
            continue
        own = EVERYTHING in revoked or not set(revoked).isdisjoint(entry.body["assets"])
        if own or not found.isdisjoint(entry.body["inputs"]):
            found.update(entry.body["outputs"])
    return frozenset(found)
