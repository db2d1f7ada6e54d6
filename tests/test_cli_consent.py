"""Making a character, seeing what was agreed, taking it back, and training that refuses: the real commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_cli import refused, run


@pytest.fixture
def aoi(tmp_path: Path, tiny_base: Path, dolls: Path) -> Path:
    """A folder with the character aoi, her neutral pictures and a dress."""
    made = run("new", "aoi", "--age", "24", "--base-model", tiny_base, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert run("add", "aoi", dolls / "neutral", "--neutral", cwd=tmp_path).returncode == 0
    assert run("add", "aoi", dolls / "dress", "--outfit", "dress", cwd=tmp_path).returncode == 0
    return tmp_path


@pytest.mark.recipe
def test_new_says_what_is_agreed_and_shows_the_recovery_key_once(tmp_path: Path, tiny_base: Path) -> None:
    made = run("new", "aoi", "--age", "24", "--base-model", tiny_base, "--lang", "ja", cwd=tmp_path)
    assert "同意" in made.stderr and "AGE-SECRET-KEY-1" in made.stderr and "AGE-SECRET-KEY-1" not in made.stdout
    everything = b"".join(p.read_bytes() for p in (tmp_path / "aoi").rglob("*") if p.is_file())
    assert b"AGE-SECRET-KEY" not in everything
    assert len(list((tmp_path / "aoi" / "receipts").iterdir())) == 1


@pytest.mark.recipe
def test_what_is_revoked_stops_training_and_a_new_grant_allows_it(aoi: Path) -> None:
    shown = run("consent", "show", "aoi", cwd=aoi).stdout
    assert "yes  train:identity" in shown and " no  publish" in shown and "took" not in shown
    gone = run("consent", "revoke", "aoi", "--asset", "dress", cwd=aoi)
    assert gone.returncode == 0 and "revoked, line" in gone.stdout
    refused(run("train", "aoi", "--steps", "2", cwd=aoi), "outfit:dress was revoked")
    assert run("consent", "grant", "aoi", "--permit", "train:outfit,dress", "--asset", "dress", cwd=aoi).returncode == 0
    assert "trained identity, dress" in run("train", "aoi", "--steps", "2", cwd=aoi).stdout
    assert "whole:" in run("consent", "verify", "aoi", cwd=aoi).stdout


@pytest.mark.recipe
def test_what_came_from_revoked_pictures_opens_no_more_and_is_shredded(aoi: Path) -> None:
    assert run("train", "aoi", "--steps", "2", cwd=aoi).returncode == 0
    refused(run("dress", "aoi", "--outfit", "dress", "--steps", "2", "child", cwd=aoi), "adults only")
    drawn = run("dress", "aoi", "--outfit", "dress", "--steps", "2", cwd=aoi)
    picture = aoi / drawn.stdout.strip()
    assert run("verify", picture, cwd=aoi).stdout.startswith("ours")
    gone = run("consent", "revoke", "aoi", "--asset", "neutral", "--grace-days", "0", cwd=aoi)
    assert gone.returncode == 0 and "shredded" in gone.stdout, gone.stderr
    refused(run("dress", "aoi", "--outfit", "dress", "--steps", "2", cwd=aoi), "revoked")
    refused(run("train", "aoi", "--steps", "2", "--identity", "neutral", cwd=aoi), "no neutral pictures")
    assert run("vault", "check", "aoi", "--read-data", cwd=aoi).returncode == 0


@pytest.mark.recipe
def test_an_older_ledger_or_vault_opens_nothing(aoi: Path) -> None:
    ledger = aoi / "aoi" / "consent.jsonl"
    older = ledger.read_bytes()
    assert run("consent", "narrow", "aoi", "--prohibit", "dress", cwd=aoi).returncode == 0
    ledger.write_bytes(older)
    refused(run("train", "aoi", cwd=aoi), "older copy")
    assert "older copy" in run("doctor", "aoi", cwd=aoi).stdout
    assert run("consent", "revoke", "aoi", cwd=aoi).returncode == 0


@pytest.mark.recipe
def test_a_lost_key_is_recovered_and_nothing_is_permitted_until_agreed_anew(tmp_path: Path, tiny_base: Path, dolls: Path) -> None:
    first = {**os.environ, "DRESSFORM_HOME": str(tmp_path / "first")}
    second = {**os.environ, "DRESSFORM_HOME": str(tmp_path / "second")}

    def command(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dressform.cli", *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    made = command(first, "new", "aoi", "--age", "24", "--base-model", str(tiny_base))
    recovery = next(w for w in made.stderr.split() if w.startswith("AGE-SECRET-KEY-1"))
    refused(command(second, "consent", "show", "aoi"), "vault recover")
    code = (
        "import sys; from pathlib import Path; from dressform.workspace.workspace import recover\n"
        "recover(Path('aoi'), lambda _: sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, recovery], cwd=tmp_path, env=second, check=True)
    refused(command(second, "add", "aoi", str(dolls / "neutral"), "--neutral"), "nothing in the consent ledger permits it")
    assert command(second, "consent", "grant", "aoi", "--permit", "add").returncode == 0
    assert command(second, "add", "aoi", str(dolls / "neutral"), "--neutral").returncode == 0


@pytest.mark.recipe
def test_dressed_pictures_alone_are_enough(tmp_path: Path, tiny_base: Path, dolls: Path) -> None:
    assert run("new", "aoi", "--age", "24", "--base-model", tiny_base, cwd=tmp_path).returncode == 0
    refused(run("train", "aoi", cwd=tmp_path), "no pictures yet")
    assert run("add", "aoi", dolls / "dress", "--outfit", "dress", cwd=tmp_path).returncode == 0
    refused(run("train", "aoi", "--steps", "2", cwd=tmp_path), "--describe")
    card = tmp_path / "aoi" / "character.toml"
    card.write_text(card.read_text().replace('description = ""', 'description = "blue skin, white hair"'))
    trained = run("train", "aoi", "--steps", "2", cwd=tmp_path)
    assert trained.returncode == 0 and "trained identity, dress" in trained.stdout, trained.stderr
    assert run("dress", "aoi", "--outfit", "dress", "--steps", "2", cwd=tmp_path).returncode == 0
