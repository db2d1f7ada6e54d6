"""What counts as calling out, and a journey that does not; the watch is tried on one that does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dressform.errors import NotReady
from dressform.workspace import health, offline_proof

LINES = {
    '7 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.7")}, 16) = -1 ENETUNREACH': {"192.0.2.7:443"},
    '7 connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28'
    " <unfinished ...>": {"2001:db8::1:80"},
    '7 sendto(3, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("192.0.2.7")}, 16) = 1': {"192.0.2.7:9"},
    '7 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0': {"127.0.0.53:53"},
    '7 connect(3, {sa_family=AF_INET, sin_port=htons(7860), sin_addr=inet_addr("127.0.0.1")}, 16) = 0': set(),
    '7 connect(3, {sa_family=AF_UNIX, sun_path="/run/nscd/socket"}, 110) = -1 ENOENT': set(),
    '7 bind(3, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("192.0.2.7")}, 16) = 0': set(),
}


@pytest.mark.parametrize("line", LINES)
def test_what_counts_as_calling_out(line: str) -> None:
    assert offline_proof.outside(line) == LINES[line]


@pytest.mark.parametrize("missing", ["unshare", "strace"])
def test_where_the_system_does_not_allow_it_no_success_is_claimed(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    found = offline_proof.shutil.which
    monkeypatch.setattr(offline_proof.shutil, "which", lambda name: None if name == missing else found(name))
    finding = health.offline()
    assert not finding.healthy and finding.detail.startswith("no proof here: ") and finding.what == "network"


@pytest.fixture
def allowed() -> None:
    try:
        offline_proof.cage(), offline_proof.tracer()
    except NotReady as error:
        pytest.skip(str(error))


def test_a_blind_watch_is_not_believed(allowed: None, tmp_path: Path) -> None:
    offline_proof._refuse_blindness(offline_proof.cage(), offline_proof.tracer(), tmp_path)
    with pytest.raises(NotReady, match="not seen"):
        offline_proof._refuse_blindness(offline_proof.cage(), offline_proof.tracer("close"), tmp_path)


@pytest.mark.recipe
def test_a_journey_calls_nobody(allowed: None) -> None:
    seen = offline_proof.prove()
    assert seen.commands == ("new", "add", "add", "train", "dress", "verify") and seen.connections == ()


@pytest.mark.recipe
def test_a_journey_that_calls_out_is_seen(allowed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dressform").mkdir()
    (tmp_path / "dressform/__init__.py").write_text("")
    calls = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect_ex(('192.0.2.9', 443))"
    (tmp_path / "dressform/cli.py").write_text(calls)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "192.0.2.9:443" in health.offline().detail and sys.executable
