"""The transcript in the documents is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcript import ROOT, prepared, rerun


@pytest.mark.recipe
def test_the_first_time_looks_as_it_is_written(tmp_path: Path) -> None:
    written = (ROOT / "docs" / "first-consent.md").read_text()
    assert written.count("\n$ ") >= 18 and "/tmp" not in written
    assert rerun(written, prepared(tmp_path)) == written
