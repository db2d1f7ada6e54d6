"""The sealed store: keys, checks and backups. Example: dressform vault check aoi --read-data"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import BadInput

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Character = Annotated[Path, typer.Argument(help="Her folder.")]


@app.command()
def unlock() -> None:
    """Keep your key at hand until vault lock or the end of the login. Example: dressform vault unlock"""
    from dressform.vault import owner

    owner.unlock(output.ask_secret)
    output.say("unlocked until dressform vault lock, or the end of this login")


@app.command()
def lock() -> None:
    """Forget the key again. Example: dressform vault lock"""
    from dressform.vault import owner

    output.say("locked" if owner.lock() else "nothing was unlocked")


@app.command()
def protect(
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Behind a passphrase, asked for when needed.")] = False,
    keyring: Annotated[bool, typer.Option("--keyring", help="In the system's keyring.")] = False,
) -> None:
    """Move your key behind a passphrase or into the keyring. Example: dressform vault protect --passphrase"""
    from dressform.vault import owner

    if passphrase == keyring:
        raise BadInput("say where your key should go: either --passphrase or --keyring")
    if passphrase:
        owner.protect_with_passphrase(output.ask_secret)
    else:
        owner.protect_with_keyring(output.ask_secret)
    output.say("your key is protected; the open file is gone")


@app.command()
def check(
    character: Character,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every byte too.")] = False,
    remove_strays: Annotated[
        bool, typer.Option("--remove-strays", help="Delete files that no row knows, and damaged encodings, which train makes anew.")
    ] = False,
    accept_older: Annotated[bool, typer.Option("--accept-older", help="Accept a vault that you put back yourself.")] = False,
) -> None:
    """Is the vault whole? Example: dressform vault check aoi --read-data"""
    from dressform.vault import check as checking
    from dressform.workspace import recovering, workspace

    if accept_older:
        recovering.accept_older(character, output.ask_secret)
    with opened(character) as her, output.bar("checking") as bar:
        found = checking.check(workspace.sealed(her), read_data, bar)
        removed = checking.remove_strays(workspace.sealed(her), found) if remove_strays else 0
        anew = checking.forget_encodings(workspace.sealed(her), found) if remove_strays else 0
    for name in found.missing:
        output.say(f"missing  {name}")
    for name in found.damaged:
        output.say(f"damaged  {name}")
    strays = f", {len(found.strays)} files that no row knows ({removed} removed)" if found.strays else ""
    output.say(f"{found.objects} objects{strays}")
    if anew:
        output.say(f"{anew} damaged encodings forgotten: train makes them anew")
    if len(found.broken) > anew:
        how = " --read-data" if read_data else ""
        only = all(name.startswith(checking.ENCODINGS) for name in found.broken)
        way = (
            f"forget what is encoded anew with dressform vault check {output.path(character)}{how} --remove-strays"
            if only
            else "restore it from a backup"
        )
        raise BadInput(f"{character}: the vault is not whole; {way}")


@app.command()
def export(character: Character, file: Annotated[Path, typer.Argument(help="The backup to write.")]) -> None:
    """A sealed backup that age and tar can open. Example: dressform vault export aoi aoi-backup.tar.age"""
    from dressform.vault import export as exporting
    from dressform.workspace import consenting, workspace

    with opened(character) as her:
        before = her.gate.state().revoked.keys()  # first, or what is taken back meanwhile would be in neither
        left = consenting.withheld(her)
        people = workspace.backed_up_for(her)
        beside, still = workspace.in_the_clear(her.root), lambda: her.gate.state().revoked.keys() <= before
        count = exporting.export(workspace.sealed(her), file, people, left, beside, still)
    output.say(f"{file}: {count} objects, sealed to your key{' and the recovery key' if len(people) > 1 else ' alone'}")
    if left:
        output.note(f"{len(left)} more are not in it: they are, came from, or were worked on beside, what was taken back")
    backup = output.path(file)
    output.hint(
        f"put it back with dressform vault restore {backup} FOLDER; without dressform it opens with: age -d -i KEY {backup} | tar x"
    )


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A backup that vault export wrote.")],
    folder: Annotated[Path, typer.Argument(help="Her folder, which is made.")],
) -> None:
    """Put her back from a backup. Example: dressform vault restore aoi-backup.tar.age aoi"""
    from dressform.workspace import restoring

    found = restoring.restore(file, folder, output.ask_secret)
    if found.recovery:
        output.note(f"a new recovery key, shown this once; write it down, for the old one opens the backup alone:\n  {found.recovery}")
    if found.anew:
        output.say(f"made {folder}: it opens with your key; agree anew with dressform consent grant {output.path(folder)}")
    else:
        output.say(f"made {folder}: what is agreed is as it was when the backup was made")
        output.hint(f"what was taken back since then is not known to it: dressform consent show {output.path(folder)}")


@app.command(name="add-person")
def add_person(
    character: Character,
    who: Annotated[str, typer.Argument(help="A short name.")],
    recipient: Annotated[str, typer.Argument(help="Her age recipient (age1…).")],
) -> None:
    """Let another person's key open the vault. Example: dressform vault add-person aoi mika age1..."""
    from dressform.workspace import workspace

    with opened(character) as her:
        workspace.sealed(her).add_person(who, recipient)
    output.say(f"{who} can open {character} now")


@app.command()
def recover(character: Character) -> None:
    """After a lost key: open with the recovery key, and make you a new one. Example: dressform vault recover aoi"""
    from dressform.workspace import recovering

    recovering.recover(character, output.ask_secret)
    output.say(f"recovered: {character} opens with your key again; agree anew with dressform consent grant {output.path(character)}")
