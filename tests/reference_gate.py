"""A small reference for the gate, written to be read: what a history of consent permits, with no folding and no classes.

Used by tests/test_consent.py and, on 10,000 random ledgers, by benchmarks/trust/consent.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from dressform.consent.ledger import Ledger
from dressform.consent.scopes import SCOPES

ASSETS = ("*", "outfit:*", "neutral", "outfit:dress", "outfit:coat")
SUBSETS = st.lists(st.sampled_from(SCOPES), max_size=5, unique=True)


def histories() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Up to ten lines; ``ends`` is the minute at which a grant runs out, or None."""
    grant = st.fixed_dictionaries(
        {
            "kind": st.just("grant"),
            "permit": SUBSETS,
            "prohibit": st.lists(st.sampled_from(SCOPES), max_size=2, unique=True),
            "assets": st.lists(st.sampled_from(ASSETS), min_size=1, max_size=2, unique=True),
            "ends": st.none() | st.integers(0, 200),
            "base": st.sampled_from([[], ["base"], ["another"]]),
        }
    )
    narrow = st.fixed_dictionaries({"kind": st.just("narrow"), "prohibit": SUBSETS})
    taken = st.sampled_from(("*", *ASSETS[2:])).map(lambda asset: [asset])
    revoke = st.fixed_dictionaries({"kind": st.just("revoke"), "assets": taken})
    return st.lists(grant | narrow | revoke, max_size=10)


def allowed(history: list[dict[str, Any]], scope: str, asset: str, now: int) -> bool:
    """Does this history permit ``scope`` for ``asset`` at minute ``now``, on the base model "base"?"""
    for i, line in enumerate(history):
        if line["kind"] != "grant" or scope not in line["permit"]:
            continue
        covers = any(a in ("*", asset) or (a == "outfit:*" and asset.startswith("outfit:")) for a in line["assets"])
        in_time = line["ends"] is None or now < line["ends"]
        ended = any(later["kind"] == "revoke" and {"*", asset} & {*later["assets"]} for later in history[i + 1 :])
        prohibited = any(scope in later.get("prohibit", ()) for later in history[i:])  # prohibiting wins in one line
        if covers and in_time and line["base"] != ["another"] and not ended and not prohibited:
            return not _taken_back(history, asset)
    return False


def _taken_back(history: list[dict[str, Any]], asset: str) -> bool:
    for what in ("*", asset):
        for line in reversed(history):  # the newest line that names it decides
            if line["kind"] == "revoke" and what in line["assets"]:
                return True
            if line["kind"] == "grant" and what in line["assets"]:
                break
    return False


def written(ledger: Ledger, key: Ed25519PrivateKey, history: list[dict[str, Any]], start: datetime) -> None:
    """The history as signed lines, one a minute."""
    for i, line in enumerate(history):
        at = start + timedelta(minutes=i)
        body = {k: v for k, v in line.items() if k not in ("kind", "ends", "base")}
        if line["kind"] == "grant":
            limits: dict[str, Any] = {"base_models": line["base"]} if line["base"] else {}
            if line["ends"] is not None:
                limits["expires"] = (start + timedelta(minutes=line["ends"])).isoformat()
            body |= {"subject": {}, "limits": limits, "on_revoke": {}, "notice": {}}
        if line["kind"] == "revoke":
            body["grace_days"] = 7
        ledger.append(key, line["kind"], at, **body)
