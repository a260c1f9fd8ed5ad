"""Tells whoever keeps a worker running, such as Kubernetes or Azure Container Apps, whether it is well.

`GET /livez` answers 200 from the start on, and 503 once the worker has been without its scheduler for so long
that a new process may do better. `GET /readyz` answers 200 only while it is connected.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from durakit.errors import SettingsError

DEAD_SECONDS = 300.0
"""A scheduler may be away as long as this, for an update of its own, before its workers are replaced."""


class HealthServer:
    """Answers probes until closed.

    Args:
        port: where; on all addresses, because probes come from outside of the container. 0: any free one.
        away_seconds: how long the worker has been without its scheduler; 0 while it is connected.
        dead_seconds: how long it may be so.

    Raises:
        SettingsError: the port cannot be had.
    """

    def __init__(
        self, port: int, away_seconds: Callable[[], float], *, dead_seconds: float = DEAD_SECONDS
    ) -> None:
        self._away_seconds = away_seconds
        self._dead_seconds = dead_seconds
        try:
            self._server = ThreadingHTTPServer(("", port), _handler(self))
        except OSError as error:
            raise SettingsError(
                f"DURAKIT_HEALTH_PORT is {port}, which cannot be had ({error.strerror}); choose a free one."
            ) from None
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="durakit-health", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[HTTPStatus, dict[str, object]]:
        """Return status and body for a probe."""
        away = self._away_seconds()
        limits = {"/livez": self._dead_seconds, "/readyz": 0.0}
        if path not in limits:
            return HTTPStatus.NOT_FOUND, {"error": f"There is no {path}; probes are /livez and /readyz."}
        is_well = away <= limits[path]
        status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
        return status, {"status": "ok" if is_well else "no scheduler", "awaySeconds": round(away, 1)}


def _handler(health: HealthServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = health.answer(self.path)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every few seconds and are no news."""

    return Handler
