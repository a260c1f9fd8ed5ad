"""The agent on a task hub inside this process, with models that say what a test wants them to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from durakit.client import OrchestrationState
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub

import tools
from conversation import Message, ToolCall
from model import LocalModel, ModelRefused, ModelUnavailable, OpenAIModel, model_from
from tools import Workspace
from workflow import ACTIVITIES, Answer, Progress, Question, agent_session

DOCS = Path(__file__).parent / "data"
TRIP = "How much may 3 nights in a hotel and 4 days of meals in Berlin cost?"
COSTS = "At most 532 EUR: 3 * 140 + 4 * 28, says travel.md and expenses.md."
YES = {"approved": True, "approver": "Ann"}
NO = {"approved": False, "approver": "Ann"}
HOUR = timedelta(hours=1)


class Stage:
    """A hub with the agent, and what it may be asked."""

    def __init__(self, hub: InProcessTaskHub, output: Path) -> None:
        self.hub = hub
        self.question = Question(TRIP, str(DOCS), str(output))
        self.seen: list[list[Message]] = []

    def model_says(self, *replies: Message) -> None:
        """Let the model say this, one after the other, and note what it got to see."""

        def reply(_: ActivityContext, messages: list[Message]) -> Message:
            self.seen.append(messages)
            return replies[len(self.seen) - 1]

        self.hub.replace_activity("agent_ask_model", reply)

    def start(self, text: str = TRIP, **changes: Any) -> None:
        question = replace(self.question, text=text, **changes)
        self.hub.client.schedule_new_orchestration(agent_session, input=question, instance_id="a")
        self.hub.run_until_idle()

    def answer_event(self, name: str, data: Any) -> None:
        self.hub.client.raise_orchestration_event("a", name, data=data)
        self.hub.run_until_idle()

    @property
    def state(self) -> OrchestrationState:
        state = self.hub.client.get_orchestration_state("a")
        assert state is not None
        return state

    @property
    def answer(self) -> Answer:
        answer = self.state.get_output(Answer)
        assert answer is not None, self.state
        return answer

    @property
    def progress(self) -> Progress:
        return self.state.get_custom_status(Progress) or Progress()

    @property
    def failure(self) -> str:
        assert self.state.failure_details is not None
        return self.state.failure_details.message


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with InProcessTaskHub(orchestrators=[agent_session], activities=ACTIVITIES) as hub:
        yield Stage(hub, tmp_path)


@pytest.fixture(autouse=True)
def _no_model_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "MODEL"):
        monkeypatch.delenv(name, raising=False)


def wants(name: str, arguments: object, call: str = "c1") -> Message:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return Message("assistant", "", [ToolCall(call, name, text)])


SAVE = wants("write_file", {"name": "note.md", "text": "hello"})
SAID = Message("assistant", "That is all.")


def test_a_question_is_answered_with_the_help_of_tools(stage: Stage) -> None:
    stage.start()

    assert stage.answer == Answer(COSTS, 3, ["search_docs", "calculate"])
    assert stage.progress.steps[-1] == 'calculate {"expression": "3 * 140 + 4 * 28"} -> 532'


def test_a_file_is_written_once_a_person_has_approved_it(stage: Stage, tmp_path: Path) -> None:
    stage.start(f"{TRIP} Save it as trip.md.")
    waiting = stage.progress.waiting
    before = list(tmp_path.iterdir())
    stage.answer_event("approval-1", YES)

    assert waiting is not None
    assert (waiting.event, waiting.tool) == ("approval-1", "write_file")
    assert json.loads(waiting.arguments) == {"name": "trip.md", "text": f"{COSTS}\n"}
    assert before == []
    assert (tmp_path / "trip.md").read_text("utf-8") == f"{COSTS}\n"
    assert stage.answer.text == f"{COSTS} It is saved as trip.md."
    assert "write_file was approved by Ann" in stage.progress.steps


def test_a_refused_file_is_not_written_and_the_model_knows(stage: Stage, tmp_path: Path) -> None:
    stage.start(f"{TRIP} Save it as trip.md.")
    stage.answer_event("approval-1", NO)

    assert list(tmp_path.iterdir()) == []
    assert stage.answer.text == f"{COSTS} It is not saved: refused by Ann."


def test_nobody_answers_and_the_model_goes_on_without_the_file(stage: Stage, tmp_path: Path) -> None:
    stage.start(f"{TRIP} Save it as trip.md.")
    stage.hub.advance(23.9 * HOUR)
    waiting = stage.progress.waiting
    stage.hub.advance(HOUR)

    assert waiting is not None
    assert list(tmp_path.iterdir()) == []
    assert stage.answer.text == f"{COSTS} It is not saved: refused: nobody approved it in time."


def test_an_answer_given_twice_approves_nothing_that_comes_later(stage: Stage, tmp_path: Path) -> None:
    other = wants("write_file", {"name": "other.md", "text": "!"}, "c2")
    stage.model_says(SAVE, other, SAID)
    stage.start()
    stage.hub.client.raise_orchestration_event("a", "approval-1", data=YES)
    stage.answer_event("approval-1", YES)

    assert stage.progress.waiting is not None
    assert stage.progress.waiting.event == "approval-2"
    stage.answer_event("approval-2", NO)
    assert [path.name for path in tmp_path.iterdir()] == ["note.md"]
    assert stage.answer.text == "That is all."


@pytest.mark.parametrize(
    "data", [None, "yes", {}, {"approved": "true", "approver": "Ann"}, {"approved": True}]
)
def test_an_answer_that_cannot_be_read_approves_nothing(stage: Stage, tmp_path: Path, data: Any) -> None:
    stage.model_says(SAVE, SAID)
    stage.start()
    stage.answer_event("approval-1", data)

    assert list(tmp_path.iterdir()) == []
    assert stage.progress.waiting is not None
    assert stage.progress.steps[-1].startswith("an answer without approved")
    stage.answer_event("approval-1", YES)
    assert stage.answer.tools == ["write_file"]


def test_several_tools_of_one_turn_are_used_in_order(stage: Stage) -> None:
    calls = [ToolCall(f"c{n}", "calculate", json.dumps({"expression": f"{n} + 1"})) for n in (1, 2)]
    stage.model_says(Message("assistant", "", calls), SAID)
    stage.start()

    assert [(m.content, m.tool_call_id) for m in stage.seen[1][-2:]] == [("2", "c1"), ("3", "c2")]


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("teleport", {}, "error: there is no tool teleport; there are: search_docs, calculate, write_file"),
        ("calculate", "2 + 2", "error: the arguments are not JSON: 2 + 2"),
        ("calculate", {"sum": "2"}, "error: calculate needs exactly these arguments: expression"),
        ("calculate", {"expression": 4}, "error: expression must be text"),
        ("calculate", {"expression": "1 / 0"}, "error: a division by zero has no result"),
    ],
)
def test_a_mistake_of_the_model_is_told_to_the_model(
    stage: Stage, name: str, arguments: object, result: str
) -> None:
    stage.model_says(wants(name, arguments), SAID)
    stage.start()

    assert stage.seen[1][-1] == Message("tool", result, tool_call_id="c1")
    assert stage.answer.text == "That is all."


def test_a_model_that_never_answers_fails_the_session(stage: Stage) -> None:
    stage.model_says(*[wants("calculate", {"expression": "1"})] * 9)
    stage.start(most_turns=3)

    assert stage.failure == "no answer after 3 turns"


def test_a_model_that_is_away_for_a_moment_is_asked_again(stage: Stage) -> None:
    stage.hub.faults.fail("agent_ask_model", call=[2, 3], error=ModelUnavailable("429"))
    stage.start()
    stage.hub.advance(HOUR)

    assert stage.answer.text == COSTS


def test_a_model_that_stays_away_fails_the_session(stage: Stage) -> None:
    stage.hub.faults.fail("agent_ask_model", error=ModelUnavailable("the model's service answered 503: busy"))
    stage.start()
    stage.hub.advance(HOUR)

    assert stage.failure == "the model's service answered 503: busy"
    assert len(stage.hub.calls_of("agent_ask_model")) == 5


def test_a_request_that_is_refused_is_not_made_again(stage: Stage) -> None:
    stage.hub.faults.fail("agent_ask_model", error=ModelRefused("the model's service answered 401: no key"))
    stage.start()

    assert stage.failure == "the model's service answered 401: no key"
    assert len(stage.hub.calls_of("agent_ask_model")) == 1


def test_a_crash_forgets_nothing_that_was_said(stage: Stage) -> None:
    stage.hub.faults.crash_worker(before="agent_use_tool", call=2)
    stage.start()
    stage.hub.advance(HOUR)

    assert stage.answer.text == COSTS
    assert len(stage.hub.calls_of("agent_ask_model")) == 3


def test_a_tool_used_twice_after_a_crash_leaves_one_file(stage: Stage, tmp_path: Path) -> None:
    stage.model_says(SAVE, SAID)
    stage.hub.faults.crash_worker(after="agent_use_tool")
    stage.start()
    stage.answer_event("approval-1", YES)
    stage.hub.advance(HOUR)

    assert stage.answer.tools == ["write_file"]
    assert [path.name for path in tmp_path.iterdir()] == ["note.md"]


# The tools.


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(2 + 3) * 4", "20"),
        ("-1.5 / 3", "-0.5"),
        ("0.1 + 0.2", "0.3"),
        ("2 ** 9", "error: only numbers, + - * / and parentheses can be calculated"),
        ("__import__('os')", "error: only numbers, + - * / and parentheses can be calculated"),
        ("1e15 * 10", "error: the numbers are too large"),
        ("1e999 - 1e999", "error: the numbers are too large"),
        ("2 +", "error: 2 + is not an expression"),
        ("1+" * 101 + "1", "error: an expression may have 200 characters"),
    ],
)
def test_only_arithmetic_is_calculated(expression: str, value: str) -> None:
    assert tools.use(Workspace("", ""), "calculate", json.dumps({"expression": expression})) == value


@pytest.mark.parametrize(
    "name", ["../x.md", "/etc/x.md", "a/b.md", ".x.md", "x.sh", "x.md\n", "x" * 70 + ".md"]
)
def test_a_file_is_written_only_where_it_may_be(tmp_path: Path, name: str) -> None:
    said = tools.use(Workspace("", str(tmp_path)), "write_file", json.dumps({"name": name, "text": "x"}))

    assert said.startswith("error: name must be a plain file name")
    assert list(tmp_path.iterdir()) == []


def test_a_search_finds_the_best_paragraphs_or_says_that_there_are_none() -> None:
    def search(query: str) -> str:
        return tools.use(Workspace(str(DOCS), ""), "search_docs", json.dumps({"query": query}))

    assert search("When is the office open?").startswith("office.md: The office is open from 7:00")
    assert search("elephants") == "nothing found"


# The models.


def test_the_local_model_says_when_it_found_nothing() -> None:
    stand_in = LocalModel()
    messages = [Message("user", "Who feeds the elephants?")]
    call = stand_in.reply(messages)
    messages += [call, Message("tool", "nothing found", tool_call_id=call.tool_calls[0].id)]

    assert stand_in.reply(messages).content == "The handbook does not say."


def test_the_environment_chooses_the_model() -> None:
    assert isinstance(model_from({}), LocalModel)
    assert model_from({"OPENAI_API_KEY": "k", "MODEL": "m"}) == OpenAIModel(
        "https://api.openai.com/v1", "k", "m"
    )
    assert model_from({"OPENAI_BASE_URL": "http://x/v1", "MODEL": "m"}) == OpenAIModel("http://x/v1", "", "m")
    with pytest.raises(ModelRefused, match="set MODEL to the name of a model"):
        model_from({"OPENAI_API_KEY": "k"})


class Service(HTTPServer):
    """A model's service that answers what it is told to, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ServiceHandler)
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class ServiceHandler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(json.loads(body))
        self.server.keys.append(self.headers["Authorization"])
        status, value = self.server.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(value.encode() if isinstance(value, str) else json.dumps(value).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        service.shutdown()
        thread.join()


def completion(content: str | None, *calls: dict[str, Any]) -> tuple[int, Any]:
    message = {"role": "assistant", "content": content, "tool_calls": list(calls) or None}
    return 200, {"choices": [{"message": message}]}


ONE_AND_ONE = {"name": "calculate", "arguments": '{"expression": "1+1"}'}
SUM = {"id": "x1", "type": "function", "function": ONE_AND_ONE}
NO_MESSAGE = "the model's service answered something that is no message"


def test_a_model_behind_openais_api_uses_tools_and_answers(
    stage: Stage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("OPENAI_BASE_URL", service.url), ("OPENAI_API_KEY", "secret"), ("MODEL", "tiny")):
        monkeypatch.setenv(name, value)
    service.answers = [completion(None, SUM), (429, "slow down"), completion("It is 2.")]
    stage.start("What is 1 + 1?")
    stage.hub.advance(HOUR)

    assert stage.answer == Answer("It is 2.", 2, ["calculate"])
    assert service.keys == ["Bearer secret"] * 3
    last = service.asked[-1]
    assert last["model"] == "tiny"
    assert [message["role"] for message in last["messages"]] == ["system", "user", "assistant", "tool"]
    assert last["messages"][2]["tool_calls"] == [SUM]
    assert last["messages"][3] == {"role": "tool", "content": "2", "tool_call_id": "x1"}
    assert [tool["function"]["name"] for tool in last["tools"]] == ["search_docs", "calculate", "write_file"]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ((500, "oh"), ModelUnavailable, "the model's service answered 500: oh"),
        ((401, "no\nkey"), ModelRefused, "the model's service answered 401: no key"),
        ((200, "<html>"), ModelUnavailable, NO_MESSAGE),
        ((200, {"choices": []}), ModelUnavailable, NO_MESSAGE),
        ((200, [1]), ModelUnavailable, NO_MESSAGE),
    ],
)
def test_what_goes_wrong_at_a_models_service_is_said_in_words(
    service: Service, answer: tuple[int, Any], error: type[Exception], text: str
) -> None:
    service.answers = [answer]

    with pytest.raises(error) as raised:
        OpenAIModel(service.url, "", "m").reply([Message("user", "hello")])
    assert str(raised.value) == text
    assert service.keys == [None]


def test_a_models_service_that_is_not_there_is_unavailable() -> None:
    with Service() as closed:
        url = closed.url

    with pytest.raises(ModelUnavailable, match=r"^the model's service does not answer: .*refused"):
        OpenAIModel(url, "", "m").reply([Message("user", "hello")])
