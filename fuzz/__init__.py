"""One reader in each file: bytes go in; an error of the house in one line, or nothing, may come out. See README.md."""

from __future__ import annotations

from collections.abc import Callable

from dressform.errors import DressformError

READERS = ("picture", "adapter", "ledger", "key", "signed")


def held_to_the_house(read: Callable[[bytes], object], data: bytes) -> None:
    """Read; whatever is raised beyond a DressformError in one line passes on."""
    try:
        read(data)
    except DressformError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000, f"not one line: {str(error)[:200]!r}"
