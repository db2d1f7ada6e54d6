"""Take pictures in, or cut a turnaround sheet. Example: dressform add aoi pictures/dress --outfit dress"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dressform.cli import output
from dressform.cli.opening import opened
from dressform.errors import BadInput

if TYPE_CHECKING:
    from dressform.pictures.sheets import Cutting
    from dressform.records import IntakeReport

NEEDS_ARGUMENTS = True
_EACH_UP_TO = 5


def command(
    character: Annotated[Path, typer.Argument(help="Her folder.")],
    pictures: Annotated[
        list[Path] | None,
        typer.Argument(help="Picture files, folders or zip archives; captions in NAME.txt, garment masks in masks/NAME.png."),
    ] = None,
    outfit: Annotated[str | None, typer.Option(help="The outfit these pictures show.")] = None,
    accessory: Annotated[str | None, typer.Option(help="The accessory these pictures show: a hat, glasses, a bag.")] = None,
    neutral: Annotated[bool, typer.Option("--neutral", help="These pictures show her in the neutral layer.")] = False,
    sheet: Annotated[bool, typer.Option("--sheet", help="Cut turnaround sheets into their figures.")] = False,
    cuts: Annotated[str, typer.Option(help="Where the figures are, in columns: 0-310,320-600. Otherwise they are found.")] = "",
    views: Annotated[str, typer.Option(help="What the figures show, from left to right: front,side,back.")] = "",
    whole: Annotated[bool, typer.Option("--whole", help="Take what looks like a turnaround sheet as one picture.")] = False,
    dry_run: Annotated[Path | None, typer.Option(help="Take nothing; write a PNG that shows the cuts to this file.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last add.")] = False,
) -> None:
    if undo:
        if pictures or outfit or accessory or neutral or sheet or cuts or views or whole or dry_run:
            raise BadInput("--undo takes back the last add, whatever it took: give nothing with it; for others there is dressform remove")
        return _undo(character)
    if not pictures:
        raise BadInput("say which pictures: files, folders or zip archives")
    if neutral + (outfit is not None) + (accessory is not None) != 1:
        raise BadInput("say what the pictures show: one of --neutral or --outfit NAME or --accessory NAME")
    if whole and (sheet or dry_run is not None):
        raise BadInput("--whole takes a sheet as it is, --sheet cuts it: give one of them")
    if (cuts or views or dry_run is not None) and not sheet:
        raise BadInput("--cuts, --views and --dry-run are for turnaround sheets: give --sheet with them")
    if (cuts or dry_run is not None) and (len(pictures) > 1 or not pictures[0].is_file()):
        raise BadInput("--cuts and --dry-run are for one sheet: give one picture file")
    cutting, name = _cutting(cuts, views), accessory if outfit is None else outfit
    if dry_run is not None:
        return _dry_run(character, pictures[0], name, cutting, dry_run)
    with opened(character) as workspace, output.bar("reading") as bar:
        from dressform.workspace import adding

        kind = "outfit" if accessory is None else "accessory"
        report = adding.add(workspace, pictures, name, cutting if sheet else "whole" if whole else "leave", bar, kind)
    _tell(report)
    output.say(f"took {report.taken} of {len(report.notes)} pictures as {name or 'neutral'}")
    if not report.taken and all("already here" not in n.reason for n in report.notes):
        raise BadInput("none of the pictures could be used; see the lines above")
    output.hint(f"dressform pictures {output.path(character)}")


def _cutting(cuts: str, views: str) -> Cutting:
    from dressform.consent.refusals import refuse_young
    from dressform.pictures import sheets

    refuse_young(views)
    return sheets.Cutting(sheets.columns(cuts), tuple(v.strip() for v in views.split(",") if v.strip()))


def _undo(character: Path) -> None:
    from dressform.workspace import adding

    with opened(character) as workspace:
        asset, gone = adding.undo(workspace)
    output.say(f"took back the last add: {gone} pictures of {asset.removeprefix('outfit:')}")


def _dry_run(character: Path, file: Path, outfit: str | None, cutting: Cutting, to: Path) -> None:
    from dressform.store import write_atomically
    from dressform.workspace import adding

    if to.exists() or to.resolve().is_relative_to(character.resolve()):
        raise BadInput(f"--dry-run {to}: {'is there already' if to.exists() else 'lies in her own folder'}; name a new file for the cuts")
    with opened(character) as workspace:
        sheet, shown = adding.preview(workspace, file, outfit, cutting)
    write_atomically(to, shown, mode=0o600)
    for number, cut in enumerate(sheet.cuts, 1):
        output.say(f"figure {number}: columns {cut.left}-{cut.right}, rows {cut.top}-{cut.bottom}, {cut.view or 'view not named'}")
    output.note(f"took nothing; the cuts are drawn in {to}, in silhouettes")


def _tell(report: IntakeReport) -> None:
    """Each picture on a line where there are few; where there are many, what they are together and what is to be looked at."""
    taken = [n for n in report.notes if n.taken]
    for note in taken if len(taken) <= _EACH_UP_TO else []:
        output.note(f"took  {note.source}: {note.what}")
    if len(taken) > _EACH_UP_TO:
        kinds = Counter(note.what.split(" ")[0] for note in taken)
        output.note(f"took  {', '.join(f'{count} {kind}' for kind, count in kinds.most_common())}")
    for note in taken:
        for warning in note.warnings:
            output.note(f"look at  {note.source}: {warning}")
    for left in report.left_out:
        output.note(f"left out  {left.source}: {left.reason}")
