"""Operations are generators that ask for calls; here they are answered by hand, without any I/O."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import grpc
import pytest
from durakit.client import OrchestrationQuery, OrchestrationStatus, operations
from durakit.client.operations import Call, Operation, Pair, Pause
from durakit.errors import (
    AlreadyExistsError,
    NoResultError,
    SchedulerUnavailableError,
    SettingsError,
    WaitTimeoutError,
)
from durakit.serialization import JsonDataConverter
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.status import ERROR_BY_CODE, SchedulerError

T = TypeVar("T")
CONVERTER = JsonDataConverter()


def failure(code: grpc.StatusCode) -> SchedulerError:
    return ERROR_BY_CODE[code](code, "details", method="M", address="http://localhost:8080")


UNAVAILABLE = failure(grpc.StatusCode.UNAVAILABLE)
ALREADY_EXISTS = failure(grpc.StatusCode.ALREADY_EXISTS)
DEADLINE = failure(grpc.StatusCode.DEADLINE_EXCEEDED)


def drive(operation: Operation[T], *answers: Any) -> tuple[T, list[Call], list[float]]:
    """Answer the operation's calls in order, a `Pair` with both answers or with the error of the first;
    return the operation's result, its calls and its pauses in seconds.
    """
    calls: list[Call] = []
    pauses: list[float] = []
    left = list(answers)
    try:
        step = next(operation)
        while True:
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                step = operation.send(None)
                continue
            calls += [step.first, step.second] if isinstance(step, Pair) else [step]
            answer = left.pop(0)
            step = operation.throw(answer) if isinstance(answer, Exception) else operation.send(answer)
    except StopIteration as stop:
        return stop.value, calls, pauses


def start(**changes: Any) -> Operation[str]:
    arguments: dict[str, Any] = {
        "input": None,
        "instance_id": None,
        "start_at": None,
        "reuse_id_policy": None,
        "tags": None,
        "version": None,
        "converter": CONVERTER,
    }
    return operations.schedule_new_orchestration("greet", **{**arguments, **changes})


def wait(timeout_seconds: float = 60, has_answered: Callable[[], bool] = lambda: True) -> Operation[Any]:
    return operations.wait_for(
        "WaitForInstanceCompletion",
        "complete",
        "i1",
        fetch_payloads=True,
        timeout_seconds=timeout_seconds,
        has_answered=has_answered,
        converter=CONVERTER,
    )


class Clock:
    """Stands in for `time.monotonic`; advances by what each reading is told to take."""

    def __init__(self, step_seconds: float) -> None:
        self.now = 1000.0
        self.step_seconds = step_seconds

    def __call__(self) -> float:
        self.now += self.step_seconds
        return self.now


def test_an_instance_gets_an_id_from_the_client_and_nothing_that_was_not_given() -> None:
    _, calls, _ = drive(start(), pb.CreateInstanceResponse(instanceId="x"))

    request = calls[0].request

    assert isinstance(request, pb.CreateInstanceRequest)
    assert len(request.instanceId) == 32
    assert {field.name for field, _ in request.ListFields()} == {"instanceId", "name"}


def test_everything_given_at_the_start_is_sent() -> None:
    berlin = timezone(timedelta(hours=1))

    _, calls, _ = drive(
        start(
            input={"a": [1, None]},
            instance_id="mine",
            start_at=datetime(2030, 1, 1, 12, tzinfo=berlin),
            reuse_id_policy=[OrchestrationStatus.FAILED],
            tags={"team": "a"},
            version="2.0",
        ),
        pb.CreateInstanceResponse(instanceId="mine"),
    )

    expected = pb.CreateInstanceRequest(
        instanceId="mine",
        name="greet",
        orchestrationIdReusePolicy=pb.OrchestrationIdReusePolicy(
            replaceableStatus=[pb.ORCHESTRATION_STATUS_FAILED]
        ),
        tags={"team": "a"},
    )
    expected.input.value = '{"a": [1, null]}'
    expected.version.value = "2.0"
    expected.scheduledStartTimestamp.FromDatetime(datetime(2030, 1, 1, 11))  # noqa: DTZ001  # naive is UTC
    assert calls[0].request == expected


def test_a_naive_start_time_is_utc() -> None:
    _, calls, _ = drive(
        start(start_at=datetime(2030, 1, 1, 12)),  # noqa: DTZ001  # what is tested
        pb.CreateInstanceResponse(instanceId="x"),
    )

    assert calls[0].request.scheduledStartTimestamp.ToJsonString() == "2030-01-01T12:00:00Z"  # type: ignore[attr-defined]  # Message


def test_a_start_under_an_id_of_ours_is_repeated_when_the_connection_breaks() -> None:
    result, calls, pauses = drive(
        start(), UNAVAILABLE, UNAVAILABLE, pb.CreateInstanceResponse(instanceId="x")
    )

    assert result == "x"
    assert calls[0].request == calls[1].request == calls[2].request
    assert pauses == [0.05, 0.1]


def test_a_repeated_start_that_meets_its_own_first_attempt_has_succeeded() -> None:
    result, calls, _ = drive(start(), UNAVAILABLE, ALREADY_EXISTS)

    assert result == calls[0].request.instanceId  # type: ignore[attr-defined]  # Message


def test_an_id_in_use_is_an_error_when_nothing_was_repeated() -> None:
    with pytest.raises(AlreadyExistsError):
        drive(start(), ALREADY_EXISTS)


def test_a_start_under_a_callers_id_is_not_repeated() -> None:
    with pytest.raises(SchedulerUnavailableError):
        drive(start(instance_id="mine"), UNAVAILABLE)


def test_a_start_gives_up_after_four_attempts() -> None:
    with pytest.raises(SchedulerUnavailableError):
        drive(start(), *[UNAVAILABLE] * 4)


def test_a_wait_is_made_again_when_it_is_cut_short() -> None:
    state, calls, _ = drive(wait(), DEADLINE, DEADLINE, pb.GetInstanceResponse(exists=False))

    assert state is None
    assert len(calls) == 3


def test_a_long_wait_is_made_of_calls_that_gateways_let_live() -> None:
    _, calls, _ = drive(wait(timeout_seconds=0), DEADLINE, pb.GetInstanceResponse())

    assert [call.timeout_seconds for call in calls] == [120.0, 120.0]


def test_a_wait_that_is_over_says_for_what_and_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.client.operations.monotonic", Clock(step_seconds=1.0))

    with pytest.raises(WaitTimeoutError) as error:
        drive(wait(timeout_seconds=2.5), DEADLINE, DEADLINE)

    assert str(error.value) == (
        "Instance 'i1' did not complete within 2.5 s. It goes on; wait again or pass a longer timeout."
    )


def test_a_wait_outlives_a_scheduler_that_goes_away_for_a_while() -> None:
    state, _, pauses = drive(
        wait(), UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, pb.GetInstanceResponse(exists=False)
    )

    assert state is None
    assert pauses == [0.05, 0.1, 0.2]


def test_a_wait_for_a_scheduler_that_stays_away_says_so_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.client.operations.monotonic", Clock(step_seconds=1.0))

    with pytest.raises(WaitTimeoutError) as error:
        drive(wait(timeout_seconds=3), UNAVAILABLE, UNAVAILABLE)

    assert str(error.value) == (
        "Instance 'i1' did not complete within 3 s. The last attempt: No scheduler answers at "
        "http://localhost:8080 (details); start one with `durakit dev`, or set ENDPOINT to the address of "
        "yours."
    )


def test_a_wait_fails_at_once_when_nobody_has_ever_answered() -> None:
    with pytest.raises(SchedulerUnavailableError):
        drive(wait(has_answered=lambda: False), UNAVAILABLE)


def test_a_negative_timeout_is_refused() -> None:
    with pytest.raises(SettingsError) as error:
        drive(wait(timeout_seconds=-1))

    assert str(error.value) == "timeout is -1; expected seconds above 0, or 0 to wait without limit."


@pytest.mark.parametrize("last_token", [None, "", "0", "t1"])
def test_a_query_reads_all_pages_and_stops_at_any_sign_of_the_end(last_token: str | None) -> None:
    first = pb.QueryInstancesResponse(orchestrationState=[pb.OrchestrationState(instanceId="a")])
    first.continuationToken.value = "t1"
    second = pb.QueryInstancesResponse(orchestrationState=[pb.OrchestrationState(instanceId="b")])
    if last_token is not None:
        second.continuationToken.value = last_token

    states, calls, _ = drive(
        operations.get_all_orchestration_states(None, converter=CONVERTER), first, second
    )

    assert [state.instance_id for state in states] == ["a", "b"]
    assert len(calls) == 2


def test_a_query_sends_what_restricts_it() -> None:
    query = OrchestrationQuery(
        created_time_from=datetime(2026, 1, 1),  # noqa: DTZ001  # naive is UTC
        runtime_status=[OrchestrationStatus.PENDING],
        max_instance_count=10,
        fetch_inputs_and_outputs=True,
        instance_id_prefix="order-",
    )

    _, calls, _ = drive(
        operations.get_all_orchestration_states(query, converter=CONVERTER), pb.QueryInstancesResponse()
    )

    expected = pb.QueryInstancesRequest(
        query=pb.InstanceQuery(
            runtimeStatus=[pb.ORCHESTRATION_STATUS_PENDING], maxInstanceCount=10, fetchInputsAndOutputs=True
        )
    )
    expected.query.createdTimeFrom.FromJsonString("2026-01-01T00:00:00Z")
    expected.query.instanceIdPrefix.value = "order-"
    assert calls[0].request == expected


def test_an_event_without_a_name_is_refused() -> None:
    with pytest.raises(SettingsError) as error:
        drive(operations.raise_orchestration_event("i1", "", data=None, converter=CONVERTER))

    assert str(error.value) == (
        "event_name is empty; expected the name that wait_for_external_event waits for."
    )


def test_a_purge_without_time_is_refused() -> None:
    with pytest.raises(SettingsError) as error:
        drive(operations.purge_orchestrations_by(None, None, None, False, timedelta()))

    assert str(error.value) == "timeout is 0:00:00; expected a duration above zero, or None for no limit."


@pytest.mark.parametrize(
    ("operation", "method", "request_message"),
    [
        (
            operations.terminate_orchestration("i1", output="bye", recursive=True, converter=CONVERTER),
            "TerminateInstance",
            pb.TerminateRequest(instanceId="i1", output={"value": '"bye"'}, recursive=True),
        ),
        (
            operations.suspend_orchestration("i1", "lunch"),
            "SuspendInstance",
            pb.SuspendRequest(instanceId="i1", reason={"value": "lunch"}),
        ),
        (operations.resume_orchestration("i1", None), "ResumeInstance", pb.ResumeRequest(instanceId="i1")),
        (
            operations.rewind_orchestration("i1", "again"),
            "RewindInstance",
            pb.RewindInstanceRequest(instanceId="i1", reason={"value": "again"}),
        ),
        (
            operations.raise_orchestration_event("i1", "go", data={"n": 1}, converter=CONVERTER),
            "RaiseEvent",
            pb.RaiseEventRequest(instanceId="i1", name="go", input={"value": '{"n": 1}'}),
        ),
        (
            operations.purge_orchestration("i1", True),
            "PurgeInstances",
            pb.PurgeInstancesRequest(instanceId="i1", recursive=True, isOrchestration=True),
        ),
        (
            operations.restart_orchestration("i1", True),
            "RestartInstance",
            pb.RestartInstanceRequest(instanceId="i1", restartWithNewInstanceId=True),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_order_is_one_call(operation: Operation[Any], method: str, request_message: Any) -> None:
    answers = {"PurgeInstances": pb.PurgeInstancesResponse(), "RestartInstance": pb.RestartInstanceResponse()}

    _, calls, _ = drive(operation, answers.get(method))

    assert [(call.method, call.request) for call in calls] == [(method, request_message)]


# --- start and wait


STARTED = pb.CreateInstanceResponse(instanceId="i1")


def ended(instance_id: str = "i1") -> pb.GetInstanceResponse:
    state = pb.OrchestrationState(
        instanceId=instance_id, orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED
    )
    return pb.GetInstanceResponse(exists=True, orchestrationState=state)


def instance_id_in(call: Call) -> str:
    assert isinstance(call.request, pb.CreateInstanceRequest | pb.GetInstanceRequest)
    return call.request.instanceId


def run(**changes: Any) -> Operation[Any]:
    arguments: dict[str, Any] = {
        "input": None,
        "instance_id": None,
        "reuse_id_policy": None,
        "tags": None,
        "version": None,
        "fetch_payloads": True,
        "timeout_seconds": 60,
        "has_answered": lambda: True,
        "converter": CONVERTER,
    }
    return operations.run_orchestration("greet", **{**arguments, **changes})


def test_a_start_and_the_wait_for_its_end_are_asked_for_at_once() -> None:
    state, calls, pauses = drive(run(), (STARTED, ended()))

    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert [call.method for call in calls] == ["StartInstance", "WaitForInstanceCompletion"]
    assert len({instance_id_in(call) for call in calls}) == 1
    assert calls[1].timeout_seconds == 60
    assert pauses == []


def test_a_wait_cut_short_is_gone_on_with_alone() -> None:
    _, calls, pauses = drive(run(), (STARTED, UNAVAILABLE), DEADLINE, ended())

    assert [call.method for call in calls] == ["StartInstance", *["WaitForInstanceCompletion"] * 3]
    assert len(pauses) == 1


def test_when_nobody_knows_whether_it_was_started_both_are_asked_for_again() -> None:
    _, calls, _ = drive(run(), UNAVAILABLE, (STARTED, ended()))

    assert [call.method for call in calls] == ["StartInstance", "WaitForInstanceCompletion"] * 2
    assert len({instance_id_in(call) for call in calls}) == 1


def test_one_that_meets_its_own_first_attempt_goes_on_waiting() -> None:
    state, calls, _ = drive(run(), UNAVAILABLE, ALREADY_EXISTS, ended())

    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert calls[-1].method == "WaitForInstanceCompletion"


def test_under_an_id_of_the_callers_nothing_is_asked_for_twice() -> None:
    with pytest.raises(SchedulerUnavailableError):
        drive(run(instance_id="mine"), UNAVAILABLE)
    with pytest.raises(AlreadyExistsError):
        drive(run(instance_id="mine"), ALREADY_EXISTS)


def test_the_wait_has_what_is_left_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "monotonic", Clock(4))

    with pytest.raises(WaitTimeoutError, match=r"'i1' did not complete within 10 s\. It goes on"):
        drive(run(instance_id="i1", timeout_seconds=10), (STARTED, DEADLINE), DEADLINE)


def test_without_a_limit_the_wait_is_made_of_slices() -> None:
    _, calls, _ = drive(run(timeout_seconds=0), (STARTED, DEADLINE), ended())

    assert [call.timeout_seconds for call in calls[1:]] == [operations.WAIT_SLICE_SECONDS] * 2


def test_a_time_below_nothing_is_refused_before_anything_is_started() -> None:
    with pytest.raises(SettingsError, match="timeout is -1"):
        drive(run(timeout_seconds=-1))


def test_an_instance_purged_meanwhile_has_no_state() -> None:
    with pytest.raises(NoResultError, match="There is no orchestration i1 any more"):
        drive(run(instance_id="i1"), (STARTED, pb.GetInstanceResponse(exists=False)))
