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
from durakit.runtime.sessions import Session, SessionCache
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


# --- ahead of being asked


def result_of(task_id: int, value: str = "1") -> pb.ActivityResponse:
    response = pb.ActivityResponse(instanceId="i1", taskId=task_id)
    response.result.value = value
    return response


def begun(turns: TurnRunner, steps: int = 3) -> History:
    """An instance whose first turn, asked for with token `t1`, has scheduled activity 1."""
    history = History(steps)
    history.commit(turns.run(history.request(), "t1"))
    return history


def test_results_lead_to_the_turn_that_the_scheduler_would_ask_for() -> None:
    asked, going_ahead = runner(), runner()
    history = begun(asked)
    begun(going_ahead)

    ahead = going_ahead.go_ahead([result_of(1)])

    assert ahead is not None
    expected = asked.run(history.request(with_history=False))
    assert list(ahead.response.actions) == list(expected.actions)
    assert (ahead.session, ahead.execution_id) == ("t1", "e1")
    assert ahead.committed_events == len(history.committed)


def test_turns_ahead_follow_one_another() -> None:
    turns = runner()
    history = begun(turns)
    counted = []

    for task_id in (1, 2, 3):
        ahead = turns.go_ahead([result_of(task_id)])
        assert ahead is not None
        counted.append(ahead.committed_events)
        assert ahead.session == "t1"

    # Each leaves orchestratorStarted, taskCompleted, taskScheduled and orchestratorCompleted.
    start = len(history.committed)
    assert counted == [start, start + 4, start + 8]
    assert ahead is not None
    assert result(ahead.response) == "3"
    # It has ended, so there is nothing to go ahead with.
    assert turns.go_ahead([result_of(3)]) is None


def test_time_never_runs_backwards_in_a_turn_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = runner()
    begun(turns)
    monkeypatch.setattr("time.time_ns", lambda: 5)

    ahead = turns.go_ahead([result_of(1)])

    assert ahead is not None
    assert ahead.started_ns >= 1_700_000_000 * 10**9


def test_without_a_session_nothing_is_run_ahead() -> None:
    turns = runner(sessions=0)
    begun(turns)

    assert turns.go_ahead([result_of(1)]) is None


def test_after_a_slow_turn_the_next_one_waits_to_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.runtime.turns.QUICK_TURN_SECONDS", 0.0)
    turns = runner()
    history = begun(turns)

    assert turns.go_ahead([result_of(1)]) is None
    # The session is still there.
    assert not turns.run(history.request(with_history=False)).requiresHistory


def test_a_response_too_large_for_the_link_is_left_to_the_ordinary_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("durakit.runtime.turns.MAX_RESPONSE_BYTES", 10)
    turns = runner()
    history = begun(turns)

    assert turns.go_ahead([result_of(1)]) is None
    assert turns.run(history.request(with_history=False)).requiresHistory


def test_an_item_is_behind_when_its_turn_has_been_run_ahead() -> None:
    turns = runner()
    history = begun(turns)
    asked = history.request(with_history=False)
    assert not turns.is_behind(asked)

    turns.go_ahead([result_of(1)])

    assert turns.is_behind(asked)


@pytest.mark.parametrize("case", ["history", "another execution", "no session"])
def test_only_an_item_for_the_same_copy_of_the_same_execution_can_be_behind(case: str) -> None:
    turns = runner()
    history = begun(turns)
    asked = history.request(with_history=case == "history")
    turns.go_ahead([result_of(1)])
    if case == "another execution":
        asked.executionId.value = "e2"
    if case == "no session":
        turns.execute(history.request())

    assert not turns.is_behind(asked)


def test_no_block_of_user_code_runs_where_a_dropped_session_is_noticed() -> None:
    """Whoever learns that a turn did not count may be a thread that others wait for."""
    closed: list[Session] = []
    registry = Registry()
    registry.add_orchestrator(count)
    turns = TurnRunner(
        registry,
        ExecutionOptions(converter=JsonDataConverter()),
        sessions=SessionCache(10, closed.append),
    )
    outcome = turns.execute(History(3).request())

    turns.dropped(outcome)

    assert closed == [outcome.session]
    assert not closed[0].execution.is_closed
