"""The ``dressform`` command: gathers the commands, and turns every error raised on purpose into one line."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from dressform import __version__
from dressform.cli import (
    add,
    caption,
    consent,
    demo,
    doctor,
    draft,
    dress,
    export,
    import_,
    lookbook,
    mask,
    measure,
    new,
    output,
    pictures,
    plan,
    profile,
    remove,
    train,
    vault,
    verify,
)
from dressform.errors import DressformError


class _Interruptible(TyperGroup):
    """Says what an interrupt leaves; typer would leave in silence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            output.note("interrupted; what was finished is kept. Run the same command again to go on, a train --restart without --restart.")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Interruptible,
    help="Learn who a character is once, each outfit apart, and draw her in any of them: on this machine alone.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        output.say(f"dressform {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None: ...


for _command in (new, add, pictures, remove, mask, plan, train, dress, lookbook, measure, export, import_, verify, doctor, demo):
    _name = _command.__name__.rsplit(".", 1)[1].rstrip("_")
    app.command(name=_name, help=_command.__doc__, no_args_is_help=_command.NEEDS_ARGUMENTS)(_command.command)

for _group in (caption, draft, profile, consent, vault):
    app.add_typer(_group.app, name=_group.__name__.rsplit(".", 1)[1], help=_group.__doc__)


def leave_no_core() -> None:
    """A crash writes no copy of the memory, which may hold open pictures and keys, to the disk."""
    try:
        import resource
    except ImportError:  # Windows, which writes none unless told to
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Run the command line; 1 for an error raised on purpose, 130 after an interrupt."""
    leave_no_core()
    try:
        app()
    except DressformError as error:
        output.fail(str(error))
        sys.exit(1)
