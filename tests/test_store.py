from __future__ import annotations

import contextlib
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from dressform.errors import StoreError
from dressform.store import DirectoryStore, MemoryStore, Store, read_at_most
from dressform.vault import keys, vault


@pytest.fixture(params=["directory", "memory", "vault"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "vault":
        return vault.create(tmp_path / "vault", {"owner": keys.recipient_of(keys.new_identity())})
    return DirectoryStore(tmp_path) if request.param == "directory" else MemoryStore()


def test_what_is_written_is_read_listed_and_forgotten(store: Store) -> None:
    store.write("pictures/a.png", b"one")
    store.write("pictures/b.png", b"two")
    store.write("adapters/x.safetensors", b"three")
    assert store.read("pictures/b.png") == b"two" and "pictures/a.png" in store
    assert list(store.list("pictures/")) == ["pictures/a.png", "pictures/b.png"]
    store.delete("pictures/a.png")
    store.delete("pictures/a.png")
    assert "pictures/a.png" not in store
    with pytest.raises(StoreError, match=r"pictures/a\.png"):
        store.read("pictures/a.png")


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a//b", "", "a/../b", ".hidden", "a/.b", "a\\b"])
def test_a_name_cannot_leave_the_store(store: Store, name: str) -> None:
    with pytest.raises(StoreError):
        store.write(name, b"x")


def test_a_full_disk_keeps_the_old_bytes_and_leaves_no_scrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path)
    store.write("a.bin", b"old")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        store.write("a.bin", b"new")
    monkeypatch.undo()
    assert store.read("a.bin") == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_where_nothing_can_be_written_the_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_of: object, **_how: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(StoreError, match="Read-only file system"):
        DirectoryStore(tmp_path).write("a.bin", b"new")


def test_several_names_are_kept_and_forgotten_together(store: Store) -> None:
    store.write("a/1", b"old")
    store.write_all({"a/1": b"one", "a/2": b"two", "b/3": b"three"})
    assert store.read("a/1") == b"one" and list(store.list()) == ["a/1", "a/2", "b/3"]
    store.delete_all(["a/1", "b/3", "a/none"])
    assert list(store.list()) == ["a/2"]
    with pytest.raises(StoreError):
        store.write_all({"a/4": b"four", "../out": b"x"})


def test_names_are_forgotten_in_the_change_that_keeps_others(store: Store) -> None:
    store.write_all({"a/1": b"one", "a/2": b"two"})
    store.write_all({"a/2": b"new", "b/1": b"three"}, forgetting=["a/1", "a/2", "a/none"])
    assert list(store.list()) == ["a/2", "b/1"] and store.read("a/2") == b"new", "what is kept is not forgotten"
    store.write_all({}, forgetting=["b/1"])
    assert list(store.list()) == ["a/2"]


def test_a_file_is_read_in_as_much_memory_as_it_has_and_no_further_than_allowed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x" * 1000)
    tracemalloc.start()
    assert read_at_most(file, 4 << 30) == b"x" * 1000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20, "not what the limit allows"
    assert read_at_most(file, 1000) == b"x" * 1000
    with pytest.raises(StoreError, match="longer than 999 bytes"):
        read_at_most(file, 999)
    (tmp_path / "empty").touch()
    assert read_at_most(tmp_path / "empty", 10) == b""


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has pipes with a name")
def test_a_pipe_is_read_whole_up_to_the_limit(tmp_path: Path) -> None:
    pipe, data = tmp_path / "pipe", os.urandom(3 << 20)
    os.mkfifo(pipe)

    def written() -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(data)

    for limit, whole in ((len(data), True), (len(data) - 1, False)):
        writer = threading.Thread(target=written)
        writer.start()
        if whole:
            assert read_at_most(pipe, limit) == data
        else:
            with pytest.raises(StoreError, match="longer than"):
                read_at_most(pipe, limit)
        writer.join()
