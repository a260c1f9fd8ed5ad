"""The agent as real processes: a scheduler, a worker that may be killed, a client, a model's service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.fresh_clone import eventually
from tests.e2e.programs import TIMEOUT_SECONDS
from tests.walks.stage import Stage

COSTS = "At most 532 EUR: 3 * 140 + 4 * 28, says travel.md and expenses.md."
SAVED = f"{COSTS} It is saved as trip.md."
QUESTION = "How much may 3 nights in a hotel and 4 days of meals in Berlin cost?"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage("ai_agent", tmp_path_factory.mktemp("stage"), OPENAI_API_KEY="", OPENAI_BASE_URL="") as stage:
        stage.worker()
        yield stage


def test_a_question_is_answered_and_the_answer_saved_in_somebodys_name(stage: Stage, tmp_path: Path) -> None:
    lines = stage.python("client.py", "--approve-as", "Ann", "--output", str(tmp_path)).finish()

    assert lines[0].startswith("Started agent session ")
    assert "  write_file was approved by Ann" in lines
    assert lines[-1] == SAVED
    assert (tmp_path / "trip.md").read_text("utf-8") == f"{COSTS}\n"


def test_the_person_at_the_terminal_is_asked(stage: Stage, tmp_path: Path) -> None:
    client = stage.python("client.py", "--output", str(tmp_path))
    client.wait_for("  It wants to use write_file with {")
    client.say("n")
    client.say("Carla")

    assert client.finish()[-1] == f"{COSTS} It is not saved: refused by Carla."
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_it_says_which_event_answers(stage: Stage, tmp_path: Path) -> None:
    client = stage.python("client.py", "--output", str(tmp_path))
    assert client.process.stdin is not None
    client.process.stdin.close()
    client.wait_for("  Not answered here; raise the event approval-1 with ")
    instance_id = client.lines[0].split()[3].rstrip(";")

    data = {"approved": True, "approver": "Ann"}
    stage.connect().raise_orchestration_event(instance_id, "approval-1", data=data)

    assert client.finish()[-1] == SAVED


def test_a_session_goes_on_when_its_client_is_interrupted_and_can_be_followed_again(
    stage: Stage, tmp_path: Path
) -> None:
    client = stage.python("client.py", "--output", str(tmp_path))
    client.wait_for("  It wants to use write_file")
    instance_id = client.lines[0].split()[3].rstrip(";")

    rest = client.interrupt(code=1)
    lines = stage.python("client.py", "--resume", instance_id, "--approve-as", "Ann").finish()

    assert rest[-1].endswith(
        "no longer waiting; the session goes on without us; client.py --resume and its id follow it again"
    )
    assert lines[-1] == SAVED


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("",), 2, "a question has 1 to 10000 characters"),
        (("--docs", "nowhere"), 2, "nowhere is not a folder"),
        (("--resume", "nobody"), 1, "client.py: there is no agent session nobody in this task hub"),
    ],
)
def test_input_that_makes_no_sense_is_refused(
    stage: Stage, arguments: tuple[str, ...], code: int, problem: str
) -> None:
    assert stage.python("client.py", *arguments).finish(code)[-1].endswith(problem)


class Service(ThreadingHTTPServer):
    """A model's service: looks for a tool's result, then waits to be released before it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[list[dict[str, Any]]] = []
        self.released = threading.Event()
        self.status = 200

    @property
    def variables(self) -> dict[str, str]:
        """What lets a worker use it."""
        url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        return {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "secret", "MODEL": "tiny"}


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = body["messages"]
        self.server.asked.append(messages)
        message: dict[str, Any] = {"content": f"The tool says {messages[-1]['content']}."}
        if messages[-1]["role"] == "user":
            function = {"name": "calculate", "arguments": '{"expression": "6 * 7"}'}
            message = {
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            }
        else:
            self.server.released.wait(TIMEOUT_SECONDS)
        content = json.dumps({"choices": [{"message": message}]}).encode()
        try:
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            pass  # the worker that asked was killed

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield service
        service.released.set()
        service.shutdown()
        thread.join()


def test_a_worker_killed_in_mid_conversation_costs_no_word_of_it(tmp_path: Path, service: Service) -> None:
    with Stage("ai_agent", tmp_path, **service.variables) as stage:
        worker = stage.worker()
        client = stage.python("client.py", "What is 6 * 7?")
        assert eventually(lambda: len(service.asked) == 2)  # thinks about the tool's result, and never stops
        worker.kill()
        service.released.set()

        stage.worker()

        assert client.finish()[-1] == "The tool says 42."
        first, second, third = service.asked
        assert [message["role"] for message in first] == ["system", "user"]
        assert second == third
        assert second[:2] == first


def test_a_key_that_is_refused_fails_the_session_with_the_reason(tmp_path: Path, service: Service) -> None:
    service.status = 401
    with Stage("ai_agent", tmp_path, **service.variables) as stage:
        stage.worker()

        lines = stage.python("client.py", QUESTION).finish(code=1)

    assert lines[-1].startswith("client.py: ")
    assert "the model's service answered 401: " in lines[-1]
    assert len(service.asked) == 1


def test_half_of_the_settings_of_a_model_is_said_to_be_half(tmp_path: Path) -> None:
    with Stage("ai_agent", tmp_path, OPENAI_API_KEY="secret", OPENAI_BASE_URL="", MODEL="") as stage:
        stage.worker()

        lines = stage.python("client.py", QUESTION).finish(code=1)

    assert lines[-1].endswith(
        "OPENAI_API_KEY or OPENAI_BASE_URL is set; set MODEL to the name of a model, too"
    )
