"""What came from what: the ``use`` lines of a ledger, read when consent is revoked, and to see how far pictures are from given ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dressform.consent.gate import EVERYTHING
from dressform.consent.ledger import Entry

REMOVED, TOOK_BACK = "removed pictures", "took back the add"
"""How the statements begin that given pictures were forgotten; their evidence are the pictures, or the lines that added them."""


def descended(entries: Sequence[Entry], revoked: Collection[str]) -> frozenset[str]:
    """The hashes of everything made from revoked assets, at any distance.

    Given pictures that were forgotten while nothing was revoked descend from nothing any more: they may be hers again as something else.
    What had been learned from them until then keeps its origin.
    """
    if not revoked:
        return frozenset()
    found, forgettings = set[str](), forgotten(entries)
    given: dict[str, frozenset[str]] = {}
    for entry in entries:  # a line comes after those whose outputs it uses
        body = entry.body
        if entry.sha256 in forgettings:
            gone = {*body["evidence"]}.union(*(given.get(line, frozenset()) for line in body["evidence"]))
            found -= gone & frozenset().union(*given.values())
        elif entry.kind == "use":
            if body["action"] == "add" and not body["inputs"]:
                given[entry.sha256] = frozenset(body["outputs"])
            own = EVERYTHING in revoked or not set(revoked).isdisjoint(body["assets"])
            if own or not found.isdisjoint(body["inputs"]):
                found.update(body["outputs"])
    return frozenset(found)


def forgotten(entries: Sequence[Entry]) -> frozenset[str]:
    """The lines by which given pictures were forgotten while nothing was revoked."""
    found, taken = set[str](), set[str]()
    for entry in entries:
        if entry.kind == "revoke":
            taken.update(entry.body["assets"])
        elif entry.kind == "grant":
            taken.difference_update(entry.body["assets"])
        elif entry.kind == "attest" and entry.body["statement"].startswith((REMOVED, TOOK_BACK)) and not taken:
            found.add(entry.sha256)
    return frozenset(found)


def inputs_of(entries: Sequence[Entry], made: str) -> frozenset[str]:
    """The hashes that this one was made from, as the line says that made it; none where no line does."""
    lines = [e for e in entries if e.kind == "use" and made in e.body["outputs"]]
    return frozenset(lines[-1].body["inputs"]) if lines else frozenset()


def generation(entries: Sequence[Entry], made: Collection[str]) -> int:
    """How many models in a row learned from what the one before drew, on the way to these hashes; 0 where all came from given pictures.

    A line ``add`` that has inputs is one that took in what a model drew.
    """
    depth: dict[str, int] = {}
    for entry in entries:
        if entry.kind != "use":
            continue
        inputs = entry.body["inputs"]
        drawn = int(entry.body["action"] == "add" and bool(inputs))
        deepest = drawn + max((depth.get(one, 0) for one in inputs), default=0)
        for one in entry.body["outputs"]:
            depth[one] = max(depth.get(one, 0), deepest)
    return max((depth.get(one, 0) for one in made), default=0)
