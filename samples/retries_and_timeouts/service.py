"""A web service of somebody else's, with its bad moments: real HTTP on this machine, and no chance in it.

For each path it is told what to answer to the first call, the second and so on; the last answer stays.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """One answer: an HTTP status, a value to be sent as JSON, and how long it takes to come."""

    status: int = 200
    value: str = ""
    after_seconds: float = 0

    def __str__(self) -> str:
        return f"{self.status} after {self.after_seconds:g} s" if self.after_seconds else f"{self.status}"


Script = Mapping[str, Sequence[Reply]]
NOT_FOUND = Reply(404, "no such thing")


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    """So that closing waits until every answer under way has been sent."""


class FlakyService:
    """The service, on a port of the system's choice; it has its address at once and answers after `start`.

    Args:
        script: replies by path, at least one each; other paths are not found.
        tell: gets a line for each request.
    """

    def __init__(self, script: Script, tell: Callable[[str], None] = lambda line: None) -> None:
        self._script = script
        self._tell = tell
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._is_started = False
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FlakyService:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()  # whoever is kept waiting gets the answer now
        if self._is_started:
            self._server.shutdown()  # waits for the thread, also for one that is only just starting
        self._server.server_close()

    def start(self) -> None:
        """Begin to answer."""
        self._is_started = True
        self._thread.start()

    def calls(self, path: str) -> int:
        """Return how often the path was asked for."""
        return self._calls[path]

    def _answer(self, path: str) -> Reply:
        with self._lock:
            self._calls[path] += 1
            replies = self._script.get(path, [NOT_FOUND])
            reply = replies[min(self._calls[path], len(replies)) - 1]
            self._tell(f"GET {path}: {reply}")
        self._closing.wait(reply.after_seconds)
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                reply = service._answer(self.path)
                body = json.dumps(reply.value).encode()
                # Who has lost patience has closed the connection and waits for no answer.
                with suppress(ConnectionError):
                    self.send_response(reply.status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """The service tells in its own words."""

        return Handler
