"""Turns without any transport; the scheduler's part, appending to history, is played by `History`."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

import pytest
from durakit.registry import Registry
from durakit.replay import (
    ExecutionOptions,
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
    VersionMismatchReject,
)
from durakit.runtime.sessions import SessionCache
from durakit.runtime.turns import TurnRunner, split_response
from durakit.serialization import JsonDataConverter
from durakit.task import OrchestrationContext
from durakit.wire.messages import orchestration_pb2 as pb


def count(ctx: OrchestrationContext, steps: int) -> Generator[Any, Any, int]:
    total = 0
    for step in range(steps):
        total += yield ctx.call_activity("add", input=step)
    return total


def runner(sessions: int = 10, **options: Any) -> TurnRunner:
    registry = Registry()
    registry.add_orchestrator(count)
    return TurnRunner(
        registry,
        ExecutionOptions(converter=JsonDataConverter(), **options),
        sessions=SessionCache(sessions),
    )


class History:
    """One instance of `count` as its scheduler sees it."""

    def __init__(self, steps: int, execution_id: str = "e1") -> None:
        self.execution_id = execution_id
        self.committed: list[pb.HistoryEvent] = []
        started = pb.HistoryEvent(eventId=-1)
        started.executionStarted.name = "count"
        started.executionStarted.input.value = str(steps)
        started.executionStarted.orchestrationInstance.instanceId = "i1"
        started.executionStarted.orchestrationInstance.executionId.value = execution_id
        self.arrived = [started]

    def request(self, *, with_history: bool = True) -> pb.OrchestratorRequest:
        request = pb.OrchestratorRequest(instanceId="i1", newEvents=self._new())
        request.executionId.value = self.execution_id
        if with_history:
            request.pastEvents.extend(self.committed)
        else:
            request.properties["IsExtendedSession"].bool_value = True
            request.properties["IncludeState"].bool_value = False
            request.properties["durakit.committedEvents"].number_value = len(self.committed)
        return request

    def commit(self, response: pb.OrchestratorResponse) -> None:
        """Append the turn; the activities it scheduled complete with 1 each."""
        self.committed += self._new()
        self.arrived = []
        for action in response.actions:
            if action.HasField("scheduleTask"):
                scheduled = pb.HistoryEvent(eventId=action.id)
                scheduled.taskScheduled.name = action.scheduleTask.name
                self.committed.append(scheduled)
                completed = pb.HistoryEvent(eventId=-1)
                completed.taskCompleted.taskScheduledId = action.id
                completed.taskCompleted.result.value = "1"
                self.arrived.append(completed)
        self.committed.append(pb.HistoryEvent(eventId=-1, orchestratorCompleted={}))

    def _new(self) -> list[pb.HistoryEvent]:
        turn = pb.HistoryEvent(eventId=-1, orchestratorStarted={})
        turn.timestamp.FromSeconds(1_700_000_000 + len(self.committed))
        return [turn, *self.arrived]


def result(response: pb.OrchestratorResponse) -> str:
    return response.actions[-1].completeOrchestration.result.value


@pytest.mark.parametrize("sessions", [0, 1, 10])
@pytest.mark.parametrize("with_history", [True, False])
def test_an_orchestration_comes_to_the_same_result_with_and_without_sessions(
    sessions: int, with_history: bool
) -> None:
    turns, history = runner(sessions), History(steps=3)

    for _ in range(4):
        response = turns.run(history.request(with_history=with_history), "token")
        if response.requiresHistory:
            response = turns.run(history.request(), "token")
        history.commit(response)

    assert result(response) == "3"
    assert response.completionToken == "token"
    assert response.instanceId == "i1"


def test_with_a_session_the_history_is_asked_for_only_never() -> None:
    turns, history = runner(), History(steps=50)
    responses = []

    for _ in range(51):
        responses.append(turns.run(history.request(with_history=False)))
        history.commit(responses[-1])

    assert not any(response.requiresHistory for response in responses)
    assert result(responses[-1]) == "50"


def test_without_the_session_the_history_is_asked_for_and_nothing_is_done() -> None:
    history = History(steps=2)
    history.commit(runner().run(history.request()))

    response = runner().run(history.request(with_history=False), "t")

    assert response == pb.OrchestratorResponse(instanceId="i1", completionToken="t", requiresHistory=True)


@pytest.mark.parametrize("change", ["execution", "committed", "unmarked"])
def test_a_session_that_does_not_agree_with_the_scheduler_is_not_used(change: str) -> None:
    turns, history = runner(), History(steps=2)
    history.commit(turns.run(history.request()))
    request = history.request(with_history=False)
    if change == "execution":
        request.executionId.value = "e2"
    elif change == "committed":
        request.properties["durakit.committedEvents"].number_value += 1
    else:
        del request.properties["durakit.committedEvents"]

    assert turns.run(request).requiresHistory
    assert turns.run(history.request(with_history=False)).requiresHistory, "the doubtful session is gone"


def test_a_session_is_not_kept_when_the_response_was_not_accepted() -> None:
    turns, history = runner(), History(steps=2)

    outcome = turns.execute(history.request())
    turns.dropped(outcome)
    history.commit(outcome.response)

    assert turns.run(history.request(with_history=False)).requiresHistory


def test_full_history_wins_over_a_session() -> None:
    turns, history = runner(), History(steps=1)
    turns.run(history.request())

    again = turns.run(history.request())

    assert [action.scheduleTask.name for action in again.actions] == ["add"]


def test_a_finished_execution_leaves_no_session() -> None:
    sessions = SessionCache(5)
    registry = Registry()
    registry.add_orchestrator(count)
    turns = TurnRunner(registry, ExecutionOptions(converter=JsonDataConverter()), sessions=sessions)

    turns.run(History(steps=0).request())

    assert len(sessions) == 0


def test_a_history_that_is_too_long_for_a_message_is_streamed() -> None:
    history = History(steps=2)
    history.commit(runner().run(history.request()))
    registry = Registry()
    registry.add_orchestrator(count)
    turns = TurnRunner(
        registry,
        ExecutionOptions(converter=JsonDataConverter()),
        sessions=SessionCache(1),
        read_history=lambda request: history.committed,
    )
    request = history.request(with_history=False)
    request.properties.clear()
    request.requiresHistoryStreaming = True

    history.commit(turns.run(request))

    assert result(turns.run(history.request(with_history=False))) == "2", "and the session counts its events"


def test_a_version_that_must_not_run_here_is_left_to_the_caller() -> None:
    versioning = VersioningOptions("2.0", None, VersionMatchStrategy.STRICT, VersionFailureStrategy.REJECT)

    with pytest.raises(VersionMismatchReject):
        runner(versioning=versioning).run(History(steps=1).request())


def test_a_defect_outside_of_user_code_fails_the_orchestration_instead_of_looping(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("defect")

    monkeypatch.setattr("durakit.replay.Execution.advance", broken)

    with caplog.at_level(logging.ERROR):
        response = runner().run(History(steps=1).request())

    completion = response.actions[0].completeOrchestration
    assert completion.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
    assert completion.failureDetails.errorType == "builtins.KeyError"
    assert caplog.messages == ["Turn of i1 failed outside of user code; the orchestration is marked failed"]


def actions(*sizes: int) -> list[pb.OrchestratorAction]:
    return [
        pb.OrchestratorAction(id=number, scheduleTask={"name": "x" * size})
        for number, size in enumerate(sizes, 1)
    ]


def test_a_response_of_usual_size_is_sent_in_one_part() -> None:
    response = pb.OrchestratorResponse(instanceId="i1", actions=actions(10, 10))

    assert list(split_response(response)) == [response]


def test_a_large_response_is_sent_in_parts_that_are_committed_together() -> None:
    response = pb.OrchestratorResponse(
        instanceId="i1", completionToken="t", actions=actions(60, 60, 60, 500, 10)
    )
    response.customStatus.value = '"s"'

    parts = list(split_response(response, max_bytes=150))

    assert [[action.id for action in part.actions] for part in parts] == [[1, 2], [3], [4], [5]]
    assert [part.isPartial for part in parts] == [True, True, True, False]
    assert [part.chunkIndex.value for part in parts] == [0, 1, 2, 3]
    assert [part.HasField("numEventsProcessed") for part in parts] == [False, True, True, True]
    assert {(part.instanceId, part.completionToken, part.customStatus.value) for part in parts} == {
        ("i1", "t", '"s"')
    }
