"""What ``doctor`` looks at: one line for each thing, healthy or with what to do."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dressform import __version__
from dressform.errors import DressformError, Locked
from dressform.vault import owner
from dressform.vault.check import check
from dressform.vault.owner import Ask
from dressform.workspace.character_file import NAME

if TYPE_CHECKING:
    from dressform.workspace.workspace import Workspace

_ROOM_GIB = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    healthy: bool
    detail: str


def machine() -> list[Finding]:
    """The installation, the person's key, the disk and the device."""
    import torch

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    return [
        Finding("dressform", True, __version__),
        Finding("torch", True, f"{torch.__version__}, {device}"),
        Finding("disk", free >= _ROOM_GIB, f"{free:.1f} GiB free"),
        _key(),
    ]


def character(root: Path, ask: Ask | None = None) -> list[Finding]:
    """One character's vault and ledger. Looks on where a ledger was put back, and says so."""
    from dressform.workspace import consenting, workspace

    try:
        with workspace.opened(root, ask) as her:
            found = check(workspace.sealed(her))
            broken = len(found.damaged) + len(found.missing)
            strays = f", {len(found.strays)} strays" if found.strays else ""
            people = ", ".join(workspace.sealed(her).people())
            rows = [
                Finding("vault", found.whole, f"{found.objects} objects, {broken} missing or of another size{strays}; opened by {people}")
            ]
            try:
                head = consenting.verify(her)
                permitted = [scope for scope, assets in her.permitted().items() if assets]
                rows.append(Finding("ledger", True, f"{head.length} lines; agreed now: {', '.join(permitted) or 'nothing'}"))
            except DressformError as error:
                rows.append(Finding("ledger", False, str(error)))
            try:
                rows += [Finding("pictures", False, said) for said in hidden(her)]
            except DressformError as error:
                rows.append(Finding("pictures", False, str(error)))
            return [*rows, base_model(her.character.base_model)]
    except DressformError as error:
        return [Finding("character", False, str(error))]


def hidden(her: Workspace) -> Iterator[str]:
    """Pictures of what her file does not name: nothing is learned from them."""
    known = {None, *(o.name for o in her.character.outfits)}
    count = Counter(p.outfit for p in her.rows() if p.outfit not in known)
    for name, n in count.items():
        yield f"{n} of {name!r} are left aside, for {NAME} does not name it: write it there again under outfits"


def offline(on_command: Callable[[str], None] = lambda _name: None) -> Finding:
    """Does anything call out? Not healthy where something did, and where this system does not allow the proof."""
    from dressform.workspace import offline_proof

    try:
        seen = offline_proof.prove(on_command)
    except DressformError as error:
        return Finding("network", False, str(error))
    called = f"called outside this machine: {', '.join(seen.connections)}" if seen.connections else "0 connections outside this machine"
    return Finding("network", not seen.connections, f"{called} ({', '.join(seen.commands)}; network taken away, every call traced)")


def _key() -> Finding:
    try:
        found = owner.load()
    except Locked as error:
        if owner.behind_passphrase():
            return Finding("your key", True, "behind a passphrase")
        return Finding("your key", not owner.exists(), str(error) if owner.exists() else "none yet; dressform new makes one")
    except DressformError as error:
        return Finding("your key", False, str(error))
    return Finding("your key", True, f"{found.recipient} (in {owner.home()})")


def base_model(name: str) -> Finding:
    """A base model: can it be read?"""
    from dressform import backbones

    try:
        found = backbones.load(name)
    except DressformError as error:
        return Finding("base model", False, str(error))
    return Finding("base model", True, f"{name}, {found.size_px} px, sha256 {found.sha256[:16]}")
