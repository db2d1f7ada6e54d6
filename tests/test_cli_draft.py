"""The command draft, by the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_cli import refused, run


@pytest.mark.recipe
def test_candidates_are_proposed_shown_redrawn_approved_and_taken_back(tmp_path: Path, tiny_base: Path, dolls: Path) -> None:
    run("new", "aoi", "--age", "24", "--base-model", tiny_base, "--describe", "blue skin, white hair", "--yes", cwd=tmp_path)
    run("add", "aoi", dolls / "neutral", "--neutral", cwd=tmp_path)
    refused(run("draft", "propose", "aoi", cwd=tmp_path), "--neutral or --outfit")
    refused(run("draft", "propose", "aoi", "--neutral", cwd=tmp_path), "embedded lay-figure model alone")
    refused(run("draft", "propose", "aoi", "--outfit", "coat", cwd=tmp_path), '--wear "green coat"')
    refused(run("draft", "show", "aoi", cwd=tmp_path), "no candidate waits")
    made = run(
        "draft", "propose", "aoi", "--outfit", "coat", "--wear", "green coat", "--want", "4", "--tries", "1", "--steps", "1", cwd=tmp_path
    )
    assert made.returncode == 0 and "4 candidates wait, sealed" in made.stderr and "draft review aoi" in made.stderr, made.stderr
    listed = run("draft", "show", "aoi", cwd=tmp_path).stdout
    assert all(f"{view}, " in listed for view in ("front", "three-quarter", "side", "back")) and "not read" in listed
    assert "4" in run("draft", "redraw", "aoi", "4", "--steps", "1", cwd=tmp_path).stdout
    refused(run("draft", "approve", "aoi", cwd=tmp_path), "3 5-9, or all")
    refused(run("draft", "approve", "aoi", "x", cwd=tmp_path), "3 or 5-9")
    refused(run("draft", "approve", "aoi", "9", cwd=tmp_path), "no candidate named '9'")
    refused(run("draft", "review", "aoi", cwd=tmp_path), "at a terminal")
    refused(run("draft", "show", "aoi", "--show", cwd=tmp_path), "in a terminal")
    written = run("draft", "show", "aoi", "1-2", "--to", tmp_path / "out", cwd=tmp_path)
    assert "not sealed any more" in written.stderr and len(list((tmp_path / "out").iterdir())) == 3
    assert "threw 1 away" in run("draft", "reject", "aoi", "3", cwd=tmp_path).stdout
    joined = run("draft", "approve", "aoi", "all", cwd=tmp_path)
    assert "3 joined, marked as drawn by the model" in joined.stdout and "dressform mask" in joined.stderr
    assert "coat: 3 of 3 were drawn by the model" in run("pictures", "aoi", cwd=tmp_path).stdout
    refused(run("draft", "propose", "aoi", "--outfit", "cot", cwd=tmp_path), "did you mean coat? For a new one, say what it is")
    refused(run("add", "aoi", "--undo", "--outfit", "coat", cwd=tmp_path), "give nothing with it")
    assert "took back the last add: 3 pictures of coat" in run("add", "aoi", "--undo", cwd=tmp_path).stdout
