"""The ways back in: after a lost key, and to a vault that its owner put back herself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dressform.consent import ledger as consent_ledger
from dressform.consent.gate import EVERYTHING, MOST_GRACE_DAYS, fold, grace_ends
from dressform.consent.ledger import Entry, Head, Ledger, refuse_older
from dressform.consent.lineage import forgotten
from dressform.errors import Tampered
from dressform.vault import owner as owners
from dressform.vault import vault, witness
from dressform.vault.owner import Ask, Owner
from dressform.vault.vault import Vault
from dressform.workspace import finishing
from dressform.workspace.ledger_head import HEAD, head_row, kept_as, read_head
from dressform.workspace.workspace import OWNER


def accept_older(root: Path, ask: Ask | None = None) -> None:
    """Take a vault that its owner put back herself as the newest one."""
    found = vault.open_(root / "vault", owners.load(ask).identity)
    known(found)
    found.close()


def recover(root: Path, ask: Ask) -> None:
    """Open a vault with its recovery key and let the person's key (made where there is none) open it from now on.

    The old ledger was signed with the lost key: it is kept beside the new one, whose first line names its head, and nothing is permitted
    until it is agreed anew. What was prohibited or taken back there stays so, and what was made of what is known on. Raises Locked
    where the recovery key does not open the vault.
    """
    found = vault.open_(root / "vault", ask("recovery key"))
    owner = owners.load(ask) if owners.exists() else owners.make()
    found.set_person("owner", owner.recipient)
    renew_ledger(found, root, owner)
    known(found)
    found.close()


def known(found: Vault) -> None:
    """Let this machine know the vault as it is now, and her finished pictures as hers."""
    witness.hold(owners.home(), found.id, found.mark)
    witness.keep(owners.home(), found.id, found.index.head)
    finishing.keep_anchor(found, found.id)


def renew_ledger(found: Vault, root: Path, owner: Owner) -> None:
    """Begin the ledger beside a vault anew in the name of this owner, where her lost key has signed it. See ``recover``."""
    public = owner.signing_key.public_key().public_bytes_raw()
    if (before := found.read(OWNER)) == public:
        return
    old, head = root / consent_ledger.NAME, read_head(found)
    kept, new = root / kept_as(head.length), root / f".{consent_ledger.NAME}.new"
    lines = _lines(Ledger(kept if kept.exists() else old, before), head)  # kept: one who was interrupted asks again
    new.unlink(missing_ok=True)
    ledger = Ledger(new, public)
    statement = f"recovered after a lost key; the ledger before this one is {kept.name} with {head.length} lines"
    ledger.append(owner.signing_key, "attest", datetime.now(UTC), statement=statement, evidence=[head.sha256])
    _carry_over(lines, ledger, owner)
    newest = head_row(ledger)
    if old.exists() and not kept.exists():
        old.rename(kept)
    new.rename(old)
    (root / f".{new.name}.lock").unlink(missing_ok=True)
    found.write_all({OWNER: public, HEAD: newest})


def _lines(old: Ledger, seen: Head) -> Sequence[Entry] | None:
    """The lines of the old ledger, or None where it cannot be trusted: changed, or shorter than the vault saw it."""
    try:
        refuse_older(old.entries(), seen)
        return old.entries()
    except Tampered:
        return None


def _carry_over(lines: Sequence[Entry] | None, ledger: Ledger, owner: Owner) -> None:
    """Write into the new ledger what the old one holds against anything, and what came from what; where nobody can tell, all is taken
    back until it is agreed anew, and nothing shredded."""
    now, key = datetime.now(UTC), owner.signing_key
    if lines is None:
        ledger.append(key, "revoke", now, assets=[EVERYTHING], grace_days=MOST_GRACE_DAYS)
        return
    state, forgettings, written = fold(lines), forgotten(lines), dict[str, str]()
    for line in lines:
        body = line.body
        if line.kind == "use":
            written[line.sha256] = ledger.append(key, "use", now, **body).sha256
        elif line.sha256 in forgettings:
            ledger.append(key, "attest", now, statement=body["statement"], evidence=[written.get(e, e) for e in body["evidence"]])
        elif line.kind == "revoke":
            for asset in state.revoked.keys() & {*body["assets"]}:
                left = max(timedelta(), grace_ends(state.revoked[asset]) - now)
                ledger.append(key, "revoke", now, assets=[asset], grace_days=-(-left // timedelta(days=1)))
    if state.prohibited:
        ledger.append(key, "narrow", now, prohibit=sorted(state.prohibited))
