"""Files made to break a reader, each in a process of its own: benchmarks/trust/hostile.py, held to what it states."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

Outcome = dict[str, object]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    report = tmp_path_factory.mktemp("hostile") / "report.json"
    done = subprocess.run([sys.executable, "-m", "benchmarks.trust.hostile", "--json", report], capture_output=True, text=True)
    assert report.is_file(), done.stderr
    return json.loads(report.read_text())["files"]


def test_every_hostile_file_is_refused_in_one_line(outcomes: list[Outcome]) -> None:
    assert len(outcomes) >= 190
    assert [(o["name"], o["said"]) for o in outcomes if not o["refused"]] == []


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux keeps the peak of a process's memory")
def test_none_takes_more_memory_than_stated(outcomes: list[Outcome]) -> None:
    from benchmarks.trust.hostile import MEGABYTES

    assert [(o["name"], o["megabytes"]) for o in outcomes if float(str(o["megabytes"])) >= MEGABYTES] == []
