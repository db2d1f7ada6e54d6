"""The ledger says what was agreed and nothing else; the gate agrees with a small reference on random histories."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dressform.consent import ledger as ledgers
from dressform.consent import lineage
from dressform.consent.gate import EVERYTHING, Gate, Grant, fold
from dressform.consent.ledger import EMPTY, Head, Ledger
from dressform.consent.scopes import CAREFUL, PLAIN_WORDS, SCOPES
from dressform.errors import BadInput, Full, Refused, Tampered
from tests.reference_gate import allowed, histories, written

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def agreed(**changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "subject": {"name": "aoi", "kind": "original", "age": 24}, "assets": [EVERYTHING], "permit": sorted(CAREFUL),
        "prohibit": [], "limits": {}, "on_revoke": {}, "notice": {},
    }  # fmt: skip
    return body | changes


def gate(ledger: Ledger, seen: Head = EMPTY, minutes: int = 60) -> Gate:
    return Gate(ledger, lambda: seen, lambda: "base", lambda: at(minutes))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "consent.jsonl", PUBLIC)


def test_absent_means_no(ledger: Ledger) -> None:
    for scope in SCOPES:
        with pytest.raises(Refused, match="nothing in the consent ledger permits it"):
            gate(ledger).need(scope)


def test_what_is_agreed_holds_and_nothing_more(ledger: Ledger) -> None:
    entry = ledger.append(KEY, "grant", at(0), **agreed())
    found = gate(ledger).need("train:outfit", "neutral", "outfit:dress")
    assert found.entry == entry.sha256 and found.assets == ("neutral", "outfit:dress")
    for scope in ("publish", "export:identity", "export:outfit"):
        with pytest.raises(Refused):
            gate(ledger).need(scope)


def test_a_grant_cannot_be_made_by_hand() -> None:
    with pytest.raises(Refused, match="gate alone"):
        Grant("publish", "x", (), object())  # type: ignore[arg-type]


def test_a_prohibition_wins_and_a_revocation_ends(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(0), **agreed())
    ledger.append(KEY, "narrow", at(1), prohibit=["dress"])
    with pytest.raises(Refused, match="prohibits"):
        gate(ledger).need("dress")
    held = gate(ledger).need("train:outfit", "outfit:dress")
    ledger.append(KEY, "revoke", at(2), assets=["outfit:dress"], grace_days=7)
    with pytest.raises(Refused, match="revoked"):
        gate(ledger).holds(held)
    assert gate(ledger).need("train:outfit", "outfit:coat")
    ledger.append(KEY, "revoke", at(3), assets=[EVERYTHING], grace_days=0)
    assert not any(gate(ledger).permitted(["neutral", "outfit:coat"]).values())


def test_a_full_ledger_takes_what_takes_back_and_nothing_else(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append(KEY, "grant", at(0), **agreed())
    monkeypatch.setattr(ledgers, "FILE_LIMIT_BYTES", len(ledger.file.read_bytes()) + 4000)
    monkeypatch.setattr(ledgers, "_KEPT_FREE_BYTES", {"revoke": 0, "narrow": 0, "forgetting": 1500, "use": 3500})
    before = ledger.file.read_bytes()
    with pytest.raises(Full, match="is full"):
        ledger.append(KEY, "use", at(1), action="dress", grant="", assets=[], inputs=["x" * 500], outputs=[])
    assert ledger.file.read_bytes() == before
    with pytest.raises(Full, match="is full"):
        ledger.append(KEY, "attest", at(1), statement="wrote contact sheets", evidence=["x" * 1000])
    ledger.append_forgetting(KEY, at(1), statement="x" * 1000, evidence=[])
    with pytest.raises(Full, match="is full"):
        ledger.append_forgetting(KEY, at(1), statement="x" * 1000, evidence=[])
    ledger.append(KEY, "revoke", at(1), assets=[EVERYTHING], grace_days=0)
    monkeypatch.setattr(ledgers, "LINE_LIMIT_BYTES", 100)
    with pytest.raises(Full, match="do less at once"):
        ledger.append(KEY, "narrow", at(2), prohibit=["dress"])
    with pytest.raises(BadInput, match="not the owner's"):
        ledger.refuse_other_key(Ed25519PrivateKey.generate())


def test_a_later_grant_permits_what_it_names_and_nothing_that_was_taken_back_before(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(0), **agreed(permit=["add", "dress", "publish"]))
    ledger.append(KEY, "narrow", at(1), prohibit=["publish"])
    ledger.append(KEY, "grant", at(2), **agreed(permit=["publish"], assets=["outfit:coat"]))
    ledger.append(KEY, "revoke", at(3), assets=["outfit:dress"], grace_days=7)
    ledger.append(KEY, "grant", at(4), **agreed(permit=["add"], assets=["outfit:dress"]))
    found = gate(ledger).permitted(["neutral", "outfit:coat", "outfit:dress"])
    assert found["publish"] == ("outfit:coat",), "the prohibition was lifted for the coat alone"
    assert found["dress"] == ("neutral", "outfit:coat"), "the dress is agreed to again for adding alone"
    assert found["add"] == ("neutral", "outfit:coat", "outfit:dress")
    again = ledger.append(KEY, "grant", at(5), **agreed(permit=["dress"], assets=["outfit:dress"]))
    held = gate(ledger).need("dress", "neutral", "outfit:dress")
    assert held.entry == again.sha256, "what two lines permit for one thing each is permitted for both"


def test_a_line_written_between_two_looks_is_no_older_copy(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(0), **agreed())

    def seen() -> Head:
        ledger.append(KEY, "narrow", at(1), prohibit=["publish"])  # as another process does, which keeps the head after it
        return ledger.head()

    assert Gate(Ledger(ledger.file, PUBLIC), seen, lambda: "base", lambda: at(60)).need("dress")


def test_consent_is_taken_back_with_the_clock_behind(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(10), **agreed())
    entry = ledger.append(KEY, "revoke", at(5), assets=[EVERYTHING], grace_days=0)
    assert entry.at == at(10) and EVERYTHING in gate(ledger).state().revoked


def test_a_line_with_endless_days_of_grace_does_not_close_the_ledger(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(0), **agreed())
    ledger.append(KEY, "revoke", at(1), assets=["outfit:dress"], grace_days=10**11)
    assert gate(ledger).need("train:outfit", "outfit:coat")
    taken, grace = gate(ledger).state().revoked["outfit:dress"]
    assert taken + grace > taken


def test_limits_of_time_and_base_model(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(0), **agreed(limits={"expires": at(30).isoformat()}))
    assert gate(ledger, minutes=29).need("dress")
    with pytest.raises(Refused, match=f"ended on {at(30).astimezone():%Y-%m-%d}"):
        gate(ledger, minutes=31).need("dress")
    ledger.append(KEY, "grant", at(1), **agreed(limits={"base_models": ["another"]}))
    with pytest.raises(Refused, match="another base model"):
        gate(ledger, minutes=31).need("dress")


def test_a_clock_before_the_ledger_opens_nothing(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(10), **agreed())
    with pytest.raises(Refused, match="clock"):
        gate(ledger, minutes=5).need("dress")


def test_every_changed_line_is_seen(ledger: Ledger) -> None:
    for i in range(4):
        ledger.append(KEY, "grant", at(i), **agreed())
    whole = ledger.file.read_bytes()
    lines = whole.splitlines(keepends=True)
    harmed = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(0, len(whole), 7)]
    harmed += [b"".join(lines[1:]), b"".join([lines[0], *lines[2:]]), b"".join(reversed(lines)), whole[:-5], whole + lines[0]]
    for data in harmed:
        ledger.file.write_bytes(data)
        with pytest.raises(Tampered):
            Ledger(ledger.file, PUBLIC).entries()


def test_a_ledger_put_back_from_an_older_copy_is_seen(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(0), **agreed())
    older = ledger.file.read_bytes()
    ledger.append(KEY, "revoke", at(1), assets=[EVERYTHING], grace_days=0)
    seen = ledger.head()
    ledger.file.write_bytes(older)
    with pytest.raises(Tampered, match="older copy"):
        gate(Ledger(ledger.file, PUBLIC), seen).need("dress")


def test_another_persons_lines_and_unknown_words_are_not_believed(ledger: Ledger) -> None:
    other = Ed25519PrivateKey.generate()
    forged = Ledger(ledger.file, other.public_key().public_bytes_raw())
    forged.append(other, "grant", at(0), **agreed())
    with pytest.raises(Tampered, match="another key"):
        ledger.entries()
    ledger.file.unlink()
    with pytest.raises(BadInput, match="entry has"):
        ledger.append(KEY, "grant", at(0), permit=["dress"])
    with pytest.raises(Tampered, match="not known"):
        ledger.append(KEY, "grant", at(0), **agreed(permit=["everything"]))
    assert not ledger.file.exists()


def test_what_came_from_a_revoked_thing_is_found_at_any_distance(ledger: Ledger) -> None:
    def use(action: str, assets: list[str], inputs: list[str], outputs: list[str]) -> None:
        ledger.append(KEY, "use", at(1), action=action, grant="g", assets=assets, inputs=inputs, outputs=outputs)

    use("add", ["neutral"], [], ["n1", "n2"])
    use("add", ["outfit:dress"], [], ["d1"])
    use("add", ["outfit:coat"], [], ["c1"])
    use("train:identity", ["neutral"], ["n1", "n2"], ["who"])
    use("train:outfit", ["neutral", "outfit:dress"], ["who", "d1"], ["dress"])
    use("train:outfit", ["neutral", "outfit:coat"], ["who", "c1"], ["coat"])
    use("dress", ["neutral", "outfit:dress"], ["who", "dress"], ["picture"])
    entries = ledger.entries()
    assert lineage.descended(entries, ["outfit:dress"]) == {"d1", "dress", "picture"}
    assert lineage.descended(entries, ["neutral"]) == {"n1", "n2", "who", "dress", "coat", "picture"}
    assert lineage.descended(entries, []) == frozenset()
    assert len(lineage.descended(entries, [EVERYTHING])) == 8


def test_every_scope_is_said_in_plain_words() -> None:
    for words in PLAIN_WORDS.values():
        assert set(words) == set(SCOPES) and all(words.values())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), asset=st.sampled_from(["neutral", "outfit:dress", "outfit:coat"]), minutes=st.integers(0, 200))
def test_the_gate_agrees_with_the_reference(tmp_path: Path, history: list[dict[str, object]], asset: str, minutes: int) -> None:
    file = tmp_path / "consent.jsonl"
    file.unlink(missing_ok=True)
    ledger = Ledger(file, PUBLIC)
    written(ledger, KEY, history, START)
    now = max(minutes, len(history))
    asking = gate(ledger, minutes=now)
    for scope in SCOPES:
        try:
            asking.need(scope, asset)
            given_ = True
        except Refused:
            given_ = False
        assert given_ == allowed(history, scope, asset, now), (scope, json.dumps(history))


def test_folding_is_pure(ledger: Ledger) -> None:
    ledger.append(KEY, "grant", at(0), **agreed())
    entries = ledger.entries()
    assert fold(entries) == fold(list(entries))
