"""What a person gave, as a list of pictures with what lies beside them: nothing is read yet, and nothing is passed over.

Known ways to lay pictures out, in a folder or a zip archive: plain (``NAME.png``, ``NAME.txt`` or ``NAME.caption``,
``masks/NAME.png``); kohya (``10_trigger class/`` inside); and the imagefolder of Hugging Face (``metadata.jsonl`` or ``metadata.csv``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dressform.errors import BadInput
from dressform.pictures import table, texts
from dressform.pictures.archive import FolderTree, Tree, ZipTree, is_zip

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_CAPTIONS = (".txt", ".caption")
_UNREAD = (".json", ".jsonl", ".csv")
_BESIDE = (*_CAPTIONS, *_UNREAD, ".md", ".toml", ".npz")
_OTHERS_MASK = re.compile(r"(?P<picture>.+?)(?:-masklabel|-condlabel|[._-]mask)")
"""Beside a picture of that name: what OneTrainer and others train on, which need not be the garment."""
_KOHYA = re.compile(r"\d{1,3}_(?P<words>.+)")  # four digits are a year
_MASKS = "masks"
_LONE_MASK = "a mask whose picture is not there"
_WRAPPERS = 4


@dataclass(frozen=True)
class Item:
    """One picture that was given: where it lies, and its caption and mask, if it has any."""

    tree: Tree
    path: str
    called: str
    caption_path: str | None = None
    words: str = ""
    mask_path: str | None = None

    def read(self) -> bytes:
        """The picture's bytes. Raises BadInput or StoreError."""
        return self.tree.read(self.path)

    def mask(self) -> bytes | None:
        return None if self.mask_path is None else self.tree.read(self.mask_path)

    def caption(self) -> str:
        """The caption beside the picture, or the words it was given otherwise. Raises BadInput naming the file."""
        if self.caption_path is None:
            return self.words
        called = PurePosixPath(self.caption_path).name
        try:
            return texts.caption(self.tree.read(self.caption_path, texts.LIMIT_BYTES))
        except BadInput as error:
            raise BadInput(f"{called}: {error}") from error


@dataclass(frozen=True)
class Left:
    """Something that was given and is no picture to take, and why."""

    called: str
    reason: str


@dataclass
class Found:
    """Everything under what was given."""

    items: list[Item] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def found(given: Path) -> Found:
    """What lies in a folder, a zip archive, or is this one picture. Raises BadInput where there is nothing to take."""
    everything = Found()
    if given.is_file() and not is_zip(given):
        everything.items.append(one(given))
        return everything
    if not given.exists():
        raise BadInput(f"{given}: no such file or folder; give pictures, a folder of them, or a zip")
    tree = FolderTree(given) if given.is_dir() else ZipTree(given)
    _lay_out(tree, "" if given.is_dir() else _unwrapped(tree), everything)
    if not any(_suffix(item.path) in _PICTURES for item in everything.items):
        inside = ", ".join(left.called for left in everything.left if left.called.endswith("/"))
        what_to_do = f"but folders: add each by itself ({inside})" if inside else "PNG, JPEG or WebP files were expected"
        raise BadInput(f"{given}: no pictures in this {'folder' if given.is_dir() else 'archive'}, {what_to_do}")
    return everything


def one(file: Path) -> Item:
    """One picture file with what lies beside it."""
    tree = FolderTree(file.parent)
    caption = next((c for c in (file.with_suffix(s).name for s in _endings(_CAPTIONS)) if tree.holds(c)), None)
    mask = next((m for m in (f"{_MASKS}/{file.stem}{s}" for s in _endings((".png",))) if tree.holds(m)), None)
    return Item(tree, file.name, texts.shown(file.name), caption, "", mask)


def _endings(known: Iterable[str]) -> list[str]:
    return [e for ending in known for e in (ending, ending.upper())]


def _unwrapped(tree: Tree) -> str:
    """The folder that a packer put around everything, if there is one."""
    top = ""
    for _ in range(_WRAPPERS):
        files, folders = tree.entries(top)
        inner = [f for f in folders if PurePosixPath(f).name not in ("__MACOSX", _MASKS)]
        if files or len(inner) != 1 or _kohya_words(inner[0]) is not None:
            return top
        top = inner[0]
    return top


def _lay_out(tree: Tree, top: str, into: Found) -> None:
    files, folders = tree.entries(top)
    if named := next((name for name in table.NAMES if _joined(top, name) in files and table.is_one(tree, _joined(top, name))), None):
        return _imagefolder(tree, top, named, into)
    own = _kohya_words(top or tree.called)
    for folder in folders:
        words = _kohya_words(folder)
        if words is not None and own is None:
            _plain(tree, folder, words, into)
            _name_folders(tree.entries(folder)[1], into)
    _plain(tree, top, own or "", into)
    _name_folders([f for f in folders if own is not None or _kohya_words(f) is None], into)


def _plain(tree: Tree, folder: str, words: str, into: Found) -> None:
    """Every picture right in this folder; ``words`` is the caption of those that have none."""
    every = [f for f in tree.entries(folder)[0] if _suffix(f) not in _BESIDE]
    stems = {PurePosixPath(f).stem for f in every}
    files = [f for f in every if (mask_of := _masked_by(f)) is None or mask_of not in stems]
    reason = "looks like a mask of the picture of that name: where it shows the garment, give it as masks/NAME.png"
    into.left += [Left(texts.shown(f), reason) for f in every if f not in files]
    into.left += [
        Left(texts.shown(f), f"a table that is not read; captions come from .txt, .caption or {' or '.join(table.NAMES)}")
        for f in tree.entries(folder)[0]
        if _suffix(f) in _UNREAD and not _has_picture(f, files)
    ]
    beside = {f for f in tree.entries(folder)[0] if _suffix(f) in _CAPTIONS}
    masks = set(tree.entries(_joined(folder, _MASKS))[0]) if _joined(folder, _MASKS) in tree.entries(folder)[1] else set()
    there = {_plainly(f): f for f in sorted(beside | masks, reverse=True)}
    used: set[str] = set()
    for path in files:
        stem = PurePosixPath(path).stem
        captions = [there[c] for c in (_plainly(_joined(folder, stem + s)) for s in _CAPTIONS) if c in there]
        mask = there.get(_plainly(_joined(folder, f"{_MASKS}/{stem}.png")))
        into.items.append(Item(tree, path, texts.shown(path), captions[0] if captions else None, words, mask))
        used |= {*captions[:1], *([mask] if mask else [])}
    for path in sorted(beside - used):
        lone = "not read: the .txt beside it is" if _has_picture(path, files) else "a caption whose picture is not there"
        into.left.append(Left(texts.shown(path), lone))
    into.left += [Left(texts.shown(path), _LONE_MASK) for path in sorted(masks - used)]


def _imagefolder(tree: Tree, top: str, called: str, into: Found) -> None:
    """The pictures that the table names, with their texts; others right beside it, without."""
    rest, named = Found(), set[str]()
    _plain(tree, top, "", rest)
    beside = {item.path: item.caption_path for item in rest.items}
    rows = list(table.rows(tree, _joined(top, called)))
    if rows and not any(row.text for row in rows):
        into.left.append(Left(called, f"has no captions: they are looked for under {', '.join(table.WORDS)}"))
    for row in rows:
        path = _joined(top, row.file)
        said = PurePosixPath(row.file)
        if ".." in said.parts or said.is_absolute() or not tree.holds(path):
            into.left.append(Left(row.file[:80], f"named in {called}, but not there"))
        elif path not in named:
            folder, stem = PurePosixPath(path).parent, PurePosixPath(path).stem
            mask = _joined("" if str(folder) == "." else str(folder), f"{_MASKS}/{stem}.png")
            caption = None if row.text else beside.get(path)
            into.items.append(Item(tree, path, path, caption, row.text, mask if tree.holds(mask) else None))
            named.add(path)
    into.items += [item for item in rest.items if item.path not in named]
    into.left += [left for left in rest.left if left.called not in (*named, called) and (left.reason != _LONE_MASK or not named)]
    _name_folders([f for f in tree.entries(top)[1] if not any(path.startswith(f"{f}/") for path in named)], into)


def _masked_by(path: str) -> str | None:
    """The stem of the picture that a file of this name would be the mask of, as other trainers name masks."""
    match = _OTHERS_MASK.fullmatch(PurePosixPath(path).stem)
    return match["picture"] if match else None


def _name_folders(folders: Iterable[str], into: Found) -> None:
    into.left += [Left(f"{texts.shown(f)}/", "a folder inside; add it by itself") for f in folders if PurePosixPath(f).name != _MASKS]


def _kohya_words(folder: str) -> str | None:
    """What ``10_aoi woman`` calls its pictures; None for a folder of another name."""
    match = _KOHYA.fullmatch(texts.shown(PurePosixPath(folder).name))
    return match["words"].strip() if match else None


def _has_picture(caption: str, pictures: Sequence[str]) -> bool:
    return any(PurePosixPath(p).stem == PurePosixPath(caption).stem for p in pictures)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _plainly(path: str) -> str:
    """The path with its ending in small letters: 01.TXT lies beside 01.PNG as 01.txt does."""
    return str(PurePosixPath(path).with_suffix(_suffix(path)))


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
