"""A backup put back: everything in it, with the person's key or the recovery key, or nothing at all."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyrage
import pytest

from dressform.consent.gate import fold
from dressform.consent.scopes import CAREFUL
from dressform.errors import BadInput, Locked, Refused, StoreError, Tampered
from dressform.layfigure import samples
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.vault import owner
from dressform.vault.check import check
from dressform.vault.export import export
from dressform.workspace import consenting, creating, finishing, recovering, restoring, workspace
from dressform.workspace.ledger_head import HEAD
from dressform.workspace.workspace import OWNER


@pytest.fixture
def aoi(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes the character aoi, with an outfit and things agreed, and a backup of her; her recovery key."""
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "home"))
    recovery = creating.create(tmp_path / "aoi", creating.Asked("aoi", 24, base_model=str(tiny_base)))
    samples.draw(tmp_path / "dress", HELD_OUT_IDENTITIES["aoi"], HELD_OUT_DESIGNS["dress-a"], 2, seed=0, size=32)
    with workspace.opened(tmp_path / "aoi") as her:
        her.add([tmp_path / "dress"], "dress")
        consenting.narrow(her, ("publish",), "en")
        back_up(her, tmp_path / "aoi.age")
    return recovery


def back_up(her: workspace.Workspace, file: Path) -> None:
    export(workspace.sealed(her), file, workspace.backed_up_for(her), consenting.withheld(her), workspace.in_the_clear(her.root))


def never(question: str) -> str:
    pytest.fail(f"asked for {question}")


def packed(file: Path, parts: Mapping[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    """A backup that somebody else made, sealed to the person's key."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        for name, data in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, "/etc/passwd"
            out.addfile(entry, io.BytesIO(data))
    file.write_bytes(pyrage.encrypt(tar.getvalue(), [pyrage.x25519.Recipient.from_str(owner.load().recipient)]))
    return file


def test_all_of_her_is_back_and_goes_on(aoi: str, tmp_path: Path) -> None:
    found = restoring.restore(tmp_path / "aoi.age", tmp_path / "again", never)
    assert found.recovery not in (None, aoi) and not found.anew
    with workspace.opened(tmp_path / "aoi") as before, workspace.opened(tmp_path / "again") as her:
        names = list(before.store.list())
        assert list(her.store.list()) == names and her.character == before.character
        changed = [name for name in names if her.store.read(name) != before.store.read(name)]
        assert changed == [workspace.RECOVERY], "a new recovery key opens it"
        assert consenting.verify(her) == consenting.verify(before) and her.gate.state().prohibited == {"publish"}
        assert check(workspace.sealed(her), True, lambda *_: None).whole
        assert workspace.sealed(her).id != workspace.sealed(before).id
        consenting.grant(her, CAREFUL, (), None, "en")
    assert not list(tmp_path.glob(".*.part"))


def test_each_key_opens_what_it_should(aoi: str, tmp_path: Path) -> None:
    new = restoring.restore(tmp_path / "aoi.age", tmp_path / "again", never).recovery
    assert new is not None
    for folder, opens, refused in (("aoi", aoi, new), ("again", new, aoi)):
        workspace.vault.open_(tmp_path / folder / "vault", opens).close()
        with pytest.raises(Locked):
            workspace.vault.open_(tmp_path / folder / "vault", refused)


def test_after_a_loss_the_recovery_key_opens_it_and_nothing_is_permitted(aoi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with workspace.opened(tmp_path / "aoi") as her:
        look = finishing.finished(np.zeros((32, 32, 3), np.uint8), finishing.credentials(her.store))
    (tmp_path / "look.png").write_bytes(look)
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "another"))
    with pytest.raises(Locked, match="recovery key"):
        restoring.restore(tmp_path / "aoi.age", tmp_path / "again", lambda _: workspace.vault.keys.new_identity())
    assert not owner.exists() and not (tmp_path / "again").exists(), "a wrong key leaves nothing behind"
    assert restoring.restore(tmp_path / "aoi.age", tmp_path / "again", lambda _: f" {aoi}\n") == restoring.Restored(None, True)
    with workspace.opened(tmp_path / "again") as her:
        state = fold(her.gate.ledger.entries())
        assert state.prohibited == {"publish"} and not any(her.permitted().values()) and len(her.pictures("dress")) == 2
        assert (tmp_path / "again" / f"consent-until-{len(_old(tmp_path))}.jsonl").exists()
    workspace.vault.open_(tmp_path / "again" / "vault", aoi).close()
    assert finishing.verify(tmp_path / "look.png").state == "ours", "her pictures are known on a new machine"


def _old(tmp_path: Path) -> list[str]:
    return (tmp_path / "aoi" / "consent.jsonl").read_text().splitlines()


def test_what_was_taken_back_since_is_said_by_the_newer_ledger_alone(aoi: str, tmp_path: Path) -> None:
    with workspace.opened(tmp_path / "aoi") as her:
        consenting.revoke(her, ["dress"], 0)
        consenting.shred(her)
        back_up(her, tmp_path / "later.age")
    restoring.restore(tmp_path / "later.age", tmp_path / "again", never)
    with workspace.opened(tmp_path / "again") as her:
        assert not her.pictures("dress") and set(her.gate.state().revoked) == {"outfit:dress"}


def test_a_ledger_that_grows_while_the_backup_is_written_is_no_older_copy(
    aoi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with workspace.opened(tmp_path / "aoi") as her:
        sealed, given = workspace.sealed(her), workspace.in_the_clear(her.root)
        read = sealed.read
        monkeypatch.setattr(sealed, "read", lambda name: (name == HEAD and consenting.narrow(her, ("measure",), "en"), read(name))[1])
        export(sealed, tmp_path / "meanwhile.age", workspace.backed_up_for(her), (), given)
    restoring.restore(tmp_path / "meanwhile.age", tmp_path / "again", never)
    with workspace.opened(tmp_path / "again") as her:
        assert her.gate.state().prohibited == {"publish", "measure"}


def test_what_is_no_backup_or_is_damaged_leaves_nothing(aoi: str, tmp_path: Path) -> None:
    whole = (tmp_path / "aoi.age").read_bytes()
    with workspace.opened(tmp_path / "aoi") as her:
        public = her.store.read(OWNER)
    wrong = {
        "cut": whole[: len(whole) // 2],
        "cut in its head": whole[:50],
        "changed": whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:],
        "empty": b"",
        "no age file": b"hello, world",
        "no tar": pyrage.encrypt(b"x" * 9000, [pyrage.x25519.Recipient.from_str(owner.load().recipient)]),
    }
    for name, data in wrong.items():
        (tmp_path / name).write_bytes(data)
    packed(tmp_path / "nothing in it", {})
    packed(tmp_path / "no ledger", {"character.toml": b"x", OWNER: public, HEAD: b'[0, ""]'})
    packed(tmp_path / "outside", {"../outside": b"x"})
    packed(tmp_path / "from the root", {"/tmp/outside": b"x"})
    packed(tmp_path / "a long name", {"x" * 5000 + "!": b"x"})
    packed(tmp_path / "a link", {"pictures/link": b""}, tarfile.SYMTYPE)
    packed(tmp_path / "a device", {"pictures/null": b""}, tarfile.CHRTYPE)
    before = {p.name for p in tmp_path.iterdir()}
    for file in sorted(tmp_path.iterdir()):
        if not file.is_file() or file.name == "aoi.age":
            continue
        with pytest.raises(BadInput) as refused:
            restoring.restore(file, tmp_path / "again", never)
        assert len(str(refused.value)) < 500 and "\n" not in str(refused.value), file.name
    assert {p.name for p in tmp_path.iterdir()} == before and not Path("/tmp/outside").exists()


def test_a_forged_ledger_opens_nothing(aoi: str, tmp_path: Path) -> None:
    with workspace.opened(tmp_path / "aoi") as her:
        rows = {name: her.store.read(name) for name in her.store.list()}
        beside = {name: path.read_bytes() for name, path in workspace.in_the_clear(her.root).items()}
    lines = beside["consent.jsonl"].splitlines(keepends=True)
    shorter, changed = b"".join(lines[:-1]), beside["consent.jsonl"].replace(b"publish", b"measure")
    for ledger in (shorter, changed):
        packed(tmp_path / "forged", {**rows, **beside, "consent.jsonl": ledger})
        with pytest.raises(Tampered):
            restoring.restore(tmp_path / "forged", tmp_path / "again", never)
    assert not (tmp_path / "again").exists()


def test_a_folder_that_is_there_and_a_file_that_is_not_are_named(aoi: str, tmp_path: Path) -> None:
    for file, folder, match in (("aoi.age", "aoi", "there already"), ("none.age", "again", "no such file")):
        with pytest.raises(BadInput, match=match):
            restoring.restore(tmp_path / file, tmp_path / folder, never)


def test_one_who_is_interrupted_leaves_nothing(aoi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name for p in tmp_path.iterdir()}
    monkeypatch.setattr(workspace.vault.Vault, "write_all", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        restoring.restore(tmp_path / "aoi.age", tmp_path / "again", never)
    assert {p.name for p in tmp_path.iterdir()} == before


# what a stranger may seal to her key -----------------------------------------------------------------------
def rows_of(her: workspace.Workspace) -> dict[str, bytes]:
    return {**{n: her.store.read(n) for n in her.store.list()}, **{n: p.read_bytes() for n, p in workspace.in_the_clear(her.root).items()}}


@pytest.mark.parametrize("head", [b"x", b"{}", b'["a", "b"]', b'["/../../../evil", "b"]', b'[-1, ""]', b'[3, "zz"]', b"[" * 5000])
def test_a_head_that_is_none_is_refused_before_it_names_a_file(aoi: str, tmp_path: Path, head: bytes) -> None:
    with workspace.opened(tmp_path / "aoi") as her:
        packed(tmp_path / "forged", {**rows_of(her), HEAD: head})
    with pytest.raises(Tampered, match="restore the vault"):
        restoring.restore(tmp_path / "forged", tmp_path / "again", never)
    assert not (tmp_path / "again").exists()


def test_only_her_owner_puts_her_back(aoi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another person who can open the vault can make a backup of it, and is not its owner for that."""
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "another"))
    other = owner.make()
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "home"))
    with workspace.opened(tmp_path / "aoi") as her:
        export(workspace.sealed(her), tmp_path / "hers.age", [other.recipient], (), workspace.in_the_clear(her.root))
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "another"))
    with pytest.raises(Refused, match="another person is her owner"):
        restoring.restore(tmp_path / "hers.age", tmp_path / "again", never)


def test_an_old_key_of_hers_is_not_taken_for_the_recovery_key(aoi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = owner.load().identity
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "another"))
    found = restoring.restore(tmp_path / "aoi.age", tmp_path / "again", lambda _: old)
    assert found.anew and found.recovery not in (None, aoi, old)
    with pytest.raises(Locked):
        workspace.vault.open_(tmp_path / "again" / "vault", old)
    workspace.vault.open_(tmp_path / "again" / "vault", found.recovery or "").close()


def test_a_long_head_is_refused_at_once_and_a_damaged_end_leaves_no_key(aoi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stanza = b"-> X25519 " + b"A" * 43 + b"\n" + b"A" * 43 + b"\n"
    (tmp_path / "long").write_bytes(b"age-encryption.org/v1\n" + stanza * 100_000 + b"--- " + b"A" * 43 + b"\n" + b"x" * 100)
    with pytest.raises(BadInput, match="no backup"):
        restoring.restore(tmp_path / "long", tmp_path / "again", never)
    with workspace.opened(tmp_path / "aoi") as her:
        her.store.write("drafts/large", b"x" * 300_000)
        back_up(her, tmp_path / "large.age")
    (tmp_path / "large.age").write_bytes((tmp_path / "large.age").read_bytes()[:-30])
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "another"))
    with pytest.raises(BadInput, match="damaged"):
        restoring.restore(tmp_path / "large.age", tmp_path / "again", lambda _: aoi)
    assert not owner.exists()


def test_tars_made_to_break_their_reader_are_refused(aoi: str, tmp_path: Path) -> None:
    def made(**pax: str) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            entry = tarfile.TarInfo("pictures/a")
            entry.size, entry.pax_headers = 4, pax
            tar.addfile(entry, io.BytesIO(b"abcd"))
        return out.getvalue()

    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 5
    nested = (long_name.tobuf(tarfile.GNU_FORMAT) + b"name\0".ljust(512, b"\0")) * 3000
    wrong = [made(**{"GNU.sparse.size": "x"}), made(**{"GNU.sparse.map": "0,x"}), made(uname="x"), nested]
    for i, tar in enumerate(wrong):
        (tmp_path / f"{i}.age").write_bytes(pyrage.encrypt(tar, [pyrage.x25519.Recipient.from_str(owner.load().recipient)]))
        with pytest.raises(BadInput, match="no backup"):
            restoring.restore(tmp_path / f"{i}.age", tmp_path / "again", never)


def test_odd_folders_are_refused_or_filled_and_nothing_lies_beside(aoi: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / ".again.part").symlink_to(target)
    for folder in ("dangling", "target/..", "target", "x" * 300):
        with pytest.raises((BadInput, StoreError)):
            restoring.restore(tmp_path / "aoi.age", tmp_path / folder, never)
    with pytest.raises(BadInput, match="no such file"):
        restoring.restore(tmp_path / ("x" * 300), tmp_path / "again", never)
    restoring.restore(tmp_path / "aoi.age", tmp_path / "again", never)
    assert not list(target.iterdir()) and (tmp_path / "again").is_dir() and not (tmp_path / "again").is_symlink()


def test_ledgers_from_before_a_recovery_are_in_a_backup_too(aoi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "another"))
    recovering.recover(tmp_path / "aoi", lambda _: aoi)
    with workspace.opened(tmp_path / "aoi") as her:
        back_up(her, tmp_path / "later.age")
    restoring.restore(tmp_path / "later.age", tmp_path / "again", never)
    before = {p.name: p.read_bytes() for p in (tmp_path / "aoi").glob("consent*")}
    assert len(before) == 2 and {p.name: p.read_bytes() for p in (tmp_path / "again").glob("consent*")} == before
    assert not list((tmp_path / "aoi").glob(".*new*"))
