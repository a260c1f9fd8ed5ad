"""Both clients against a real gRPC server that answers as told."""

from __future__ import annotations

import asyncio
import inspect
import logging

import grpc
import pytest
from durakit.client import AsyncTaskHubGrpcClient, TaskHubGrpcClient
from durakit.client.health import ConnectionHealth
from durakit.errors import NotFoundError, SchedulerUnavailableError, SettingsError
from durakit.grpc_options import GrpcClientResiliencyOptions
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.status import ERROR_BY_CODE, SchedulerError

from ..fake_scheduler import FakeScheduler


def public_methods(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def error(code: grpc.StatusCode) -> SchedulerError:
    return ERROR_BY_CODE[code](code, "", method="GetInstance", address="a")


def test_the_async_client_has_the_same_methods_with_the_same_signatures() -> None:
    assert public_methods(AsyncTaskHubGrpcClient) == public_methods(TaskHubGrpcClient)


def test_a_call_goes_out_with_the_metadata_and_its_answer_comes_back() -> None:
    with FakeScheduler() as scheduler:
        scheduler.answer("StartInstance", pb.CreateInstanceResponse(instanceId="x"))
        with TaskHubGrpcClient(
            host_address=scheduler.address, metadata=[("team", "a")], default_version="1.0"
        ) as client:
            instance_id = client.schedule_new_orchestration("greet", input="Ada")

        call = scheduler.next_call("StartInstance")

    assert instance_id == "x"
    assert call.metadata["team"] == "a"
    assert (call.request.input.value, call.request.version.value) == ('"Ada"', "1.0")


def test_an_explicit_empty_version_wins_over_the_default() -> None:
    with FakeScheduler() as scheduler:
        with TaskHubGrpcClient(host_address=scheduler.address, default_version="1.0") as client:
            client.schedule_new_orchestration("greet", version="")

        request = scheduler.next_call("StartInstance").request

    assert request.HasField("version")
    assert request.version.value == ""


def test_an_error_is_named_and_still_a_grpc_error() -> None:
    with FakeScheduler() as scheduler:
        scheduler.answer("RaiseEvent", (grpc.StatusCode.NOT_FOUND, "no 'x'"))
        client = TaskHubGrpcClient(host_address=scheduler.address)
        with client, pytest.raises(grpc.RpcError) as caught:
            client.raise_orchestration_event("x", "go")

    assert isinstance(caught.value, NotFoundError)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "no 'x'"


def test_a_scheduler_that_is_down_is_said_in_words_to_act_on() -> None:
    with FakeScheduler() as scheduler:
        address = scheduler.address
    client = TaskHubGrpcClient(host_address=address)
    with client, pytest.raises(SchedulerUnavailableError) as caught:
        client.get_orchestration_state("x")

    assert str(caught.value).startswith(f"No scheduler answers at {address} (")
    assert str(caught.value).endswith(
        "; start one with `durakit dev`, or set ENDPOINT to the address of yours."
    )


def test_a_history_is_read_from_all_its_chunks() -> None:
    chunk = pb.HistoryChunk(events=[pb.HistoryEvent(eventId=-1, orchestratorStarted={})])
    with FakeScheduler() as scheduler:
        scheduler.answer("StreamInstanceHistory", chunk)
        with TaskHubGrpcClient(host_address=scheduler.address) as client:
            history = client.get_orchestration_history("i1")

    assert [type(event).__name__ for event in history] == ["OrchestratorStartedEvent"]


def test_the_async_client_does_the_same() -> None:
    chunk = pb.HistoryChunk(events=[pb.HistoryEvent(eventId=-1, orchestratorStarted={})])

    async def main(scheduler: FakeScheduler) -> tuple[str, int]:
        async with AsyncTaskHubGrpcClient(host_address=scheduler.address, metadata=[("team", "a")]) as client:
            instance_id = await client.schedule_new_orchestration("greet", input="Ada")
            with pytest.raises(NotFoundError):
                await client.raise_orchestration_event("x", "go")
            return instance_id, len(await client.get_orchestration_history("i1"))

    with FakeScheduler() as scheduler:
        scheduler.answer("StartInstance", pb.CreateInstanceResponse(instanceId="x"))
        scheduler.answer("RaiseEvent", (grpc.StatusCode.NOT_FOUND, "no 'x'"))
        scheduler.answer("StreamInstanceHistory", chunk)

        assert asyncio.run(main(scheduler)) == ("x", 1)
        assert scheduler.next_call("StartInstance").metadata["team"] == "a"


def test_a_client_made_outside_of_a_loop_works_inside_of_one() -> None:
    with FakeScheduler() as scheduler:
        client = AsyncTaskHubGrpcClient(host_address=scheduler.address)

        async def main() -> object:
            async with client:
                return await client.get_orchestration_state("x")

        assert asyncio.run(main()) is None


def test_after_failures_in_a_row_the_channel_is_replaced() -> None:
    health = ConnectionHealth(GrpcClientResiliencyOptions(channel_recreate_failure_threshold=3))
    unavailable = error(grpc.StatusCode.UNAVAILABLE)

    replaced = [health.note_error("GetInstance", unavailable) for _ in range(7)]

    assert replaced == [False, False, True, False, False, False, False]  # then the least interval holds


def test_an_answer_of_any_kind_ends_the_row() -> None:
    health = ConnectionHealth(
        GrpcClientResiliencyOptions(channel_recreate_failure_threshold=2, min_recreate_interval_seconds=0)
    )

    health.note_error("GetInstance", error(grpc.StatusCode.UNAVAILABLE))
    health.note_error("GetInstance", error(grpc.StatusCode.NOT_FOUND))

    assert health.has_answered()
    assert health.note_error("GetInstance", error(grpc.StatusCode.UNAVAILABLE)) is False


def test_the_deadline_of_a_wait_says_nothing_about_the_connection() -> None:
    health = ConnectionHealth(GrpcClientResiliencyOptions(channel_recreate_failure_threshold=1))
    deadline = error(grpc.StatusCode.DEADLINE_EXCEEDED)

    assert health.note_error("WaitForInstanceCompletion", deadline) is False
    assert health.note_error("GetInstance", deadline) is True
    assert not health.has_answered()


def test_a_payload_store_is_refused() -> None:
    with pytest.raises(SettingsError) as refusal:
        TaskHubGrpcClient(host_address="localhost:1", payload_store=object())  # type: ignore[arg-type]  # what is tested

    assert str(refusal.value) == (
        "payload_store is object; this version of durakit cannot use one, expected None. "
        "Keep payloads below the scheduler's limit, or pass references to large data."
    )


def test_log_records_go_to_the_handler_given_and_nowhere_else() -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]  # the shortest handler there is
    resiliency = GrpcClientResiliencyOptions(channel_recreate_failure_threshold=1)
    with FakeScheduler() as scheduler:
        address = scheduler.address
    client = TaskHubGrpcClient(host_address=address, log_handler=handler, resiliency_options=resiliency)
    with client, pytest.raises(SchedulerUnavailableError):
        client.get_orchestration_state("x")

    assert [record.getMessage().split(":")[0] for record in records] == ["Opened a new channel to http"]
