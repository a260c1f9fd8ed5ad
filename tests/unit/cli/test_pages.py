"""Commands that read a dashboard: hubs, workers, and reasons that only the embedded scheduler knows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from durakit.cli import main
from durakit.cli.informed import InformedBackend, _informed, backend_for
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.phrases import plain

from ..dashboard.visiting import request
from ..scheduler.rig import Rig


class Dashboard(ThreadingHTTPServer):
    """Answers what a test puts into `pages`: (status, body) by path."""

    daemon_threads = True

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def serve_rig(self, rig: Rig, path: str) -> None:
        """Answer a path as the real dashboard of a rig does."""
        answer = request(rig, path, headers={"Accept": "application/json"})
        self.pages[path] = answer.status_code, answer.text


class _Handler(BaseHTTPRequestHandler):
    server: Dashboard

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        status, body = self.server.pages.get(self.path, (404, "nothing"))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Keep still."""


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    server = Dashboard()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("DURAKIT_DASHBOARD", server.url)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return code, said.err.rstrip("\n")


def test_hubs_are_listed_with_counts(dashboard: Dashboard, capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig()
    rig.start(name="order")
    dashboard.serve_rig(rig, "/hubs.json")

    assert main(["hubs"]) == 0
    head, line = capsys.readouterr().out.splitlines()

    assert head.split("  ")[0] == "HUB"
    assert line.split()[:4] == ["default", "1", "0", "0"]
    assert main(["hubs", "-o", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "default"


def test_workers_and_what_waits(dashboard: Dashboard, capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig()
    rig.start(name="order")
    dashboard.serve_rig(rig, "/h/default/workers.json")

    assert main(["workers"]) == 0
    printed = capsys.readouterr().out

    assert "No worker is connected to hub default." in printed
    (queue,) = [line for line in printed.splitlines() if line.startswith("order")]
    assert queue.split()[:3] == ["order", "orchestration", "1"]
    assert queue.endswith("nobody")
    assert main(["workers", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["hub"] == "default"


def test_the_hub_is_the_one_of_the_settings_and_the_token_is_sent(
    dashboard: Dashboard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKHUB", "or.ders")
    monkeypatch.setenv("DURAKIT_TOKEN", "secret")

    refused(capsys, "workers")

    assert dashboard.asked == [("/h/or~2Eders/workers.json", "Bearer secret")]


@pytest.mark.parametrize("command", ["hubs", "workers"])
def test_nobody_answers(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, line = refused(capsys, command, "--dashboard", "http://127.0.0.1:1")

    assert code == 5
    assert line.startswith(f"durakit {command}: No dashboard answers at http://127.0.0.1:1 (")


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (200, "<html>the emulator's</html>", 1, "is not a dashboard of durakit. Other schedulers"),
        (404, "nothing", 1, "is not a dashboard of durakit: it answers 404. Other schedulers"),
        (401, "", 5, "does not let us in"),
        (
            404,
            '{"error": {"status": 404, "message": "There is no task hub x."}}',
            4,
            "There is no task hub x.",
        ),
        (200, '{"hub": "default", "workers": null, "queues": null}', 1, "does not report workers. Other"),
    ],
)
def test_other_answers_are_one_sentence(
    dashboard: Dashboard, capsys: pytest.CaptureFixture[str], status: int, body: str, code: int, told: str
) -> None:
    dashboard.pages["/h/default/workers.json"] = status, body

    got, line = refused(capsys, "workers")

    assert got == code
    assert told in line


def test_an_address_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "hubs", "--dashboard", "ftp://x")[0] == 2


# --- reasons

TOLD = {
    "id": "po-1",
    "createdAt": "2026-11-21T13:47:10.000000001Z",
    "status": "running",
    "waiting": {
        "kind": "event",
        "waitingFor": "event",
        "on": ["approval"],
        "since": None,
        "due": None,
        "attention": False,
        "text": "Waiting for event approval.",
        "short": "Waiting for event approval",
        "detail": None,
        "also": [],
    },
}
ROW = InstanceRow("po-1", "order", "running", 1_795_268_830_000_000_001, 1_795_268_830_000_000_001)


def test_a_dashboard_is_believed_about_the_very_instance_only() -> None:
    informed = _informed(ROW, TOLD)

    assert informed.reason is not None
    assert plain(informed.reason.sentence) == "Waiting for event approval."
    assert informed.reason.on == ("approval",)
    for other in (
        {"createdAt": "2026-11-21T13:47:10.000000002Z"},
        {"status": "suspended"},
        {"waiting": None},
    ):
        assert _informed(ROW, {**TOLD, **other}) is ROW
    assert _informed(ROW, {}) is ROW


def test_a_dashboard_is_asked_on_this_machine_or_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def asks(endpoint: str) -> bool:
        return isinstance(backend_for(None, "default", endpoint), InformedBackend)  # type: ignore[arg-type]

    assert asks("http://localhost:8080")
    assert asks("http://127.0.0.1:8080")
    assert not asks("https://mine.westus2.durabletask.io")
    monkeypatch.setenv("DURAKIT_DASHBOARD", "http://build:8082")
    assert asks("http://build:8080")


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_the_shell_reads(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0

    assert "_DURAKIT_COMPLETE" in capsys.readouterr().out


def test_a_shell_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = refused(capsys, "completion", "tcsh")

    assert code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in line
