"""``character.toml``: the readable face of a workspace. No secrets, no pictures."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tomli_w
from filelock import FileLock, Timeout

from dressform.errors import BadInput, StoreError
from dressform.records import Character, Outfit
from dressform.store import read_at_most, write_atomically

NAME = "character.toml"
_LIMIT_BYTES, _WAIT_SECONDS = 1 << 20, 15


def write(root: Path, character: Character) -> None:
    """Write the file in one piece."""
    rows = {
        "format": 1,
        "name": character.name,
        "trigger": character.trigger,
        "kind": character.kind,
        "age": character.age_years,
        "base_model": character.base_model,
        "description": character.description,
        "outfits": [_outfit(o) for o in character.outfits],
    }
    write_atomically(root / NAME, tomli_w.dumps(rows).encode())


def update(root: Path, change: Callable[[Character], Character]) -> Character:
    """Change the file as it is now, whatever another command or its owner wrote meanwhile. Raises BadInput and StoreError."""
    with held(root, NAME):
        found = read(root)
        if (changed := change(found)) != found:
            write(root, changed)
    return changed


@contextmanager
def held(root: Path, what: str, wait_seconds: float = _WAIT_SECONDS) -> Iterator[None]:
    """No other process changes ``what`` of hers meanwhile. Raises StoreError where one does not let go of it."""
    lock = FileLock(root / f".{what}.lock")
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout as error:
        since = f" for {wait_seconds:g} s" if wait_seconds else ""
        raise StoreError(f"another process has held {what}{since}: wait for it, then try again") from error
    try:
        yield
    finally:
        lock.release()


def _outfit(worn: Outfit) -> dict[str, str]:
    """An outfit is written without its kind, as it was before there were accessories."""
    return {"name": worn.name, "trigger": worn.trigger} | ({} if worn.kind == "outfit" else {"kind": worn.kind})


def read(root: Path) -> Character:
    """The character of a workspace. Raises BadInput where there is none or the file is not readable."""
    file = root / NAME
    if not file.is_file():
        raise BadInput(f"{root}: no {NAME} here; make a character with: dressform new NAME --age YEARS")
    try:
        rows = tomllib.loads(read_at_most(file, _LIMIT_BYTES).decode())
        return Character(
            name=rows["name"], trigger=rows["trigger"], kind=rows["kind"], age_years=rows["age"],
            base_model=rows["base_model"], outfits=tuple(Outfit(**o) for o in rows["outfits"]),
            description=rows["description"],
        )  # fmt: skip
    except KeyError as error:
        raise BadInput(f"{file}: has no {error.args[0]!r}; write it there again, or put the file back from a backup") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
        raise BadInput(f"{file}: not a character file ({error}); restore it or make the character again") from error
