from durakit.runtime import entities
from durakit.wire.messages import orchestration_pb2 as pb


def test_operations_that_reach_a_worker_without_entities_fail_and_leave_the_state_alone() -> None:
    request = pb.EntityRequest(
        instanceId="@counter@a",
        entityState={"value": "5"},
        operationRequests=[
            pb.HistoryEvent(
                eventId=-1,
                entityOperationCalled={
                    "requestId": "r1",
                    "operation": "add",
                    "parentInstanceId": {"value": "i1"},
                    "parentExecutionId": {"value": "e1"},
                },
            ),
            pb.HistoryEvent(eventId=-1, entityOperationSignaled={"requestId": "r2", "operation": "add"}),
        ],
    )

    result = entities.refuse(request, "t", "worker w1")

    assert (result.completionToken, result.entityState.value) == ("t", "5")
    assert [each.failure.failureDetails.errorType for each in result.results] == ["EntityTaskNotFound"] * 2
    assert result.results[0].failure.failureDetails.errorMessage == (
        "No entity is registered with worker w1, so @counter@a cannot be served there."
    )
    assert [info.requestId for info in result.operationInfos] == ["r1", "r2"]
    assert result.operationInfos[0].responseDestination.instanceId == "i1"
    assert result.operationInfos[0].responseDestination.executionId.value == "e1"
    assert not result.operationInfos[1].HasField("responseDestination")
