"""Asking her persona: on this machine alone, the answer kept as evidence, and nothing permitted by it."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dressform.consent import endpoint as local
from dressform.consent.endpoint import parse
from dressform.consent.profile import Profile, boundary
from dressform.errors import BadInput, DressformError, NotReady, Refused, Tampered
from dressform.workspace import asking, consenting, profiling
from dressform.workspace.workspace import Workspace
from tests.local_model import reply, says, serving

AOI = Profile("Aoi", "A calm painter.", "quetzal notes", (boundary("My pictures stay here [publish]"),))


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "127.0.0.1", "127.3.2.1:1", "localhost:8080", "LOCALHOST", "[::1]:8080"])
def test_this_machine_is_asked(host: str) -> None:
    found = parse(f"http://{host}/v1/", "m")
    assert found.path == "/v1/chat/completions" and set(found.addresses) <= {"127.0.0.1", "127.3.2.1", "::1"}


ELSEWHERE = (
    "example.org", "10.0.0.1", "192.168.1.2", "0.0.0.0", "169.254.169.254", "[::]", "[::ffff:127.0.0.1]", "[fe80::1%25lo]", "2130706433",
    "0x7f.1", "127.1", "localhost.example.org", "127.0.0.1.nip.io", "localhost.", "128.0.0.1", "[::2]",
)  # fmt: skip


@pytest.mark.parametrize("host", ELSEWHERE)
def test_nothing_else_is_asked(host: str) -> None:
    with pytest.raises(Refused, match="outside this machine"):
        parse(f"http://{host}:8080/v1", "m")


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8080", "https://127.0.0.1/v1", "file:///etc/passwd", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://[::1",
     "http://a@127.0.0.1/v1", "http://127.0.0.1/v1?key=1", "http://127.0.0.1/v1#a", "http://127.0.0.1:x/v1", "http://ｌocalhost/v1"],
)  # fmt: skip
def test_an_address_that_cannot_be_used_says_how_to_write_it(url: str) -> None:
    with pytest.raises(BadInput, match=r"endpoint .*[;:] write it like"):
        parse(url, "m")


@given(st.text(max_size=30))
def test_any_address_is_this_machine_or_one_clear_line(rest: str) -> None:
    try:
        found = parse(f"http://{rest}", "m")
    except DressformError as error:
        assert "\n" not in str(error)
        return
    assert all(a == "::1" or a.startswith("127.") for a in found.addresses)


def test_the_answer_is_evidence_and_permits_nothing(her: Workspace) -> None:
    profiling.keep(her, AOI, "en")
    before = her.permitted()
    with serving(reply(says("  Yes, I agree.\x1b[2J \r\nI like it.  "))) as (url, asked):
        answer, entry = asking.ask(her, "publish", parse(url, "small"), "en")
    assert answer.answer == "Yes, I agree.[2J \nI like it." and her.permitted() == before
    path, question = asked[0]
    assert path == "/v1/chat/completions" and question["model"] == "small" and question["stream"] is False
    system, user = (m["content"] for m in question["messages"])
    assert "You are Aoi" in system and "27" in system and "A calm painter." in system and "- My pictures stay here" in system
    assert "quetzal" not in system and "publish finished pictures of her" in user
    assert entry.kind == "attest" and "publish" in entry.body["statement"]
    assert asking.answers(her) == [(entry.sequence, answer)]
    assert "I agree" not in (her.root / "consent.jsonl").read_text()
    with pytest.raises(Refused, match="her boundary stands"):
        consenting.grant(her, ["publish"], (), None, "en")


def test_the_same_answer_twice_has_another_hash(her: Workspace) -> None:
    profiling.keep(her, AOI, "ja")
    with serving(reply(says("はい。"))) as (url, _asked):
        first, second = (asking.ask(her, "dress", parse(url, "m"), "ja")[1] for _ in range(2))
    assert first.body["evidence"] != second.body["evidence"] and len(asking.answers(her)) == 2


def test_evidence_that_is_missing_or_exchanged_is_seen(her: Workspace) -> None:
    profiling.keep(her, AOI, "en")
    with serving(reply(says("No."))) as (url, _asked):
        _answer, entry = asking.ask(her, "dress", parse(url, "m"), "en")
    name = f"consent/answers/{entry.body['evidence'][0]}"
    her.store.write(name, her.store.read(name).replace(b"No.", b"Yes"))
    with pytest.raises(Tampered, match="another one"):
        asking.answers(her)
    her.store.delete(name)
    with pytest.raises(Tampered, match="missing"):
        asking.answers(her)


def test_an_answer_that_no_text_about_her_may_give_is_not_kept(her: Workspace) -> None:
    profiling.keep(her, AOI, "en")
    lines = consenting.verify(her).length
    with serving(reply(says("I am a schoolgirl."))) as (url, _asked), pytest.raises(Refused, match="not kept"):
        asking.ask(her, "dress", parse(url, "m"), "en")
    assert consenting.verify(her).length == lines and not list(her.store.list("consent/answers/"))


def test_without_a_profile_or_with_a_put_back_ledger_nobody_is_asked(her: Workspace) -> None:
    with serving(reply(says("Yes."))) as (url, asked):
        with pytest.raises(NotReady, match="no profile"):
            asking.ask(her, "dress", parse(url, "m"), "en")
        profiling.keep(her, AOI, "en")
        ledger = her.root / "consent.jsonl"
        ledger.write_bytes(ledger.read_bytes().splitlines(keepends=True)[0])
        with pytest.raises(Tampered, match="older copy"):
            asking.ask(her, "dress", parse(url, "m"), "en")
    assert asked == []


REPLIES = {
    "a redirect": (reply(b"", 302, Location="http://example.org/"), "a redirect, which is not followed"),
    "an error": (reply(b'{"error": {"message": "no such\\nmodel"}}', 404), "answered 404 (no such model)"),
    "an error in other words": (reply(b'{"error": "busy"}', 503), r"answered 503 (busy)"),
    "an error page": (reply(b"<html>", 500), "answered 500;"),
    "no JSON": (reply(b"hello"), "not an answer in the form"),
    "JSON of another form": (reply(b"[]"), "not an answer in the form"),
    "no choices": (reply(b'{"choices": []}'), "not an answer in the form"),
    "content that is no text": (reply(b'{"choices": [{"message": {"content": [1]}}]}'), "not an answer in the form"),
    "nested without end": (reply(b"[" * 200_000), "not an answer in the form"),
    "nothing": (reply(says(" \n")), "answered with nothing"),
    "no content": (reply(b'{"choices": [{"message": {"content": null}}]}'), "answered with nothing"),
    "too much": (reply(says("a" * 2**20)), "over 1024 KiB"),
    "cut off": (reply(says("Yes."), **{"Content-Length": "5000"}), "not an answer"),
    "no HTTP": (lambda r: r.wfile.write(b"\0\0 hello\r\n\r\n") and None, "is it an HTTP server?"),
    "silence": (lambda r: None, "is it an HTTP server?"),
}


@pytest.mark.parametrize("kind", REPLIES)
def test_each_kind_of_bad_reply_has_one_clear_line(kind: str) -> None:
    handle, said = REPLIES[kind]
    with serving(handle) as (url, asked), pytest.raises(BadInput) as refused:
        local.answer(parse(url, "m"), "system", "question")
    assert said in str(refused.value) and "\n" not in str(refused.value) and len(asked) == 1


def test_a_refusal_in_a_field_of_its_own_is_an_answer() -> None:
    body = json.dumps({"choices": [{"message": {"content": None, "refusal": "I would rather not."}}]}).encode()
    with serving(reply(body)) as (url, _asked):
        assert local.answer(parse(url, "m"), "system", "question") == "I would rather not."


def _dripping(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(100):
        request.wfile.write(b" ")
        time.sleep(0.05)


def _dripping_head(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for i in range(80):
        request.wfile.write(b"X-%d: a\r\n" % i)
        time.sleep(0.05)


@pytest.mark.parametrize("handle", [_dripping, _dripping_head, lambda _request: time.sleep(2)])
def test_however_slowly_it_drips_the_time_is_limited(handle) -> None:
    started = time.monotonic()
    with serving(handle) as (url, _asked), pytest.raises(NotReady, match=r"within 0\.3 s"):
        local.answer(parse(url, "m"), "system", "question", seconds=0.3)
    assert time.monotonic() - started < 1.5


def test_where_nobody_listens_the_way_forward_is_said() -> None:
    with serving(reply(b"")) as (url, _asked):
        pass
    with pytest.raises(NotReady, match="nobody listens there; start your local server"):
        local.answer(parse(url, "m"), "system", "question")


def test_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(reply(says("Yes."))) as (url, _asked):
        assert local.answer(parse(url.replace("127.0.0.1", "localhost"), "m"), "system", "question") == "Yes."


def test_no_other_file_opens_a_connection() -> None:
    source = Path(local.__file__).parents[1]
    files = sorted(source.rglob("*.py"))
    words = ("import socket", "http.client", "urllib.request", "import requests", "import httpx", "aiohttp", "create_connection")
    calling = [f.name for f in files if any(w in f.read_text() for w in words)]
    assert len(files) > 50 and calling == ["endpoint.py", "offline_proof.py"]  # the latter tries one, to see it stopped
