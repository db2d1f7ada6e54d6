"""What is encoded once is the same as what is encoded again, is read as it is needed, and lies in the store alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from dressform.pictures import intake
from dressform.store import MemoryStore
from dressform.train import cache as caching
from dressform.train.cache import Cache, Source
from dressform.train.data import encode


class Counting(MemoryStore):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_names: list[str] = []

    def read(self, name: str) -> bytes:
        self.read_names.append(name)
        return super().read(name)


def sources(store: MemoryStore, count: int = 3) -> list[Source]:
    rng = np.random.default_rng(0)
    mask = np.zeros((32, 32), dtype=bool)
    mask[8:16, 8:16] = True
    for i in range(count):
        store.write(f"pictures/p{i}.png", intake.png(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)))
        store.write(f"pictures/p{i}.mask.png", intake.png(mask))
    masks = [None, *(f"pictures/p{i}.mask.png" for i in range(1, count))]
    return [Source(f"p{i}", f"pictures/p{i}.png", masks[i], f"aoi, view {i % 2}", f"a doll, view {i % 2}") for i in range(count)]


def in_coats(given: list[Source]) -> list[Source]:
    """The same pictures, called by a coat too."""
    return [replace(s, named=(f"{s.caption}, coat", f"{s.anchor}, coat")) for s in given]


@pytest.fixture
def calls(tiny_backbone, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the base model was asked to encode."""
    made: list[str] = []
    pictures, text = tiny_backbone.encode_pictures, tiny_backbone.encode_text
    monkeypatch.setattr(tiny_backbone, "encode_pictures", lambda given: made.extend(["picture"] * len(given)) or pictures(given))
    monkeypatch.setattr(tiny_backbone, "encode_text", lambda given: made.extend(given) or text(given))
    return made


def test_the_cache_gives_what_encoding_gives(tiny_backbone) -> None:
    store = MemoryStore()
    given = sources(store)
    found = Cache(store, tiny_backbone).examples(given)
    pixels = torch.tensor(np.stack([intake.from_png(store.read(s.pixels)) for s in given])).permute(0, 3, 1, 2)
    masks = torch.tensor(np.stack([np.zeros((32, 32), bool), *(intake.from_png(store.read(s.mask)) > 127 for s in given if s.mask)]))
    wanted = encode(tiny_backbone, found.ids, pixels, [s.caption for s in given], masks, [s.anchor for s in given])
    for i in range(len(given)):
        ours, theirs = found.at(i), wanted.at(i)
        assert all(torch.equal(getattr(ours, f), getattr(theirs, f)) for f in ("latents", "text", "mask", "anchor"))


def test_a_picture_that_is_called_by_a_garment_too_is_another_source(tiny_backbone, calls: list[str]) -> None:
    store = MemoryStore()
    given = sources(store)
    bare, cache = Cache(store, tiny_backbone).examples(given), Cache(store, tiny_backbone)
    calls.clear()
    found = cache.examples(in_coats(given))
    assert sorted(calls) == ["a doll, view 0, coat", "a doll, view 1, coat", "aoi, view 0, coat", "aoi, view 1, coat"]
    assert found.digest != bare.digest and bare.at(0).named is None
    calls.clear()
    cache.drop_unused()
    read, one = Cache(store, tiny_backbone).examples(in_coats(given)).at(1), tiny_backbone.encode_text
    assert not calls and read.named is not None
    assert torch.equal(read.named.text, one(["aoi, view 1, coat"])[0]) and torch.equal(read.named.anchor, one(["a doll, view 1, coat"])[0])


def test_nothing_is_encoded_twice(tiny_backbone, calls: list[str]) -> None:
    store = MemoryStore()
    given = sources(store)
    first = Cache(store, tiny_backbone).examples(given)
    assert sorted(calls) == ["a doll, view 0", "a doll, view 1", "aoi, view 0", "aoi, view 1", "picture", "picture", "picture"]
    calls.clear()
    second = Cache(store, tiny_backbone).examples(given)
    assert not calls and second.digest == first.digest and torch.equal(first.at(1).latents, second.at(1).latents)


def test_what_changed_and_only_that_is_encoded_again(tiny_backbone, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    given = sources(store)
    before = Cache(store, tiny_backbone).examples(given)
    calls.clear()
    said = [replace(given[0], caption="aoi, waving"), *given[1:]]
    after = Cache(store, tiny_backbone).examples(said)
    assert calls == ["aoi, waving"] and after.digest != before.digest
    calls.clear()
    store.write("pictures/p1.mask.png", intake.png(np.ones((32, 32), dtype=bool)))
    masked = Cache(store, tiny_backbone).examples(said)
    assert calls == ["picture"] and masked.digest != after.digest and masked.at(1).mask.min() == 1
    calls.clear()
    monkeypatch.setattr(type(tiny_backbone), "sha256", property(lambda _self: "another"))
    Cache(store, tiny_backbone).examples(said)
    assert calls.count("picture") == 3


def test_what_nobody_asked_for_is_forgotten(tiny_backbone) -> None:
    store = MemoryStore()
    given = sources(store)
    Cache(store, tiny_backbone).examples(given)
    later = Cache(store, tiny_backbone)
    kept = later.examples(given[:1])
    assert later.drop_unused() == 4 and len(list(store.list("cache/"))) == 3
    assert kept.at(0).latents.shape == (4, 8, 8) and len(list(store.list("pictures/"))) == 6


def test_only_what_was_read_last_is_in_memory(tiny_backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Counting()
    given = sources(store, 6)
    Cache(store, tiny_backbone).examples(given)
    monkeypatch.setattr(caching, "_AT_HAND_BYTES", 20_000)
    store.read_names.clear()
    found = Cache(store, tiny_backbone).examples(given)
    assert not [n for n in store.read_names if n.startswith("cache/")], "an index is no reading"
    for i in (0, 0, 1, 2, 3, 4, 5, 0):
        found.at(i)
    read = [n for n in store.read_names if n.startswith("cache/pictures/")]
    assert len(read) == 7 and read[0] == read[-1]
    assert found.cache._recent_bytes <= 20_000 and len(found.cache._recent) < 10


def test_a_digest_is_as_it_was_before_texts_were_read_in_chunks(tiny_backbone) -> None:
    """What was trained on these pictures then is known still."""
    store, base = MemoryStore(), tiny_backbone.sha256
    given = sources(store)
    found = Cache(store, tiny_backbone).examples(given)
    lines = [
        " ".join([s.id, f"cache/pictures/{n.key}", *(f"cache/texts/{caching._key('text', base, said)}" for said in s.texts)])
        for s, n in zip(given, found.names, strict=True)
    ]
    assert found.digest == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert not any(name.endswith(line.split("/")[-1]) for name in store.list("cache/texts/") for line in lines), "encoded anew"
