"""A small local server in the OpenAI form, for tests: it answers as it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Handler = Callable[[BaseHTTPRequestHandler], None]


def says(text: str) -> bytes:
    """The body of an answer."""
    return json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).encode()


def reply(body: bytes, status: int = 200, **headers: str) -> Handler:
    """Answers every question with these bytes."""

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return handle


@contextmanager
def serving(handle: Handler, host: str = "127.0.0.1") -> Iterator[tuple[str, list[tuple[str, dict]]]]:
    """The URL of a server that answers so, and the (path, question) pairs that it was asked."""
    asked: list[tuple[str, dict]] = []

    class Local(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            with suppress(OSError):  # the one who asked may have gone
                handle(self)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer((host, 0), Local)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
