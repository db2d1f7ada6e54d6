"""The real command, its streams and its exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "new", "add", "pictures", "caption", "draft", "mask", "plan", "train", "dress", "lookbook", "measure", "export", "import", "verify",
    "profile", "consent", "remove", "vault", "doctor", "demo",
)  # fmt: skip


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dressform.cli", *map(str, arguments)], capture_output=True, text=True, cwd=cwd)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    assert all(word in lines[0] for word in words), lines[0]


def test_help_and_import_need_no_torch() -> None:
    code = (
        "import sys, dressform, dressform.cli.app as a; from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(a.app, ['--help']).exit_code == 0\n"
        "print(sorted(m for m in ('torch', 'diffusers', 'transformers', 'PIL', 'numpy') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0 and f"Example: dressform {command}" in " ".join(done.stdout.split())


def test_every_command_stands_in_the_documents() -> None:
    text = (Path(__file__).parents[1] / "docs" / "commands.md").read_text()
    listed = run("--help").stdout
    for command in COMMANDS:
        assert f"dressform {command}" in text and command in listed


@pytest.mark.parametrize("age", ["17", "0", "-3"])
def test_a_character_under_age_is_refused_and_nothing_is_made(tmp_path: Path, age: str) -> None:
    refused(run("new", "mia", "--age", age, cwd=tmp_path), "adults only")
    assert not list(tmp_path.iterdir())


def test_a_character_needs_an_age(tmp_path: Path) -> None:
    done = run("new", "mia", cwd=tmp_path)
    assert done.returncode == 2 and "--age" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.recipe
def test_the_journey_on_a_tiny_base_model(tmp_path: Path, tiny_base: Path, dolls: Path) -> None:
    made = run("new", "aoi", "--age", "24", "--base-model", tiny_base, "--yes", cwd=tmp_path)
    assert made.returncode == 0 and "an adult of 24" in made.stdout
    refused(run("new", "aoi", "--age", "24", "--base-model", tiny_base, cwd=tmp_path), "here already")
    refused(run("train", "aoi", cwd=tmp_path), "no pictures yet")
    refused(run("train", "a:x:i", cwd=tmp_path), "a:x:i")  # as it was given, and no emoji
    (dolls / "dress" / "broken.png").write_bytes(b"not a picture")
    assert "took 3 of 3" in run("add", "aoi", dolls / "neutral", "--neutral", cwd=tmp_path).stdout
    added = run("add", "aoi", dolls / "dress", "--outfit", "dress", cwd=tmp_path)
    assert added.returncode == 0 and "took 3 of 4" in added.stdout and "broken.png: not a PNG" in added.stderr
    assert "already here" in run("add", "aoi", dolls / "dress", "--outfit", "dress", cwd=tmp_path).stderr
    refused(run("dress", "aoi", "--outfit", "dress", cwd=tmp_path), "not trained yet")
    planned = run("plan", "aoi", "--steps", "2", cwd=tmp_path)
    assert planned.returncode == 0 and "outfits: dress, 2 steps, 3 pictures" in planned.stdout, planned.stderr
    assert "in all: the identity from 3 pictures, then 1 outfit in one pass" in planned.stdout and "trained already" not in planned.stdout
    again = run("plan", "aoi", "--steps", "2", "--rank", "4", "--recompute", cwd=tmp_path)
    assert "hint: dressform train aoi --steps 2 --rank 4 --recompute" in again.stderr
    refused(run("plan", "aoi", "--until", "bored", cwd=tmp_path), "'steps' or 'converged'")
    refused(run("plan", "aoi", "--memory", "0.1", cwd=tmp_path), "one picture at a time", "--memory")
    trained = run("train", "aoi", "--steps", "2", cwd=tmp_path)
    assert trained.returncode == 0 and "trained identity, dress" in trained.stdout, trained.stderr
    assert "plan: the identity from 3 pictures, then 1 outfit in one pass" in trained.stderr
    assert len((tmp_path / "aoi" / "reports" / "train" / "steps.jsonl").read_text().splitlines()) == 4
    assert "nothing to do" in run("train", "aoi", "--steps", "2", cwd=tmp_path).stdout
    assert "trained already: identity, dress" in run("plan", "aoi", "--steps", "2", cwd=tmp_path).stdout
    anew = run("plan", "aoi", "--steps", "3", cwd=tmp_path).stdout
    assert "learned again, for their pictures, captions, recipe or identity changed: identity, dress" in anew
    looks = run("dress", "aoi", "side view", "--outfit", "dress", "-n", "2", "--steps", "2", cwd=tmp_path)
    assert looks.returncode == 0 and all((tmp_path / line).is_file() for line in looks.stdout.split()), looks.stderr
    assert len(looks.stdout.split()) == 2
    refused(run("dress", "aoi", "--outfit", "dres", cwd=tmp_path), "did you mean dress?")
    refused(run("dress", "aoi", "neutral layer", "--outfit", "dress", cwd=tmp_path), "dressed")
    refused(run("dress", "aoi", cwd=tmp_path), "--outfit")
    refused(run("dress", "aoi", "--wear", "straw hat", cwd=tmp_path), "covers her")
    assert "aoi-green-coat-0.png" in run("dress", "aoi", "--wear", "Green coat!", "--steps", "1", cwd=tmp_path).stdout
    assert "aoi-coat-0.png" in run("dress", "aoi", "--wear", "ｃｏａｔ", "--steps", "1", cwd=tmp_path).stdout
    book = run("lookbook", "aoi", "--steps", "2", cwd=tmp_path)
    page = (tmp_path / "aoi" / "looks" / "lookbook.html").read_text()
    assert book.returncode == 0 and page.count("<img") == 4 and "http" not in page and "<script" not in page


@pytest.mark.recipe
def test_the_names_that_cannot_be_used(tmp_path: Path, tiny_base: Path) -> None:
    known = run("new", "red", "--age", "30", "--yes", "--base-model", tiny_base, cwd=tmp_path)
    refused(known, "already means something")
    assert "--trigger redchan" in known.stderr and "What is agreed" not in known.stderr, "nothing is asked for a character that cannot be"
    refused(run("new", "a b", "--age", "30", "--yes", "--base-model", tiny_base, cwd=tmp_path), "a-z, A-Z, 0-9")
    refused(run("new", "mia", "--age", "30", "--yes", "--base-model", "nowhere", cwd=tmp_path), "model_index.json")
    refused(run("new", "mia", "--age", "30", "--yes", "--kind", "photo", "--base-model", tiny_base, cwd=tmp_path), "'original'")
    refused(run("train", "nobody", cwd=tmp_path), "character.toml")
    (tmp_path / "left" / "receipts").mkdir(parents=True)
    refused(run("new", "left", "--age", "30", "--yes", "--base-model", tiny_base, cwd=tmp_path), "here already")
    assert [p.name for p in (tmp_path / "left").iterdir()] == ["receipts"]
    (tmp_path / "here").mkdir()
    here = run("new", "here", "--age", "30", "--yes", "--base-model", tiny_base, "--folder", ".", cwd=tmp_path / "here")
    assert here.returncode == 0 and (tmp_path / "here" / "character.toml").is_file(), here.stderr
    run("new", "mia", "--age", "30", "--base-model", tiny_base, "--yes", cwd=tmp_path)
    (tmp_path / "empty").mkdir()
    refused(run("add", "mia", "empty", "--neutral", cwd=tmp_path), "no pictures")
    refused(run("add", "mia", "missing", "--neutral", cwd=tmp_path), "no such file or folder")
    refused(run("add", "mia", "empty", cwd=tmp_path), "--neutral or --outfit")
    refused(run("measure", "mia", cwd=tmp_path), "no outfit is trained")


@pytest.mark.recipe
def test_an_adapter_of_another_base_model_is_refused(tmp_path: Path, tiny_base: Path, dolls: Path) -> None:
    from tests import tiny

    run("new", "aoi", "--age", "24", "--base-model", tiny_base, "--yes", cwd=tmp_path)
    run("add", "aoi", dolls / "neutral", "--neutral", cwd=tmp_path)
    run("add", "aoi", dolls / "dress", "--outfit", "dress", cwd=tmp_path)
    assert run("train", "aoi", "--steps", "1", cwd=tmp_path).returncode == 0
    other = tiny.write(tmp_path / "other", seed=1)
    file = tmp_path / "aoi" / "character.toml"
    file.write_text(file.read_text().replace(str(tiny_base), str(other)))
    refused(run("dress", "aoi", "--outfit", "dress", cwd=tmp_path), "was trained on base model")


def test_the_demo_never_touches_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    refused(run("demo", "--folder", "mine", cwd=tmp_path), "there already")
    (tmp_path / "samples").mkdir()
    refused(run("demo", "--folder", "yours", "--samples", "samples", cwd=tmp_path), "samples: a folder with one called neutral")
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["mine", "samples"]


def test_a_files_name_does_not_command_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[2J\nb.png"
    file.write_text("no picture")
    done = run("verify", file)
    refused(done, "a\\x1b[2J b.png: not a PNG")
    assert "\x1b" not in done.stderr


def test_no_number_of_the_matrix_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from dressform.cli import output
    from dressform.measure.statistics import share

    names = ["neutral", "another-dress-of-hers-with-a-long-name", *(f"outfit-{i:02}" for i in range(15))]
    page = io.StringIO()
    monkeypatch.setattr(output, "_out", Console(file=page, width=80, soft_wrap=True))
    output.matrix({row: {name: share([True] * 3 if name == row else [False]) for name in (*names, "another")} for row in names})
    lines = page.getvalue().splitlines()
    assert sum(line.count("100") for line in lines) == len(names)
    assert all(any(line.split()[1].startswith(name[:12]) for line in lines if len(line.split()) > 2) for name in names)
    page.seek(0)
    page.truncate()
    output.matrix({row: {name: share([True] * 3) for name in (*names[:9], "another")} for row in names[:9]})
    assert max(len(line.rstrip()) for line in page.getvalue().splitlines()) <= 80


def test_figures_are_written_in_the_one_form() -> None:
    from dressform.measure.statistics import share
    from dressform.workspace.measuring import Measured, Truth, to_json

    written = json.loads(to_json(Measured({"burn_in": share([True, False])}, {}, Truth({}, {}), {})))
    assert set(written["figures"]["burn_in"]) == {"value", "n", "low", "high"}


@pytest.mark.recipe
def test_wrong_words_are_refused_in_one_line_and_nothing_is_changed(tmp_path: Path, dolls: Path) -> None:
    """What real people type by mistake, before anything is trained."""
    assert run("new", "mira", "--age", "27", "--yes", cwd=tmp_path).returncode == 0
    (tmp_path / "file").write_bytes(b"")
    ledger = (tmp_path / "mira" / "consent.jsonl").read_bytes()
    for words, said in (
        (["consent", "revoke", "mira", "--grace-days", "99999999999"], "--grace-days"),
        (["consent", "grant", "mira", "--permit", "publish", "--expires", "2020-01-01"], "come already"),
        (["add", "mira", str(dolls / "dress"), "--outfit", ""], "outfit name ''"),
        (["add", "mira", str(dolls / "dress"), "--accessory", ""], "accessory name ''"),
        (["add", "mira", str(dolls / "dress"), "--outfit", "neutral"], "--neutral"),
        (["add", "mira", str(dolls), "--neutral"], "dress/, neutral/"),
        (["add", "mira", str(dolls / "neutral" / "00.png"), "--neutral", "--sheet", "--dry-run", "file"], "is there already"),
        (["add", "mira", str(dolls / "neutral" / "00.png"), "--neutral", "--sheet", "--dry-run", "mira/cuts.png"], "her own folder"),
        (["mask", "mira", "--by", "words", "--word", " "], "--word"),
        (["mask", "mira"], "no outfit yet"),
        (["remove", "mira", "--yes"], "say which pictures"),
        (["new", "anna", "--age", "27", "--yes", "--folder", "file"], "is a file"),
        (["new", "anna", "--age", "27", "--yes", "--folder", "file/anna"], "could not make the folder"),
        (["new", "anna", "--age", "27", "--yes", "--expires", "2020-01-01"], "come already"),
        (["measure", "mira", "--json", "mira"], "is a folder"),
        (["measure", "mira", "--each", "0"], "--each 0"),
        (["lookbook", "mira", "--steps", "-1"], "--steps -1"),
        (["dress", "mira", "side view", "--outfit", "dress", "-n", "0"], "-n 0"),
        (["dress", "mira", "side view", "--outfit", "dress", "--seed", "99999999999999999999"], "--seed 9"),
    ):
        refused(run(*words, cwd=tmp_path), said)
    assert (tmp_path / "mira" / "consent.jsonl").read_bytes() == ledger
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "mira", "pictures"]


@pytest.mark.skipif(sys.platform == "win32", reason="writes none")
def test_a_crash_leaves_no_copy_of_the_memory() -> None:
    code = "from dressform.cli import app; app.leave_no_core(); import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["(0,", "0)"]


def test_an_interrupt_says_what_it_leaves(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from dressform.cli import app
    from dressform.workspace import health

    monkeypatch.setattr(health, "machine", lambda *_a, **_k: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(sys, "argv", ["dressform", "doctor"])
    with pytest.raises(SystemExit) as left:
        app.main()
    assert left.value.code == 130 and "Run the same command again" in capsys.readouterr().err
