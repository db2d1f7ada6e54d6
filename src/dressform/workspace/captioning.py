"""The captions of a character: shown, read, edited and mended, each change recorded and kept so that it can be undone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dressform.consent.gate import EVERYTHING
from dressform.consent.refusals import refuse_young
from dressform.errors import BadInput, NotReady
from dressform.pictures import tags as words
from dressform.pictures.lint import Finding
from dressform.pictures.tags import Edit, Where
from dressform.records import Picture
from dressform.workspace.character_file import held
from dressform.workspace.workspace import Workspace, asset_of

_HISTORY = "captions/before-"
ROWS = "captions"
"""What is held while rows of pictures are read and written again."""
LEVELS = 20
"""How many changes can be undone."""


@dataclass(frozen=True)
class Change:
    """What became of one picture's caption."""

    source: str
    before: str
    after: str


def matching(workspace: Workspace, where: Where, among: Sequence[Picture] | None = None) -> list[Picture]:
    """Her pictures (or those ``among`` these) that the filter means. Raises UnknownName for an outfit that she has not."""
    for key, value in where.conditions:
        if key == "outfit" and value != "neutral":
            workspace.outfit(value)
    some = workspace.pictures(every=True) if among is None else among
    return [p for p in some if where.holds(p.outfit or "neutral", p.caption, p.source, p.id)]


def shown(workspace: Workspace, where: Where) -> list[Picture]:
    """``matching``, without what was taken back. Raises UnknownName."""
    revoked = workspace.gate.state().revoked
    return [p for p in matching(workspace, where) if EVERYTHING not in revoked and asset_of(p.outfit) not in revoked]


def counts(pictures: Sequence[Picture]) -> dict[str, dict[str, int]]:
    """tag -> set ("neutral" or an outfit) -> in how many captions; the commonest tag first."""
    total = Counter(t for p in pictures for t in words.tags(p.caption))
    per = Counter((t, p.outfit or "neutral") for p in pictures for t in words.tags(p.caption))
    sets = sorted({p.outfit or "neutral" for p in pictures})
    return {tag: {name: per[tag, name] for name in sets if per[tag, name]} for tag, _ in sorted(total.items(), key=lambda x: (-x[1], x[0]))}


def edit(workspace: Workspace, where: Where, change: Edit) -> list[Change]:
    """Edit the captions of the pictures that ``where`` means. Raises BadInput where nothing is meant or to do, and Refused."""
    if change == Edit():
        raise BadInput("nothing to do: give --add, --remove or --replace")
    with held(workspace.root, ROWS):
        found = matching(workspace, where)
        if not found:
            raise BadInput("no picture fits this filter; dressform caption show NAME lists the tags")
        return _write(workspace, {p: change(p.caption) for p in found}, "edit")


def write(workspace: Workspace, wanted: Mapping[Picture, str], what: str) -> list[Change]:
    """Give pictures new captions, all or none: what they were is kept first, so that ``undo`` can put it back.

    Raises Refused without consent, or for a caption that says what is refused; then nothing is changed.
    """
    with held(workspace.root, ROWS):
        return _write(workspace, wanted, what)


def _write(workspace: Workspace, wanted: Mapping[Picture, str], what: str) -> list[Change]:
    changed = {p: text for p, text in wanted.items() if text != p.caption and f"pictures/{p.id}.json" in workspace.store}
    if not changed:
        return []
    for text in changed.values():
        refuse_young(text)
    grant = workspace.gate.need("caption", *sorted({asset_of(p.outfit) for p in changed}))
    _remember(workspace, {p.id: p.caption for p in changed}, what)
    workspace.record(grant, [p.id for p in changed], ())
    workspace.store.write_all(_rows(workspace, {p.id: text for p, text in changed.items()}))
    return [Change(p.source, p.caption, text) for p, text in changed.items()]


def undo(workspace: Workspace) -> tuple[str, list[Change]]:
    """Take the newest change back: what it was called, and what is as before. Raises NotReady where there is none."""
    with held(workspace.root, ROWS):
        return _undone(workspace)


def _undone(workspace: Workspace) -> tuple[str, list[Change]]:
    kept = _kept(workspace)
    if not kept:
        raise NotReady("nothing to undo: no caption was changed yet, or every change is taken back")
    written = json.loads(workspace.store.read(kept[-1]))
    before: dict[str, str] = written["captions"]
    present = [p for p in workspace.pictures(every=True) if p.id in before]
    grant = workspace.gate.need("caption", *sorted({asset_of(p.outfit) for p in present}))
    workspace.record(grant, [p.id for p in present], ())
    workspace.store.write_all(_rows(workspace, {p.id: before[p.id] for p in present}), [kept[-1]])
    return written["what"], [Change(p.source, p.caption, before[p.id]) for p in present]


def fix(workspace: Workspace, findings: Sequence[Finding]) -> list[Change]:
    """Do what the lint proposes and calls safe, as one change."""
    with held(workspace.root, ROWS):
        by_id = {p.id: p for p in workspace.pictures(every=True)}
        texts = {i: p.caption for i, p in by_id.items()}
        for finding in findings:
            for i in finding.pictures if finding.safe else ():
                if i in texts:
                    texts[i] = Edit(finding.add, finding.remove)(texts[i])
        return _write(workspace, {by_id[i]: text for i, text in texts.items()}, "fix")


def forget(workspace: Workspace, ids: Collection[str]) -> None:
    """Let nothing of the captions that these pictures had be left. Whoever calls has ``ROWS`` held."""
    parts: dict[str, bytes] = {}
    gone: list[str] = []
    for name in _kept(workspace):
        written = json.loads(workspace.store.read(name))
        left = {i: text for i, text in written["captions"].items() if i not in ids}
        if not left:
            gone.append(name)
        elif len(left) < len(written["captions"]):
            parts[name] = json.dumps(written | {"captions": left}, ensure_ascii=False).encode()
    workspace.store.write_all(parts, gone)


def _rows(workspace: Workspace, captions: Mapping[str, str]) -> dict[str, bytes]:
    """The rows of these pictures as they are by now (a mask may have been found), with other captions; none of one that is gone."""
    names = {f"pictures/{i}.json": text for i, text in captions.items()}
    rows = {name: json.loads(workspace.store.read(name)) | {"caption": text} for name, text in names.items() if name in workspace.store}
    return {name: json.dumps(row, ensure_ascii=False).encode() for name, row in rows.items()}


def _kept(workspace: Workspace) -> list[str]:
    return list(workspace.store.list(_HISTORY))


def _remember(workspace: Workspace, before: Mapping[str, str], what: str) -> None:
    kept = _kept(workspace)
    number = int(kept[-1].removeprefix(_HISTORY).removesuffix(".json")) + 1 if kept else 0
    text = json.dumps({"what": what, "captions": dict(before)}, ensure_ascii=False)
    workspace.store.write_all({f"{_HISTORY}{number:06}.json": text.encode()}, kept[: max(0, len(kept) + 1 - LEVELS)])
