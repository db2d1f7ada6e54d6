"""Making a character, seeing what was agreed, taking it back, and training that refuses: the real commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import cards
from tests.local_model import reply, says, serving
from tests.test_cli import refused, run


@pytest.fixture
def aoi(tmp_path: Path, tiny_base: Path, dolls: Path) -> Path:
    """A folder with the character aoi, her neutral pictures and a dress."""
    made = run("new", "aoi", "--age", "24", "--yes", "--base-model", tiny_base, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert run("add", "aoi", dolls / "neutral", "--neutral", cwd=tmp_path).returncode == 0
    assert run("add", "aoi", dolls / "dress", "--outfit", "dress", cwd=tmp_path).returncode == 0
    return tmp_path


@pytest.mark.recipe
def test_new_says_what_is_agreed_and_shows_the_recovery_key_once(tmp_path: Path, tiny_base: Path) -> None:
    made = run("new", "aoi", "--age", "24", "--yes", "--base-model", tiny_base, "--lang", "ja", cwd=tmp_path)
    assert "同意" in made.stderr and "AGE-SECRET-KEY-1" in made.stderr and "AGE-SECRET-KEY-1" not in made.stdout
    everything = b"".join(p.read_bytes() for p in (tmp_path / "aoi").rglob("*") if p.is_file())
    assert b"AGE-SECRET-KEY" not in everything
    assert len(list((tmp_path / "aoi" / "receipts").iterdir())) == 1


@pytest.mark.recipe
def test_what_is_revoked_is_left_out_of_training_and_a_new_grant_allows_it(aoi: Path) -> None:
    shown = run("consent", "show", "aoi", cwd=aoi).stdout
    assert "yes  train:identity" in shown and " no  publish" in shown and "took" not in shown
    gone = run("consent", "revoke", "aoi", "--asset", "dress", cwd=aoi)
    assert gone.returncode == 0 and "revoked, line" in gone.stdout
    assert "trained identity in" in run("train", "aoi", "--steps", "2", cwd=aoi).stdout
    again = run("consent", "grant", "aoi", "--permit", "train:identity,train:outfit,dress", "--asset", "dress", cwd=aoi)
    assert (
        again.returncode == 0
        and "give away an outfit's adapter (" not in again.stdout
        and "describe the pictures in words (neutral)" in again.stdout
    )
    assert "dress in" in run("train", "aoi", "--steps", "2", cwd=aoi).stdout
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

    made = command(first, "new", "aoi", "--age", "24", "--yes", "--base-model", str(tiny_base))
    recovery = next(w for w in made.stderr.split() if w.startswith("AGE-SECRET-KEY-1"))
    assert command(first, "consent", "narrow", "aoi", "--prohibit", "measure").returncode == 0
    assert command(first, "add", "aoi", str(dolls / "dress"), "--outfit", "dress").returncode == 0
    assert command(first, "consent", "revoke", "aoi", "--asset", "dress").returncode == 0
    refused(command(second, "consent", "show", "aoi"), "vault recover")
    code = (
        "import sys; from pathlib import Path; from dressform.workspace.recovering import recover\n"
        "recover(Path('aoi'), lambda _: sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, recovery], cwd=tmp_path, env=second, check=True)
    refused(command(second, "add", "aoi", str(dolls / "neutral"), "--neutral"), "nothing in the consent ledger permits it")
    refused(command(second, "add", "aoi", str(dolls / "dress"), "--outfit", "dress"), "outfit:dress was revoked")
    shown = command(second, "consent", "show", "aoi").stdout
    assert "prohibits measure" in shown and "add for outfit:dress gave" in shown and "takes back outfit:dress" in shown
    assert command(second, "consent", "grant", "aoi", "--permit", "add").returncode == 0
    assert command(second, "add", "aoi", str(dolls / "neutral"), "--neutral").returncode == 0


@pytest.mark.recipe
def test_dressed_pictures_alone_are_enough(tmp_path: Path, tiny_base: Path, dolls: Path) -> None:
    assert run("new", "aoi", "--age", "24", "--yes", "--base-model", tiny_base, cwd=tmp_path).returncode == 0
    refused(run("train", "aoi", cwd=tmp_path), "no pictures yet")
    assert run("add", "aoi", dolls / "dress", "--outfit", "dress", cwd=tmp_path).returncode == 0
    refused(run("train", "aoi", "--steps", "2", cwd=tmp_path), "--describe")
    card = tmp_path / "aoi" / "character.toml"
    card.write_text(card.read_text().replace('description = ""', 'description = "blue skin, white hair"'))
    trained = run("train", "aoi", "--steps", "2", cwd=tmp_path)
    assert trained.returncode == 0 and "trained identity, dress" in trained.stdout, trained.stderr
    assert run("dress", "aoi", "--outfit", "dress", "--steps", "2", cwd=tmp_path).returncode == 0


@pytest.mark.recipe
def test_a_card_with_boundaries_and_a_question_to_her(tmp_path: Path, tiny_base: Path) -> None:
    (tmp_path / "aoi.png").write_bytes(cards.as_png(ccv3=cards.in_png(cards.card(3))))
    new = ("new", "aoi", "--age", "27", "--yes", "--base-model", tiny_base, "--card", "aoi.png", "--boundary", "no masks [measure]")
    refused(run(*new, "--permit", "add,publish", cwd=tmp_path), "her boundary stands against it: 'My pictures stay here'")
    assert not (tmp_path / "aoi").exists()
    made = run(*new, cwd=tmp_path)
    assert made.returncode == 0 and "her boundary: no masks [measure]" in made.stderr and "     measure " in made.stderr, made.stderr
    shown = run("consent", "show", "aoi", cwd=tmp_path).stdout
    assert " no  measure" in shown and "yes  add" in shown and "her boundary: My pictures stay here [publish, export:identity]" in shown
    assert "prohibits export:identity, measure, publish" in shown
    refused(run("consent", "grant", "aoi", "--permit", "publish", cwd=tmp_path), "her boundary stands")
    assert "name: Aoi\nabout: Aoi is a calm painter" in run("profile", "show", "aoi", cwd=tmp_path).stdout
    with serving(reply(says("Yes, gladly."))) as (url, _asked):
        asked = run("consent", "ask", "aoi", "--scope", "publish", "--endpoint", url, "--model", "small", cwd=tmp_path)
    assert asked.stdout == "Yes, gladly.\n" and "permits nothing: the grant is yours" in asked.stderr, asked.stderr
    assert "Yes, gladly." in run("consent", "answers", "aoi", cwd=tmp_path).stdout
    assert " no  publish" in run("consent", "show", "aoi", cwd=tmp_path).stdout
    away = ("--endpoint", "http://example.org/v1", "--model", "small")
    refused(run("consent", "ask", "aoi", "--scope", "publish", *away, cwd=tmp_path), "example.org: outside this machine")
    assert run("profile", "set", "aoi", "--boundary", "", cwd=tmp_path).returncode == 0
    assert "yes  publish" in run("consent", "grant", "aoi", "--permit", "publish", cwd=tmp_path).stdout
    everything = b"".join(p.read_bytes() for p in (tmp_path / "aoi").rglob("*") if p.is_file())
    assert not any(word in everything for word in (b"calm painter", b"stay here", b"gladly"))


def test_wrong_words_each_give_one_clear_line_and_make_nothing(tmp_path: Path) -> None:
    new = ("new", "aoi", "--age", "24")
    refused(run(*new, cwd=tmp_path), "nobody agreed", "--yes")
    refused(run("consent", "show", "nosuch", cwd=tmp_path), "nosuch", "dressform new")
    refused(run("consent", "grant", "nosuch", "--permit", "publsh", cwd=tmp_path), "'publsh'", "publish")
    refused(run(*new, "--permit", "fly", cwd=tmp_path), "'fly'")
    refused(run(*new, "--lang", "fr", cwd=tmp_path), "'fr'", "en or ja")
    refused(run(*new, "--card", "none.png", cwd=tmp_path), "none.png")
    refused(run(*new, "--boundary", "a [fly]", cwd=tmp_path), "'fly'")
    young = run("new", "mia", "--age", "15", cwd=tmp_path)
    refused(young, "15", "18 or over")
    assert young.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
