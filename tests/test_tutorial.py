"""The way from one sheet to a lookbook, command by command, as the tutorial says it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.test_cli import run
from tests.transcript import ROOT

_BLOCK = re.compile(r"## From one sheet.*?```sh\n(.*?)```", re.DOTALL)
_QUICK = {"new": ["--yes"], "draft propose": ["--tries", "1", "--steps", "1"], "train": ["--steps", "1", "--despite-lint"],
          "lookbook": ["--steps", "1"], "measure": ["--steps", "1", "--each", "1"]}  # fmt: skip


@pytest.mark.recipe
def test_from_one_sheet_to_a_lookbook(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "petra", tmp_path / "examples" / "petra")
    commands = _BLOCK.search((ROOT / "docs" / "tutorial.md").read_text())
    assert commands
    for line in commands[1].splitlines():
        program, *words = shlex.split(line)
        more = next((given for said, given in _QUICK.items() if words[: len(said.split())] == said.split()), [])
        done = run(*words, *more, cwd=tmp_path)
        assert program == "dressform" and done.returncode == 0, (line, done.stdout, done.stderr)
        if words[:2] == ["pictures", "petra"]:
            assert "21 of 24" in done.stdout and "9 of 12" in done.stdout, done.stdout
    assert (tmp_path / "cuts.png").exists() and (tmp_path / "petra" / "looks" / "lookbook.html").exists()
    assert (tmp_path / "petra" / "reports" / "measure.html").exists()
