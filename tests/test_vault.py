"""The vault keeps what it is given, and gives back nothing that was changed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from dressform.errors import BadInput, Locked, Refused, StoreError, Tampered
from dressform.vault import keys, owner, vault, witness
from dressform.vault.check import check, forget_encodings, remove_strays
from dressform.vault.export import export
from dressform.workspace import health


@pytest.fixture
def identity() -> str:
    return keys.new_identity()


@pytest.fixture
def sealed(tmp_path: Path, identity: str) -> vault.Vault:
    made = vault.create(tmp_path / "vault", {"owner": keys.recipient_of(identity)})
    for i in range(6):
        made.write(f"pictures/{i}.png", bytes([i]) * (1000 + i))
    made.write("adapters/identity.safetensors", b"weights of aoi")
    return made


def test_it_gives_back_what_it_was_given_after_closing(sealed: vault.Vault, identity: str) -> None:
    sealed.write("pictures/0.png", b"new")
    sealed.delete("pictures/1.png")
    sealed.close()
    again = vault.open_(sealed.root, identity)
    assert again.read("pictures/0.png") == b"new"
    assert list(again.list("pictures/")) == [f"pictures/{i}.png" for i in (0, 2, 3, 4, 5)]
    assert "pictures/1.png" not in again
    assert check(again, read_data=True).whole
    assert check(again).strays == ()


def test_nothing_readable_is_on_the_disk(sealed: vault.Vault) -> None:
    for file in sealed.root.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not any(word in data for word in (b"aoi", b"weights", b"pictures", b"identity", b"\x03" * 16))


def test_another_key_opens_nothing(sealed: vault.Vault) -> None:
    with pytest.raises(Locked, match="does not open"):
        vault.open_(sealed.root, keys.new_identity())


def test_a_second_person_opens_it_once_added(sealed: vault.Vault) -> None:
    friend = keys.new_identity()
    sealed.add_person("friend", keys.recipient_of(friend))
    assert vault.open_(sealed.root, friend).read("adapters/identity.safetensors") == b"weights of aoi"
    with pytest.raises(BadInput, match="age recipient"):
        sealed.add_person("other", "ssh-rsa AAAA")


def test_two_openings_see_each_others_changes(sealed: vault.Vault, identity: str) -> None:
    other = vault.open_(sealed.root, identity)
    other.write("captions/new", b"x")
    assert sealed.read("captions/new") == b"x"
    sealed.write("captions/newer", b"y")
    assert "captions/newer" in other


def test_every_single_changed_byte_is_seen(sealed: vault.Vault, identity: str, tmp_path: Path) -> None:
    """A sample of what benchmarks/trust/tampering.py does 10,000 times."""
    from benchmarks.trust.tampering import harm, survives

    sealed.close()
    rng = random.Random(0)
    for i in range(60):
        copy = tmp_path / f"copy{i}"
        shutil.copytree(sealed.root, copy)
        what = harm(copy, rng)
        assert not survives(copy, identity), what
        shutil.rmtree(copy)


def test_a_whole_older_vault_is_seen_by_the_witness(sealed: vault.Vault, identity: str, tmp_path: Path) -> None:
    witness.check(witness.read(tmp_path, sealed.id), sealed.index.head)
    sealed.close()
    shutil.copytree(sealed.root, tmp_path / "older")
    now = vault.open_(sealed.root, identity)
    now.write("pictures/9.png", b"later")
    witness.keep(tmp_path, now.id, now.index.head)
    witness.check(witness.read(tmp_path, now.id), now.index.head)
    older = vault.open_(tmp_path / "older", identity)
    with pytest.raises(Tampered, match="older copy"):
        witness.check(witness.read(tmp_path, older.id), older.index.head)
    older.write("pictures/8.png", b"a different history of the same length")
    with pytest.raises(Tampered, match="older copy"):
        witness.check(witness.read(tmp_path, older.id), older.index.head)


def test_what_was_committed_before_an_interruption_is_known_after_it(
    sealed: vault.Vault, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        """The database, and Ctrl-C in the moment after a commit."""

        def __init__(self, real: sqlite3.Connection) -> None:
            self._real, self.armed = real, True

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        def execute(self, statement: str, *values: object) -> object:
            found = self._real.execute(statement, *values)
            if statement == "commit" and self.armed:
                self.armed = False
                raise KeyboardInterrupt
            return found

    monkeypatch.setattr(sealed.index, "_db", Interrupted(sealed.index._db))
    with pytest.raises(KeyboardInterrupt):
        sealed.write("pictures/8.png", b"in time")
    sealed.write("pictures/9.png", b"after")
    assert sealed.read("pictures/8.png") == b"in time"
    sealed.close()
    again = vault.open_(sealed.root, identity)
    assert again.read("pictures/8.png") == b"in time" and again.read("pictures/9.png") == b"after"


def test_what_another_process_replaces_while_it_is_read_is_read_anew(
    sealed: vault.Vault, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.write("consent/head", b"old")
    other, real = vault.open_(sealed.root, identity), vault.read_at_most

    def replaced_first(file: Path, limit_bytes: int) -> bytes:
        monkeypatch.setattr(vault, "read_at_most", real)
        other.write("consent/head", b"new")
        return real(file, limit_bytes)

    monkeypatch.setattr(vault, "read_at_most", replaced_first)
    assert sealed.read("consent/head") == b"new"


def test_a_person_is_not_replaced_by_another_of_the_same_name(sealed: vault.Vault, identity: str) -> None:
    with pytest.raises(BadInput, match="there is one of that name"):
        sealed.add_person(sealed.people()[0], keys.recipient_of(keys.new_identity()))
    vault.open_(sealed.root, identity).close()


def test_a_full_disk_leaves_the_old_bytes(sealed: vault.Vault, identity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        sealed.write("pictures/0.png", b"never")
    monkeypatch.undo()
    assert vault.open_(sealed.root, identity).read("pictures/0.png") == bytes(1000)


def test_a_newer_vault_is_left_alone(sealed: vault.Vault, identity: str) -> None:
    card = sealed.root / "VAULT.json"
    card.write_text(card.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(BadInput, match="update dressform"):
        vault.open_(sealed.root, identity)


def test_the_stand_alone_decryptor_opens_it(sealed: vault.Vault, identity: str, tmp_path: Path) -> None:
    sealed.close()
    (tmp_path / "key").write_text(identity)
    subprocess.run([sys.executable, "examples/open_vault.py", sealed.root, tmp_path / "key", tmp_path / "out"], check=True)
    assert (tmp_path / "out/adapters/identity.safetensors").read_bytes() == b"weights of aoi"
    assert len(list((tmp_path / "out/pictures").iterdir())) == 6
    assert len(Path("examples/open_vault.py").read_text().splitlines()) <= 80


def test_a_backup_opens_with_age_and_tar(sealed: vault.Vault, identity: str, tmp_path: Path) -> None:
    import io
    import tarfile

    import pyrage

    assert export(sealed, tmp_path / "backup.age", [keys.recipient_of(identity)]) == 7
    plain = pyrage.decrypt((tmp_path / "backup.age").read_bytes(), [pyrage.x25519.Identity.from_str(identity)])
    tar = tarfile.open(fileobj=io.BytesIO(plain))
    found = tar.extractfile("adapters/identity.safetensors")
    assert found is not None and found.read() == b"weights of aoi"
    with pytest.raises(BadInput, match="there already"):
        export(sealed, tmp_path / "backup.age", [keys.recipient_of(identity)])


def test_a_backup_of_what_is_taken_back_meanwhile_is_not_kept(sealed: vault.Vault, identity: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="taken back while"):
        export(sealed, tmp_path / "backup.age", [keys.recipient_of(identity)], still=lambda: False)
    assert not [file for file in tmp_path.iterdir() if "backup" in file.name]


def test_what_another_process_writes_anew_while_it_is_checked_is_not_called_ill(
    sealed: vault.Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sealed.index.rows()
    monkeypatch.setattr(sealed.index, "rows", lambda: rows)
    sealed.write("pictures/1.png", b"anew")
    sealed.delete("pictures/2.png")
    assert check(sealed, read_data=True).whole


def test_a_damaged_encoding_is_forgotten_on_request_and_nothing_else_is(sealed: vault.Vault) -> None:
    sealed.write("cache/texts/ab", b"encoded")
    for name in ("cache/texts/ab", "pictures/1.png"):
        row = sealed.index.get(name)
        assert row is not None
        sealed.object_file(row.object).unlink()
    found = check(sealed)
    assert set(found.missing) == set(found.broken) == {"cache/texts/ab", "pictures/1.png"}
    assert forget_encodings(sealed, found) == 1 and check(sealed).broken == ("pictures/1.png",)


def test_strays_are_named_and_removed_only_on_request(sealed: vault.Vault) -> None:
    stray = sealed.root / "obj" / "ab" / ("ab" * 16)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"planted")
    found = check(sealed)
    assert found.strays == ("ab" * 16,) and found.whole and stray.exists()
    assert remove_strays(sealed, found) == 0, "so young a file may be another process's, not made known yet"
    os.utime(stray, (0, 0))
    assert remove_strays(sealed, found) == 1 and not stray.exists()


def test_a_stray_file_whose_name_is_a_pattern_takes_nothing_with_it(sealed: vault.Vault) -> None:
    sealed.write("pictures/1.png", b"hers")
    for file in (sealed.root / "obj").rglob("*"):
        if file.is_file():
            os.utime(file, (0, 0))
            planted = file.with_name("[0-9a-f]*")
    planted.touch()
    os.utime(planted, (0, 0))
    assert remove_strays(sealed, check(sealed)) == 1 and not planted.exists()
    assert check(sealed, read_data=True).whole


@pytest.mark.parametrize("cost", [b"21", b"23", b"99", b"x", b"-1", b"1 8"])
def test_a_costly_key_file_is_refused_before_it_costs(cost: bytes) -> None:
    header = b"age-encryption.org/v1\n-> scrypt c2FsdHNhbHRzYWx0c2FsdA " + cost + b"\nAAAA\n--- mac\n"
    with pytest.raises(BadInput, match="scrypt"):
        keys.unwrap_with_passphrase(header, "x")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person with no key yet, and a session folder of her own."""
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "session"))
    return tmp_path / "home"


def test_the_owners_key_is_private_and_found_again(alone: Path) -> None:
    made = owner.make()
    file = alone / "owner.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert owner.load() == made and made.identity not in repr(made)
    file.chmod(0o644)
    with pytest.raises(Locked, match="chmod 600"):
        owner.load()


def test_a_passphrase_guards_the_key(alone: Path) -> None:
    made = owner.make()
    with pytest.raises(BadInput, match="must agree"):
        owner.protect_with_passphrase(lambda _: "short")
    owner.protect_with_passphrase(lambda _: "a long passphrase")
    assert not (alone / "owner.key").exists()
    with pytest.raises(Locked, match="behind a passphrase"):
        owner.load()
    assert health._key() == health.Finding("your key", True, "behind a passphrase")
    with pytest.raises(Locked, match="wrong passphrase"):
        owner.load(lambda _: "another passphrase")
    owner.unlock(lambda _: "a long passphrase")
    assert owner.load() == made
    assert owner.lock() and not owner.lock()
    with pytest.raises(Locked):
        owner.load()


def test_only_keyrings_of_the_system_are_used() -> None:
    import keyring
    from keyring.backends import null

    keyring.set_keyring(null.Keyring())
    assert owner._keyring() is None
    with pytest.raises(BadInput, match="passphrase instead"):
        owner.protect_with_keyring()


class _Ring(dict[tuple[str, str], str]):
    """A keyring that answers."""

    def get_password(self, service: str, account: str) -> str | None:
        return self.get((service, account))

    def set_password(self, service: str, account: str, secret: str) -> None:
        self[service, account] = secret


def test_the_keyring_takes_the_key_of_the_usual_home_and_never_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = _Ring()
    monkeypatch.setattr(owner, "_keyring", lambda: ring)
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path))
    made = owner.make()
    with pytest.raises(BadInput, match="DRESSFORM_HOME names another"):
        owner.protect_with_keyring()
    monkeypatch.delenv("DRESSFORM_HOME")
    monkeypatch.setattr(owner, "home", lambda: tmp_path)
    ring["dressform", "owner"] = "another key"
    with pytest.raises(BadInput, match="another key"):
        owner.protect_with_keyring()
    assert (tmp_path / "owner.key").exists() and ring["dressform", "owner"] == "another key"
    ring.clear()
    owner.protect_with_keyring()
    assert not (tmp_path / "owner.key").exists() and owner.load() == made


@pytest.mark.skipif(os.name != "posix", reason="descriptors are inherited on POSIX alone")
def test_a_key_comes_through_a_pipe_or_an_open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into_file, from_pipe = keys.new_identity(), keys.new_identity()
    (tmp_path / "key").write_text(f"{into_file}\n")
    out_of, into = os.pipe()
    os.write(into, f"{from_pipe}\n".encode())
    os.close(into)
    with (tmp_path / "key").open() as file:
        for descriptor, wanted in ((file.fileno(), into_file), (out_of, from_pipe)):
            monkeypatch.setenv("DRESSFORM_KEY_FD", str(descriptor))
            assert owner.load().identity == owner.load().identity == wanted
    os.close(out_of)
    owner._piped.cache_clear()


def test_a_busy_machine_is_not_called_a_wrong_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_slow(_wrapped: bytes, _passphrase: str) -> bytes:
        raise pyrage.DecryptError("Excessive work parameter for passphrase.\nDecryption would take around 20 seconds.")

    wrapped = keys.wrap_with_passphrase(b"secret", "right")
    monkeypatch.setattr(pyrage.passphrase, "decrypt", too_slow)
    with pytest.raises(Locked, match="too busy"):
        keys.unwrap_with_passphrase(wrapped, "right")


def test_a_key_from_the_environment_takes_no_other_ones_place(alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = owner.make()
    (tmp_path / "b.key").write_text(keys.new_identity())
    (tmp_path / "b.key").chmod(0o600)
    with monkeypatch.context() as patch:
        patch.setenv("DRESSFORM_KEY_FILE", str(tmp_path / "b.key"))
        with pytest.raises(BadInput, match="another key than the one kept"):
            owner.protect_with_passphrase(lambda _: "a long passphrase")
    assert owner.load() == made and not (alone / "owner.key.age").exists()
    owner.unlock(lambda _: "")
    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "another home"))
    other = owner.make()
    assert owner.load() == other != made, "a session is of one home"
    owner.protect_with_passphrase(lambda _: "a long passphrase")
    assert (tmp_path / "another home" / "owner.key.age").stat().st_mode & 0o777 == 0o600


def test_a_disk_that_refuses_is_no_tampering() -> None:
    import sqlite3

    from dressform.vault import index

    for code, kind in ((sqlite3.SQLITE_IOERR, StoreError), (sqlite3.SQLITE_READONLY, StoreError), (sqlite3.SQLITE_CORRUPT, Tampered)):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code | 0x100
        assert type(index._told(error)) is kind


def test_a_vault_that_somebody_else_made_is_not_taken_for_hers(tmp_path: Path) -> None:
    """Who knows her public half can make a vault of the same id that her key opens."""
    witness.hold(tmp_path, "0a", vault.create(tmp_path / "hers", {}).mark)
    hers = vault.create(tmp_path / "again", {})
    with pytest.raises(Tampered, match="another was put in its place"):
        witness.hold(tmp_path, "0a", hers.mark)
    witness.hold(tmp_path, "0b", hers.mark)
    witness.hold(tmp_path, "0b", hers.mark)


def test_a_backup_opens_with_the_recovery_key_and_holds_what_lies_beside(tmp_path: Path) -> None:
    import io
    import tarfile

    first, second = keys.new_identity(), keys.new_identity()
    made = vault.create(tmp_path / "v", {"owner": keys.recipient_of(first)})
    made.write_all({"a": b"1", "b": b"2"})
    beside = tmp_path / "character.toml"
    beside.write_bytes(b"3")
    assert export(made, tmp_path / "f", [keys.recipient_of(one) for one in (first, second)], {"b"}, {"character.toml": beside}) == 1
    opened = pyrage.decrypt((tmp_path / "f").read_bytes(), [pyrage.x25519.Identity.from_str(second)])
    assert sorted(tarfile.open(fileobj=io.BytesIO(opened)).getnames()) == ["a", "character.toml"]
