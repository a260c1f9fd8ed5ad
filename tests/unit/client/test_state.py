from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pytest
from durakit.client import (
    OrchestrationFailedError,
    OrchestrationStatus,
    new_orchestration_state,
    new_purge_instances_result,
    parse_orchestration_state,
)
from durakit.wire.messages import orchestration_pb2 as pb


@dataclass
class Order:
    id: int


def state_message(status: int = pb.ORCHESTRATION_STATUS_COMPLETED) -> pb.OrchestrationState:
    message = pb.OrchestrationState(instanceId="i1", name="ship")
    message.orchestrationStatus = status  # type: ignore[assignment]  # a number of the enum
    message.createdTimestamp.FromJsonString("2026-01-01T00:00:00Z")
    message.lastUpdatedTimestamp.FromJsonString("2026-01-01T00:00:05Z")
    return message


def test_payloads_are_read_as_plain_data_or_as_the_type_asked_for() -> None:
    message = state_message()
    message.input.value = '{"id": 1}'
    message.output.value = "[1]"
    message.customStatus.value = '"half"'

    state = parse_orchestration_state(message)

    assert state.get_input() == {"id": 1}
    assert state.get_input(Order) == Order(1)
    assert state.get_output() == [1]
    assert state.get_custom_status(str) == "half"


@pytest.mark.parametrize("text", [None, ""])
def test_absent_and_empty_payloads_are_none(text: str | None) -> None:
    message = state_message()
    if text is not None:
        message.output.value = text

    state = parse_orchestration_state(message)

    assert (state.serialized_output, state.get_output()) == (None, None)


def test_times_are_naive_and_in_utc() -> None:
    state = parse_orchestration_state(state_message())

    assert state.created_at == datetime(2026, 1, 1)  # noqa: DTZ001  # what is tested
    assert state.completed_at is None


def test_family_and_labels_are_told() -> None:
    message = state_message()
    message.parentInstanceId.value = "parent"
    message.version.value = "1.0"
    message.tags["team"] = "a"

    state = parse_orchestration_state(message)

    assert (state.parent_instance_id, state.version, state.tags) == ("parent", "1.0", {"team": "a"})


def test_a_missing_instance_is_none() -> None:
    assert new_orchestration_state("i1", pb.GetInstanceResponse(exists=False)) is None


def test_a_failed_orchestration_raises_with_what_it_reported() -> None:
    message = state_message(pb.ORCHESTRATION_STATUS_FAILED)
    message.failureDetails.errorType = "builtins.ValueError"
    message.failureDetails.errorMessage = "no stock"

    with pytest.raises(OrchestrationFailedError) as error:
        parse_orchestration_state(message).raise_if_failed()

    assert str(error.value) == "Orchestration 'ship' (i1) failed with builtins.ValueError: no stock"
    assert error.value.failure_details.message == "no stock"


def test_a_failure_without_any_text_is_a_failure() -> None:
    message = state_message(pb.ORCHESTRATION_STATUS_FAILED)
    message.failureDetails.SetInParent()

    with pytest.raises(OrchestrationFailedError):
        parse_orchestration_state(message).raise_if_failed()


def test_a_completed_orchestration_does_not_raise() -> None:
    parse_orchestration_state(state_message()).raise_if_failed()


@pytest.mark.parametrize("status", list(OrchestrationStatus))
def test_only_ended_instances_are_terminal(status: OrchestrationStatus) -> None:
    assert status.is_terminal == (status.name in ("COMPLETED", "FAILED", "TERMINATED"))
    assert str(status) == status.name


def test_a_cancelled_instance_reads_as_terminated() -> None:
    state = parse_orchestration_state(state_message(pb.ORCHESTRATION_STATUS_CANCELED))

    assert state.runtime_status is OrchestrationStatus.TERMINATED


def test_a_purge_tells_whether_it_got_through_only_if_the_scheduler_said_so() -> None:
    told = pb.PurgeInstancesResponse(deletedInstanceCount=2)
    told.isComplete.value = False

    assert new_purge_instances_result(told).is_complete is False
    assert new_purge_instances_result(pb.PurgeInstancesResponse()).is_complete is None
