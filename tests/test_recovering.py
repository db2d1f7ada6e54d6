"""A ledger that is carried over says of everything what the old one said, also where the carrying was broken off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dressform.consent import lineage
from dressform.consent.gate import fold, grace_ends
from dressform.consent.ledger import Ledger
from dressform.vault import owner, vault
from dressform.workspace import recovering
from dressform.workspace.ledger_head import HEAD, head_row, read_head
from dressform.workspace.workspace import OWNER


@pytest.fixture
def old(tmp_path: Path) -> tuple[Ledger, Ed25519PrivateKey]:
    key = Ed25519PrivateKey.generate()
    return Ledger(tmp_path / "consent.jsonl", key.public_key().public_bytes_raw()), key


def history(ledger: Ledger, key: Ed25519PrivateKey) -> datetime:
    """A picture that was added as the wrong thing, an outfit taken back 20 hours before its end, and something prohibited."""
    now = datetime.now(UTC)

    def used(asset: str, outputs: list[str]) -> str:
        body = {"action": "add", "grant": "", "assets": [asset], "inputs": [], "outputs": outputs}
        return ledger.append(key, "use", now - timedelta(days=9), **body).sha256

    line = used("outfit:dress", ["p1"])
    ledger.append(key, "attest", now - timedelta(days=9), statement=f"{lineage.TOOK_BACK} of line 1", evidence=[line])
    used("outfit:coat", ["p1"])
    used("outfit:dress", ["p2"])
    ledger.append(key, "revoke", now - timedelta(days=7) + timedelta(hours=20), assets=["outfit:dress"], grace_days=7)
    ledger.append(key, "narrow", now, prohibit=["publish"])
    return now


def test_what_is_carried_over_is_what_was(old: tuple[Ledger, Ed25519PrivateKey], tmp_path: Path) -> None:
    ledger, key = old
    now, another = history(ledger, key), owner.make() if not owner.exists() else owner.load()
    new = Ledger(tmp_path / "new.jsonl", another.signing_key.public_key().public_bytes_raw())
    recovering._carry_over(ledger.entries(), new, another)
    for entries in (ledger.entries(), new.entries()):
        assert lineage.descended(entries, ["outfit:dress"]) == {"p2"}
        assert fold(entries).prohibited == {"publish"} and set(fold(entries).revoked) == {"outfit:dress"}
    assert timedelta(hours=20) <= grace_ends(fold(new.entries()).revoked["outfit:dress"]) - now <= timedelta(hours=25), "never sooner"


def test_one_who_is_interrupted_recovers_the_same(
    old: tuple[Ledger, Ed25519PrivateKey], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dressform.vault import keys

    ledger, key = old
    history(ledger, key)
    recovery = keys.new_identity()
    sealed = vault.create(tmp_path / "vault", {"recovery": keys.recipient_of(recovery)})
    sealed.write_all({OWNER: key.public_key().public_bytes_raw(), HEAD: head_row(ledger)})
    sealed.close()
    for where, broken in ((recovering, "_carry_over"), (recovering, "head_row"), (vault.Vault, "write_all")):
        with monkeypatch.context() as patch:
            patch.setattr(where, broken, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                recovering.recover(tmp_path, lambda _: recovery)
    recovering.recover(tmp_path, lambda _: recovery)
    opened = vault.open_(tmp_path / "vault", owner.load().identity)
    found = Ledger(tmp_path / "consent.jsonl", opened.read(OWNER)).entries()
    assert read_head(opened).length == len(found) and set(fold(found).revoked) == {"outfit:dress"}
    assert (tmp_path / "consent-until-6.jsonl").exists()
    opened.close()
