"""What captions and pictures would teach that they should not: captions in, findings out, each with what to do about it.

What is in a picture and not in its caption is learned as what the trigger word means (METHODS 5): so whatever may change must
be named, and whatever she is must not be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dressform.pictures.tags import Kind, folded, kind, tags

Severity = Literal["serious", "notice"]
_TOO_FEW, _FEW = 3, 8
_VARIES_FROM = 4
"""From how many pictures on a view that never varies is no accident."""
_OFTEN = 0.5


@dataclass(frozen=True)
class Seen:
    """One picture as the lint sees it. ``shows`` are the tags that a reader or tagger gave it; empty where there was none.

    ``outfit`` is None for a neutral picture; ``worn`` is what it shows to be worn, in one word, or "". ``unread`` counts the
    tokens at the end of its caption that the base model does not read.
    """

    id: str
    source: str
    outfit: str | None
    caption: str
    has_mask: bool
    shows: tuple[str, ...] = ()
    worn: str = ""
    unread: int = 0


@dataclass(frozen=True)
class Words:
    """The trigger words: the character's own, and each outfit's by name."""

    character: str
    outfits: tuple[tuple[str, str], ...] = ()

    def allowed(self, outfit: str | None) -> set[str]:
        return {folded(self.character), *(folded(word) for name, word in self.outfits if name == outfit)}

    def every(self) -> set[str]:
        return {folded(self.character), *(folded(word) for _, word in self.outfits)}


@dataclass(frozen=True)
class Finding:
    """One thing that will bind where it should not. ``safe`` says that ``caption fix`` may do it: the tags to take out and add."""

    code: str
    severity: Severity
    about: str
    text: str
    fix: str
    pictures: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    add: tuple[str, ...] = ()

    @property
    def safe(self) -> bool:
        return bool(self.remove or self.add)


Rule = Callable[[str, Sequence[Seen], Words], Iterator[Finding]]


def lint(pictures: Sequence[Seen], words: Words, near: Sequence[Sequence[str]] = ()) -> list[Finding]:
    """Every finding, serious ones first. ``near`` holds groups of ids that show the same, the one to keep first."""
    found: list[Finding] = []
    for outfit in sorted({p.outfit for p in pictures}, key=lambda name: (name is not None, name)):
        own = [p for p in pictures if p.outfit == outfit]
        for rule in _RULES:
            found += rule(outfit or "neutral", own, words)
    found += _duplicates(pictures, near)
    return sorted(found, key=lambda f: f.severity != "serious")


def _no_captions(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    bare = [p for p in pictures if not tags(p.caption)]
    if bare:
        every = len(bare) == len(pictures)
        what = "no picture has a caption" if every else f"{_count(bare)} no caption"
        yield Finding(
            "no-caption", "serious" if every else "notice", about, f"{what}: view, pose and background bind to the trigger word",
            "say how she is seen: dressform caption edit, or dressform caption read on the embedded world", _ids(bare),
        )  # fmt: skip


def _too_long(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    cut = [p for p in pictures if p.unread]
    if cut:
        yield Finding(
            "caption-too-long", "notice", about,
            f"{_count(cut)} a caption that is longer than the base model reads: up to {max(p.unread for p in cut)} tokens at its "
            "end are cut off, and what they name binds to the trigger word",
            "shorten it, or put first what varies: dressform caption edit", _ids(cut),
        )  # fmt: skip


def _few(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    if len(pictures) < _FEW:
        severity: Severity = "serious" if len(pictures) < _TOO_FEW else "notice"
        yield Finding(
            "few-pictures", severity, about, f"{len(pictures)} pictures: they are learned by heart, one by one",
            f"add more, from other views and in other poses; {_FEW} or more teach what they have in common; or take them out: "
            f"dressform remove FOLDER --where outfit={about}",
        )  # fmt: skip


def _no_mask(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    bare = [p for p in pictures if p.outfit is not None and not p.has_mask]
    if bare:
        yield Finding(
            "no-mask", "serious", about, f"{_count(bare)} no garment mask: her body would be learned as part of the outfit",
            f"dressform mask NAME --outfit {about}", _ids(bare),
        )  # fmt: skip


def _body(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    named = _holding(pictures, "body")
    if named:
        own = _tags_of(named, "body")
        often = len(named) >= _OFTEN * len(pictures)
        yield Finding(
            "body-named", "serious" if often else "notice", about,
            f"{_count(named)} a caption that names her body ({_some(own)}): it binds to those words and not to her trigger word",
            "take them out: dressform caption fix", _ids(named), remove=own,
        )  # fmt: skip


def _garment_unnamed(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    """Neutral pictures alone: an outfit's garment is what its trigger word should mean."""
    if about != "neutral" or not all(p.shows for p in pictures):
        return
    always = set.intersection(*({folded(t) for t in p.shows if kind(t) == "garment"} for p in pictures))
    said = {folded(t) for p in pictures for t in tags(p.caption)}
    unnamed = tuple(sorted(always - said))
    if unnamed:
        yield Finding(
            "garment-never-named", "serious", about,
            f"{_some(unnamed)} in every picture and in no caption: it becomes part of who she is and shows under every outfit",
            "name it: dressform caption fix", _ids(pictures), add=unnamed,
        )  # fmt: skip


def _garment_named(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    if about == "neutral" or len(pictures) < 2:
        return
    always = set.intersection(*({folded(t) for t in tags(p.caption) if kind(t) == "garment"} for p in pictures))
    if always:
        own = tuple(sorted(always))
        yield Finding(
            "garment-always-named", "notice", about, f"{_some(own)} in every caption: it competes with the outfit's trigger word",
            "take it out: dressform caption fix", _ids(pictures), remove=own,
        )  # fmt: skip


def _triggers(about: str, pictures: Sequence[Seen], words: Words) -> Iterator[Finding]:
    """Training puts the right words before each caption; others call somebody or something else."""
    foreign: dict[str, list[Seen]] = {}
    by_hand: dict[str, list[Seen]] = {}
    for picture in pictures:
        allowed = words.allowed(picture.outfit)
        for tag in tags(picture.caption):
            if folded(tag) in words.every():
                (by_hand if folded(tag) in allowed else foreign).setdefault(tag, []).append(picture)
    if foreign:
        where = [p for found in foreign.values() for p in found]
        yield Finding(
            "other-trigger", "serious", about, f"{_some(foreign)} in its captions: the trigger word of another outfit calls that one here",
            "take it out: dressform caption fix", _ids(where), remove=tuple(foreign),
        )  # fmt: skip
    if by_hand:
        where = [p for found in by_hand.values() for p in found]
        yield Finding(
            "trigger-by-hand", "notice", about, f"{_some(by_hand)} written by hand: training puts the trigger words itself",
            "take it out: dressform caption fix", _ids(where), remove=tuple(by_hand),
        )  # fmt: skip


def _another_outfit(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    worn = Counter(p.worn for p in pictures if p.worn)
    if not worn:
        return
    usual = "neutral" if about == "neutral" else worn.most_common(1)[0][0]
    other = [p for p in pictures if p.worn and p.worn != usual]
    if other:
        kinds = ", ".join(f"{p.source}: {p.worn}" for p in other[:3])
        often = len(other) > max(1, 0.1 * len(pictures))
        yield Finding(
            "another-outfit", "serious" if often else "notice", about,
            f"{len(other)} of {len(pictures)} pictures seem to show something else than {usual} ({kinds})",
            "look at them; where they were added as the wrong one, take that back (add --undo) and add them anew", _ids(other),
        )  # fmt: skip


def _never_varies(about: str, pictures: Sequence[Seen], _words: Words) -> Iterator[Finding]:
    if len(pictures) < _VARIES_FROM:
        return
    what: Kind
    for what in ("view", "pose", "background"):
        named = [{folded(t) for t in (*tags(p.caption), *p.shows) if kind(t) == what} for p in pictures]
        if all(named) and len(set.union(*named)) == len(set.intersection(*named)):
            yield Finding(
                f"{what}-never-varies", "notice", about, f"every picture has the same {what} ({_some(named[0])}): it comes along with her",
                f"add pictures with another {what}",
            )  # fmt: skip


def _duplicates(pictures: Sequence[Seen], near: Sequence[Sequence[str]]) -> Iterator[Finding]:
    by_id = {p.id: p for p in pictures}
    for group in near:
        if len(group) > 1:
            kept, *others = (by_id[i] for i in group)
            yield Finding(
                "near-duplicates", "notice", kept.outfit or "neutral",
                f"{kept.source} shows the same as {_some([p.source for p in others])}: it counts {len(group)} times",
                f"keep {kept.source}, the sharpest, and leave the others out", tuple(group),
            )  # fmt: skip


_RULES: tuple[Rule, ...] = (
    _no_captions, _too_long, _few, _no_mask, _body, _garment_unnamed, _garment_named, _triggers, _another_outfit, _never_varies,
)  # fmt: skip


def _holding(pictures: Sequence[Seen], what: Kind) -> list[Seen]:
    return [p for p in pictures if any(kind(t) == what for t in tags(p.caption))]


def _tags_of(pictures: Sequence[Seen], what: Kind) -> tuple[str, ...]:
    return tuple(sorted({t for p in pictures for t in tags(p.caption) if kind(t) == what}))


def _ids(pictures: Sequence[Seen]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.id for p in pictures))


def _count(pictures: Sequence[Seen]) -> str:
    return "1 picture has" if len(pictures) == 1 else f"{len(pictures)} pictures have"


def _some(words: Sequence[str] | set[str] | dict[str, list[Seen]]) -> str:
    known = sorted(words)
    return ", ".join(known[:3]) + (f" and {len(known) - 3} more" if len(known) > 3 else "")
