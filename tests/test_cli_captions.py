"""The commands caption and mask, and the lint that train shows, by the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_cli import refused, run


@pytest.mark.recipe
def test_captions_are_linted_mended_edited_and_undone_and_train_stops_on_them(tmp_path: Path, tiny_base: Path, dolls: Path) -> None:
    for file in dolls.glob("dress/*.txt"):
        file.write_text(f"green eyes, {file.read_text()}")
    for file in dolls.glob("dress/masks/*.png"):
        file.unlink()
    run("new", "aoi", "--age", "24", "--base-model", tiny_base, "--yes", cwd=tmp_path)
    run("add", "aoi", dolls / "neutral", "--neutral", cwd=tmp_path)
    assert "took 3 of 3" in run("add", "aoi", dolls / "dress", "--outfit", "dress", cwd=tmp_path).stdout
    linted = run("caption", "lint", "aoi", cwd=tmp_path)
    assert "serious: dress: 3 pictures have a caption that names her body (green eyes)" in linted.stdout
    assert "dressform mask NAME --outfit dress" in linted.stdout
    refused(linted, "2 serious findings")
    refused(run("train", "aoi", "--steps", "1", cwd=tmp_path), "and 1 more", "dressform mask NAME")
    refused(run("train", "aoi", "--steps", "1", "--despite-lint", cwd=tmp_path), "dressform mask NAME --outfit dress")
    assert "changed 3 captions" in run("caption", "fix", "aoi", cwd=tmp_path).stdout
    edited = run("caption", "edit", "aoi", "--where", "outfit=dress", "--add", "ink", cwd=tmp_path)
    assert edited.stdout.strip() == "changed 3 captions" and "undo" in edited.stderr
    assert "  3  ink  (dress 3)" in run("caption", "show", "aoi", cwd=tmp_path).stdout
    assert "took back edit" in run("caption", "undo", "aoi", cwd=tmp_path).stdout
    assert "ink" not in run("caption", "show", "aoi", "--each", cwd=tmp_path).stdout
    refused(run("caption", "edit", "aoi", "--where", "colour=red", "--add", "ink", cwd=tmp_path), "outfit=NAME")
    refused(run("caption", "edit", "aoi", "--add", "a, b", cwd=tmp_path), "without commas")
    refused(run("caption", "read", "aoi", cwd=tmp_path), "embedded")
    refused(run("mask", "aoi", "--by", "magic", cwd=tmp_path), "reader, words, neutral")
    refused(run("mask", "aoi", "--by", "neutral", cwd=tmp_path), "3 pictures have no mask")
    refused(run("mask", "aoi", "--by", "neutral", "--word", "red dress", cwd=tmp_path), "--word is for --by words")
