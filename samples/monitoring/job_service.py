"""The other system: a small HTTP service that runs jobs, here exports of ten rows a second into a CSV file.

It stands for whatever runs jobs in your house and knows nothing of durakit. Standard library only.

    POST /jobs {"rows": 200}   start one: 201 and its state; "breaks_at": 50 lets it fail there
    GET /jobs/<id>             its state: running, done or failed; 404
    POST /alerts {"key": ...}  be told of trouble; the same key twice is one alert
    GET /alerts                what it was told
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECONDS_PER_ROW = 0.1
MOST_ROWS = 1_000_000


@dataclass
class Job:
    """An export under way."""

    id: str
    rows: int
    breaks_at: int | None
    file: Path
    written: int = 0
    error: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, stop: threading.Event) -> None:
        """Write the rows, one after the other."""
        try:
            with self.file.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                while self.written < self.rows and not stop.wait(SECONDS_PER_ROW):
                    if self.written == self.breaks_at:
                        raise OSError(f"row {self.written + 1} cannot be read")
                    writer.writerow([self.written + 1, (self.written + 1) ** 2])
                    self.written += 1
        except OSError as error:
            self.error = str(error)
        finally:
            self.ended.set()

    def state(self) -> dict[str, Any]:
        """Return how it is, as the service tells it."""
        status = "failed" if self.error else "done" if self.written == self.rows else "running"
        state = {"id": self.id, "status": status, "percent": 100 * self.written // self.rows}
        if status == "done":
            state["result"] = f"{self.rows} rows in {self.file}"
        return {**state, "error": self.error} if self.error else state


class JobService(ThreadingHTTPServer):
    """The service; use it with `with`, which also ends its jobs.

    Args:
        folder: for the exports.
        port: 0 lets the system choose.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(("127.0.0.1", port), Handler)
        self.folder = folder
        self.jobs: dict[str, Job] = {}
        self.alerts: dict[str, Any] = {}
        self._stop = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> JobService:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.shutdown()
        self.server_close()

    def begin(self, rows: int, breaks_at: int | None) -> Job:
        """Begin an export."""
        number = str(len(self.jobs) + 1)
        job = Job(number, rows, breaks_at, self.folder / f"export-{self.server_address[1]}-{number}.csv")
        self.jobs[number] = job
        threading.Thread(target=job.run, args=(self._stop,), daemon=True).start()
        return job


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: JobService

    def do_GET(self) -> None:
        job = self.server.jobs.get(self.path.removeprefix("/jobs/"))
        if self.path == "/alerts":
            self._answer(200, {"alerts": list(self.server.alerts.values())})
        elif job is not None:
            self._answer(200, job.state())
        else:
            self._answer(404, {"error": f"There is no {self.path}."})

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/jobs":
            rows, breaks_at = body.get("rows"), body.get("breaks_at")
            if not isinstance(rows, int) or not 0 < rows <= MOST_ROWS:
                self._answer(422, {"error": f"rows must be a whole number from 1 to {MOST_ROWS}"})
            else:
                job = self.server.begin(rows, breaks_at if isinstance(breaks_at, int) else None)
                self._answer(201, job.state())
        elif self.path == "/alerts" and isinstance(body.get("key"), str):
            self.server.alerts[body["key"]] = body
            self._answer(200, {"alerts": len(self.server.alerts)})
        else:
            self._answer(404, {"error": f"Nothing can be posted to {self.path}."})

    def _body(self) -> dict[str, Any]:
        try:
            value = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 100_000)))
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def _answer(self, status: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing; the monitor does."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the job service on its own.")
    parser.add_argument("--port", type=int, default=9000, help="default 9000; 0 chooses a free one")
    port = parser.parse_args().port
    try:
        with suppress(KeyboardInterrupt), JobService(Path(__file__).resolve().parent / "output", port) as own:
            print(f"Serving {own.url} (Ctrl-C stops it)", flush=True)
            threading.Event().wait()
    except (OSError, OverflowError) as error:
        sys.exit(f"job_service.py: cannot listen on port {port}: {error}")


if __name__ == "__main__":
    main()
