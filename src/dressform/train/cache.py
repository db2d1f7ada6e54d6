"""What a base model makes of pictures and captions, encoded once and kept in the Store, by the hash of all that it comes from.

A latent belongs to (pixels, mask, base model, sizes), an embedding to (text, base model): where nothing changed, a later
run reads it back; a changed caption costs one text, not one picture. Only names are in memory, and what was read last.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from dressform.backbones.protocol import Backbone
from dressform.errors import NotReady
from dressform.pictures import buckets, intake
from dressform.store import Store
from dressform.train.data import WHOLE, Example, Named, garment_cells

_VERSION = 1
_PLACE = "cache/"
_AT_HAND_BYTES = 256 << 20

OnEncoded = Callable[[int, int], None]


@dataclass(frozen=True)
class Source:
    """One picture of the store and what is said of it. ``id`` is the hash of its pixels; ``pixels`` and ``mask`` are names of PNGs.

    ``named`` are its caption and its anchor once more, with a garment in them that it does not show.
    """

    id: str
    pixels: str
    mask: str | None
    caption: str
    anchor: str
    named: tuple[str, str] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is said of it."""
        return (self.caption, self.anchor, *(self.named or ()))


@dataclass(frozen=True)
class _Names:
    """Where one source's encodings lie. A picture's begins with its id, so that it can be forgotten without the base model.

    ``said`` are the names that its texts had before they were read in chunks: digests hold these, so what is trained stays known.
    """

    id: str
    key: str
    texts: tuple[str, ...]
    said: tuple[str, ...]

    @property
    def picture(self) -> str:
        return f"{_PLACE}pictures/{self.id}-{self.key}"

    @property
    def all(self) -> tuple[str, ...]:
        return (self.picture, *self.texts)


def forget(store: Store, ids: Collection[str]) -> None:
    """Let nothing that was encoded of these pictures be left, by whatever base model."""
    store.delete_all([name for name in store.list(f"{_PLACE}pictures/") if name.rpartition("/")[2].split("-")[0] in ids])


class Cache:
    """Encodings in a Store; the last ones read, up to 256 MiB, stay at hand."""

    def __init__(self, store: Store, backbone: Backbone) -> None:
        self._store, self._backbone = store, backbone
        self._device = backbone.device
        self._recent: OrderedDict[str, dict[str, Tensor]] = OrderedDict()
        self._recent_bytes = 0
        self._used: set[str] = set()

    def examples(self, sources: Sequence[Source], on_encoded: OnEncoded = lambda _done, _all: None) -> CachedSet:
        """The sources as Examples; what is not there yet is encoded now, picture by picture, so that none depends on another."""
        names = [self._names(source) for source in sources]
        there = set(self._store.list(_PLACE))
        missing = [i for i, n in enumerate(names) if not there.issuperset(n.all)]
        for done, i in enumerate(missing):
            self._encode(sources[i], names[i], there)
            on_encoded(done + 1, len(missing))
        self._used.update(name for n in names for name in n.all)
        return CachedSet(tuple(s.id for s in sources), self, tuple(names))

    def drop_unused(self) -> int:
        """Forget every encoding that no set of this run asked for; how many."""
        unused = [name for name in self._store.list(_PLACE) if name not in self._used]
        self._store.delete_all(unused)
        return len(unused)

    def read(self, name: str) -> dict[str, Tensor]:
        """The tensors of one encoding. Raises NotReady where it was forgotten since."""
        if name in self._recent:
            self._recent.move_to_end(name)
            return self._recent[name]
        if name not in self._store:
            raise NotReady("a picture that is being learned from was removed meanwhile: run dressform train again")
        tensors = {key: value.to(self._device) for key, value in load_tensors(self._store.read(name)).items()}
        self._recent[name] = tensors
        self._recent_bytes += _size(tensors.values())
        while self._recent_bytes > _AT_HAND_BYTES and len(self._recent) > 1:
            self._recent_bytes -= _size(self._recent.popitem(last=False)[1].values())
        return tensors

    def _names(self, source: Source) -> _Names:
        base, size = self._backbone.sha256, [self._backbone.size_px, self._backbone.cell_px]
        if not self._backbone.square:
            size += ["buckets", self._backbone.side_px]
        mask = hashlib.sha256(self._store.read(source.mask)).hexdigest() if source.mask else ""
        return _Names(
            source.id,
            _key("picture", base, size, source.id, mask),
            *(tuple(f"{_PLACE}texts/{_key(kind, base, said)}" for said in source.texts) for kind in ("text in chunks", "text")),
        )

    def _encode(self, source: Source, names: _Names, there: set[str]) -> None:
        if names.picture not in there:
            self._keep(names.picture, self._encoded_picture(source), there)
        for name, text in zip(names.texts, source.texts, strict=True):
            if name not in there:
                self._keep(name, {"text": self._backbone.encode_text([text])[0]}, there)

    def _encoded_picture(self, source: Source) -> dict[str, Tensor]:
        pixels = intake.from_png(self._store.read(source.pixels))
        mask = None if source.mask is None else intake.from_png(self._store.read(source.mask)) > 127
        small, cells, frame = (
            _in_square(pixels, mask, self._backbone) if self._backbone.square else _in_bucket(pixels, mask, self._backbone)
        )
        latents = self._backbone.encode_pictures(torch.tensor(small).permute(2, 0, 1)[None])[0]
        if cells is None:
            return {"latents": latents, "mask": torch.zeros(1, *latents.shape[1:]), "frame": frame}
        return {"latents": latents, "mask": garment_cells(torch.tensor(cells)[None], self._backbone.cell_px)[0], "frame": frame}

    def _keep(self, name: str, tensors: dict[str, Tensor], there: set[str]) -> None:
        self._store.write(name, save_tensors({key: value.cpu().contiguous() for key, value in tensors.items()}))
        there.add(name)


@dataclass(frozen=True)
class CachedSet:
    """Examples that are read from the cache as they are needed."""

    ids: tuple[str, ...]
    cache: Cache = field(repr=False)
    names: tuple[_Names, ...] = field(repr=False)

    @property
    def digest(self) -> str:
        named = (" ".join((i, f"{_PLACE}pictures/{n.key}", *n.said)) for i, n in zip(self.ids, self.names, strict=True))
        return hashlib.sha256("\n".join(named).encode()).hexdigest()

    def at(self, i: int) -> Example:
        picture = self.cache.read(self.names[i].picture)
        text, anchor, *named = (self.cache.read(name)["text"] for name in self.names[i].texts)
        return Example(picture["latents"], text, picture["mask"], anchor, picture.get("frame", WHOLE), Named(*named) if named else None)


Fitted = tuple[np.ndarray, np.ndarray | None, Tensor]
"""A picture as it is encoded, its mask, and its frame."""


def _in_square(pixels: np.ndarray, mask: np.ndarray | None, backbone: Backbone) -> Fitted:
    """The whole picture, with its border's colour around it."""
    side = backbone.size_px
    return intake.fitted(pixels, side), None if mask is None else intake.fitted_mask(mask, side), WHOLE


def _in_bucket(pixels: np.ndarray, mask: np.ndarray | None, backbone: Backbone) -> Fitted:
    """The picture in the size that is nearest to its shape."""
    size = pixels.shape[0], pixels.shape[1]
    bucket = buckets.nearest(size, buckets.sizes(backbone.size_px, backbone.side_px))
    cells = None if mask is None else buckets.fitted_mask(mask, bucket)
    return buckets.fitted(pixels, bucket), cells, torch.tensor(buckets.frame(size, bucket), dtype=torch.float32)


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps([_VERSION, *parts]).encode()).hexdigest()[:40]


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)
