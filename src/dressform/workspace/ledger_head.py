"""What a vault remembers of the consent ledger beside it: its newest line, so that one put back from an older copy is seen."""

from __future__ import annotations

import json
import re

from dressform.consent import ledger as consent_ledger
from dressform.consent.ledger import Head, Ledger
from dressform.errors import Tampered
from dressform.store import Store

HEAD = "consent/head"
_BEFORE = re.compile(r"consent-until-\d{1,9}\.jsonl")


def kept_as(length: int) -> str:
    """What a ledger of so many lines is called once another follows it."""
    return f"consent-until-{length}.jsonl"


def is_ledger(name: str) -> bool:
    """True for the name of her ledger, or of one before it."""
    return name == consent_ledger.NAME or _BEFORE.fullmatch(name) is not None


def read_head(store: Store) -> Head:
    """The newest ledger line that the vault has seen."""
    if HEAD not in store:
        return consent_ledger.EMPTY
    try:
        length, digest = json.loads(store.read(HEAD))
        if isinstance(length, int) and length >= 0 and (re.fullmatch("[0-9a-f]{64}", digest) if length else digest == ""):
            return Head(length, digest)
    except (ValueError, TypeError, RecursionError):
        pass
    raise Tampered("what the vault says of the consent ledger cannot be read: restore the vault from a backup")


def keep_head(store: Store, ledger: Ledger) -> None:
    """Let the vault remember the newest ledger line."""
    store.write(HEAD, head_row(ledger))


def head_row(ledger: Ledger) -> bytes:
    """How the vault keeps the newest line of a ledger."""
    head = ledger.head()
    return json.dumps([head.length, head.sha256]).encode()
