"""A document's transcript, run again: each ``$ command`` in it and what it printed.

python -m tests.transcript docs/first-consent.md   # prints the document with its outputs as they are now
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
_CHANGING = (
    (re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]+"), "AGE-SECRET-KEY-1(yours)"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "(64 hexadecimal digits)"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "2026-11-22T21:50:00+00:00"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d\b"), "2026-11-22 21:50"),
)
"""What is another on every run, and how the document writes it."""


def rerun(document: str, folder: Path) -> str:
    """The document with the output of every command as it is now, run one after the other in this folder."""
    return _BLOCK.sub(lambda block: "".join(_run(line, folder) for line in block[0].splitlines() if line.startswith("$ ")), document)


def _run(line: str, folder: Path) -> str:
    program, *words = shlex.split(line[2:])
    command = [sys.executable, "-m", "dressform.cli", *words] if program == "dressform" else [program, *words]
    environment = {**os.environ, "DRESSFORM_HOME": str(folder / "home"), "LANG": "en_US.UTF-8", "LC_ALL": "", "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    shown = done.stdout
    for pattern, written in _CHANGING:
        shown = pattern.sub(written, shown)
    return f"{line}\n{shown}"


def prepared(folder: Path) -> Path:
    """The folder with the sample pictures in it, as beside a fresh checkout."""
    for name in ("neutral", "dress"):
        shutil.copytree(ROOT / "examples" / "aoi" / name, folder / "examples" / "aoi" / name)
    return folder


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        sys.stdout.write(rerun(Path(sys.argv[1]).read_text(), prepared(Path(place))))
