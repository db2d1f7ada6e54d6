"""One question to a model that the owner runs on this machine, over the OpenAI form of chat completions.

The only connection that dressform opens. It goes to this machine's own address and nowhere else: a number or
``localhost`` (never looked up), no proxy, no redirect, one time limit for everything, a limit on what is read.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Network, IPv6Address, ip_address
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from dressform.consent.normal import visible
from dressform.errors import BadInput, NotReady, Refused

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 300.0
REPLY_LIMIT = 2**20
"""Bytes of a reply."""
ANSWER_TOKENS = 512
_HERE = IPv4Network("127.0.0.0/8")
_EXAMPLE = "http://127.0.0.1:8080/v1"


@dataclass(frozen=True)
class Endpoint:
    """Where a local model listens. Made by ``parse``, which sees that it is this machine."""

    url: str
    addresses: tuple[str, ...]
    port: int
    path: str
    model: str


def parse(url: str, model: str) -> Endpoint:
    """The endpoint of that URL. Raises BadInput for no such URL, Refused for one outside this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise BadInput(f"endpoint {url!r}: {error}; write it like {_EXAMPLE}") from error
    if parts.scheme != "http" or not host or parts.username is not None or parts.query or parts.fragment or not url.isascii():
        raise BadInput(f"endpoint {url!r}: write it like {_EXAMPLE}, with no name, password or query in it")
    if not model.strip():
        raise BadInput("no model named: give --model with the name that your local server knows")
    addresses = ("127.0.0.1", "::1") if host == "localhost" else (host,)
    if not all(map(_is_here, addresses)):
        raise Refused(f"endpoint {host}: outside this machine; nothing about her leaves it. Use 127.0.0.1, ::1 or localhost")
    return Endpoint(url, addresses, port, f"{parts.path.rstrip('/')}/chat/completions", model)


def answer(endpoint: Endpoint, system: str, question: str, seconds: float = ANSWER_SECONDS) -> str:
    """What the model says as ``system`` to ``question``: visible text, never empty.

    Raises NotReady where nobody listens or nothing came in time, BadInput for a reply that is none.
    """
    asked = {
        "model": endpoint.model,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": question}],
        "max_tokens": ANSWER_TOKENS,
        "stream": False,
    }
    status, reply = _post(endpoint, json.dumps(asked).encode(), seconds)
    if 300 <= status < 400:
        raise BadInput(f"{endpoint.url} answered {status}, a redirect, which is not followed: give the final address")
    if status != 200:
        raise BadInput(f"{endpoint.url} answered {status}{_reason(reply)}; see what your local server says")
    return _said(endpoint, reply)


def _is_here(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address == IPv6Address("::1") or address in _HERE


def _post(endpoint: Endpoint, body: bytes, seconds: float) -> tuple[int, bytes]:
    connection = _connected(endpoint)
    with closing(connection), _limited(connection.sock, seconds) as late:
        try:
            status, reply = _exchange(connection, endpoint.path, body)
            if late:
                raise TimeoutError
        except (OSError, HTTPException) as error:
            if late:
                raise NotReady(f"{endpoint.url}: no whole answer within {seconds:g} s; try a smaller model") from error
            raise BadInput(f"{endpoint.url}: not an answer{_in_brackets(str(error))}; is it an HTTP server?") from error
    if len(reply) > REPLY_LIMIT:
        raise BadInput(f"{endpoint.url} answered with over {REPLY_LIMIT // 1024} KiB, too much to be an answer")
    return status, reply


def _exchange(connection: HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    connection.request("POST", path, body, {"Content-Type": "application/json", "Connection": "close"})
    with connection.getresponse() as response:
        reply = response.read(REPLY_LIMIT + 1)
        if response.length and len(reply) <= REPLY_LIMIT:
            raise HTTPException("it was cut off")
        return response.status, reply


def _connected(endpoint: Endpoint) -> HTTPConnection:
    for address in endpoint.addresses:
        connection = HTTPConnection(address, endpoint.port, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
        except OSError:
            continue
        connection.sock.settimeout(None)
        return connection
    raise NotReady(f"{endpoint.url}: nobody listens there; start your local server, then ask again")


@contextmanager
def _limited(connected: socket.socket, seconds: float) -> Iterator[list[bool]]:
    """Ends the conversation when the time is over, however slowly bytes drip; the list is then no longer empty."""
    late: list[bool] = []

    def end() -> None:
        late.append(True)
        with suppress(OSError):  # it may have just ended by itself
            connected.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _said(endpoint: Endpoint, reply: bytes) -> str:
    try:
        message = json.loads(reply)["choices"][0]["message"]
        text = message.get("content") or message.get("refusal") or ""
        said = visible(text).strip()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(f"{endpoint.url}: not an answer in the form of OpenAI's chat completions; check the address") from error
    if not said:
        raise BadInput(f"{endpoint.url}: the model {endpoint.model!r} answered with nothing; ask again, or use another model")
    return said


def _reason(reply: bytes) -> str:
    """What the server says is wrong, in one short line, or nothing."""
    try:
        found: Any = json.loads(reply)["error"]
        text = found["message"] if isinstance(found, dict) else found
        return _in_brackets(text)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


def _in_brackets(text: str) -> str:
    """Foreign words as a part of one line; nothing where there are none."""
    shown = " ".join(visible(text).split())[:200]
    return f" ({shown})" if shown else ""
