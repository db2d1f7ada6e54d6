"""What is healthy and what is not: machine, key, base model, vault, ledger. Example: dressform doctor aoi"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dressform.cli import output
from dressform.errors import NotReady

NEEDS_ARGUMENTS = False


def command(
    character: Annotated[Path | None, typer.Argument(help="Her folder (default: this machine alone).")] = None,
    offline_proof: Annotated[
        bool, typer.Option("--offline-proof", help="Run a short journey with the network taken away, and show what it called.")
    ] = False,
) -> None:
    from dressform.backbones.embedded import EMBEDDED
    from dressform.workspace import health

    findings = health.machine()
    findings += health.character(character, output.ask_secret) if character else [health.base_model(EMBEDDED)]
    findings += [health.offline(lambda name: output.note(f"without a network: {name}"))] if offline_proof else []
    for finding in findings:
        output.say(f"{'ok ' if finding.healthy else 'ILL'}  {finding.what:<11} {finding.detail}")
    ill = [f.what for f in findings if not f.healthy]
    if ill:
        raise NotReady(f"not healthy: {', '.join(ill)}; see the lines above")
