"""How the command line speaks: data to stdout, everything else to stderr, hints on their own line.

Readable without colour; progress bars only on a terminal.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from dressform.errors import BadInput
from dressform.records import Figure, spoken

if TYPE_CHECKING:
    from pathlib import Path

    from dressform.consent.profile import Profile
    from dressform.pictures.contact import Cell
    from dressform.pictures.lint import Finding

_BOUNDARY = {"en": "her boundary", "ja": "彼女の境界線"}
_MOST_OF_A_NAME = 24
_out, _err = (Console(stderr=stderr, highlight=False, soft_wrap=True, emoji=False) for stderr in (False, True))


def say(text: str) -> None:
    """A result: stdout."""
    _out.print(_harmless(text), markup=False)


def note(text: str) -> None:
    """What happens along the way: stderr."""
    _err.print(_harmless(text), markup=False)


def hint(text: str) -> None:
    """What to do next, on a line of its own: stderr."""
    _err.print(f"hint: {text}", style="dim", markup=False)


def names(given: str) -> tuple[str, ...]:
    """Names written with commas between them, each once."""
    return tuple(dict.fromkeys(name for part in given.split(",") if (name := part.strip())))


def not_taught(words: Sequence[str]) -> None:
    """Say which words of a prompt the base model does not know, where it does not."""
    if words:
        note(f"this base model was not taught, and draws nothing for: {', '.join(words)}")


def path(given: Path) -> str:
    """A path as a shell reads it, for a command that is to be copied."""
    return shlex.quote(str(given))


def fail(text: str) -> None:
    """The one line of an error: stderr."""
    _err.print(f"error: {_harmless(text.replace(chr(10), ' '))}", style="bold red" if sys.stderr.isatty() else "", markup=False)


def _harmless(text: str) -> str:
    """The text with every control character but line ends spelt out: a file's name must not command the terminal."""
    return "".join(repr(c)[1:-1] if unicodedata.category(c) == "Cc" and c != "\n" else c for c in text)


def ask_secret(question: str) -> str:
    """A secret from the person at the terminal, not echoed. Raises Locked where nobody sits there."""
    import getpass

    from dressform.errors import Locked

    if not sys.stdin.isatty():
        raise Locked(f"{question}: nobody can be asked here; use a terminal, or give the key with DRESSFORM_KEY_FILE or DRESSFORM_KEY_FD")
    return getpass.getpass(f"{question}: ")


def ask(question: str, answers: str) -> str:
    """One of the letters ``answers``, from the person at the terminal; the last of them where the input ends."""
    while True:
        _err.print(f"{question} ", end="", markup=False)
        line = sys.stdin.readline()
        if not line:
            return answers[-1]
        if (letter := line.strip().lower()[:1]) and letter in answers:
            return letter


def day(text: str | None) -> datetime | None:
    """The end of a day written YYYY-MM-DD, in local time. Raises BadInput."""
    if text is None:
        return None
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(hour=23, minute=59, second=59).astimezone()
        found.astimezone(UTC)  # the last day that there is has no end everywhere
        return found
    except (ValueError, OverflowError):
        raise BadInput(f"day {text!r}: write it as YYYY-MM-DD") from None


def boundary_lines(profile: Profile, lang: str) -> Iterator[str]:
    """Each boundary of a character, on a line of its own."""
    for boundary in profile.boundaries:
        yield f"{_BOUNDARY[lang]}: {boundary}"


def findings(found: Iterable[Finding]) -> Iterator[str]:
    """Each finding of the lint on a line, and what to do about it on the next."""
    for finding in found:
        yield f"{finding.severity}: {finding.about}: {finding.text}"
        yield f"    {finding.fix}"


class Bar:
    """A progress bar with the time left. Use as ``bar(done, all)``."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def __call__(self, done: int, of: int, detail: str = "") -> None:
        self._progress.update(self._task, completed=done, total=of, detail=detail)


@contextmanager
def bar(what: str) -> Iterator[Bar]:
    """A bar on stderr while the block runs."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns, console=_err, disable=not sys.stderr.isatty()) as progress:
        yield Bar(progress, progress.add_task(what, total=None, detail=""))


def contact(cells: Sequence[Cell]) -> None:
    """Small pictures side by side, drawn in the terminal alone."""
    from dressform.pictures.contact import contact_sheet, in_the_terminal

    width = shutil.get_terminal_size().columns
    for line in in_the_terminal(contact_sheet(cells, 96, max(1, width // 24)), width):
        sys.stdout.write(f"{line}\n")


def confirm(question: str, default: bool) -> bool:
    """A question with yes or no for an answer. Raises KeyboardInterrupt where it is broken off."""
    try:
        return typer.confirm(question, default=default, err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None


def figures(title: str, found: Mapping[str, Figure]) -> None:
    """A table of figures with n and the 95 % interval."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column, justify in (("figure", "left"), ("value", "right"), ("95 % interval", "right"), ("n", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for name, f in found.items():
        table.add_row(spoken(name), f"{f.value:.1%}", f"{f.low:.1%} to {f.high:.1%}", str(f.n))
    _out.print(table)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose first column is words and whose others are numbers or words."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        shown.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        shown.add_row(*(escape(_harmless(cell)) for cell in row))
    _out.print(shown)


def matrix(found: Mapping[str, Mapping[str, Figure]]) -> None:
    """asked x appeared, in percent. Columns have the numbers of the rows: eight outfits fit into 80 characters, and no number is cut."""
    table = Table(title="asked (rows) x appeared (columns), %", title_justify="left", title_style="bold", box=SIMPLE, padding=(0, 1, 0, 0))
    names = list(next(iter(found.values())))
    numbers = {name: str(i) for i, name in enumerate(found, 1)}
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=_MOST_OF_A_NAME)
    for name in names:
        head = numbers.get(name, name)
        table.add_column(head, justify="right", no_wrap=True, min_width=max(len("100"), len(head)))
    for row, cells in found.items():
        shares = (f"{cells[n].value:.0%}".rstrip("%") if cells[n].value else "." for n in names)
        table.add_row(f"{numbers[row]} {escape(_harmless(row))}", *shares)
    _out.print(table, crop=False, width=max(_out.width, _MOST_OF_A_NAME + 8 * len(names)))
