"""The bare protocol, as a broken or foreign worker would speak it."""

from __future__ import annotations

import uuid
from typing import Any

from durakit.wire.address import parse_address
from durakit.wire.channel import Stub, open_channel
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.sockets import Stream, complete, turn

CALL_SECONDS = 60


class Bare:
    """The bare protocol in a task hub of its own."""

    def __init__(self, address: str) -> None:
        self.task_hub = uuid.uuid4().hex
        self.channel = open_channel(parse_address(f"http://{address}"))
        self.metadata = (("taskhub", self.task_hub),)
        self.call = Stub(self.channel, lambda: self.metadata)
        self._streams: list[Stream] = []

    def connect(self, **request: Any) -> Stream:
        stream = Stream(self.call.GetWorkItems(pb.GetWorkItemsRequest(**request)))
        self._streams.append(stream)
        return stream

    def start(self, *ids: str) -> None:
        for instance_id in ids:
            self.call.StartInstance(pb.CreateInstanceRequest(instanceId=instance_id, name="program"))

    def answer(self, response: pb.OrchestratorResponse) -> None:
        self.call.CompleteOrchestratorTask(response, timeout=CALL_SECONDS)

    def finish(self, item: pb.WorkItem, result: Any = "fine") -> None:
        self.answer(turn(item, complete(1, result)))

    def state(self, instance_id: str) -> pb.OrchestrationState:
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        response: pb.GetInstanceResponse = self.call.GetInstance(request, timeout=CALL_SECONDS)
        return response.orchestrationState

    def output(self, instance_id: str) -> str:
        found = self.state(instance_id)
        assert found.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED, found
        return found.output.value

    def history(self, instance_id: str) -> list[pb.HistoryEvent]:
        request = pb.StreamInstanceHistoryRequest(instanceId=instance_id, forWorkItemProcessing=True)
        chunks = self.call.StreamInstanceHistory(request, timeout=CALL_SECONDS)
        return [event for chunk in chunks for event in chunk.events]

    def close(self) -> None:
        for stream in self._streams:
            stream.drop()
        self.channel.close()


def sub(number: int, child_id: str) -> pb.OrchestratorAction:
    action = pb.CreateSubOrchestrationAction(instanceId=child_id, name="child")
    return pb.OrchestratorAction(id=number, createSubOrchestration=action)


def accepting(*, orchestration: str = "", activity: str = "") -> pb.WorkItemFilters:
    return pb.WorkItemFilters(
        orchestrations=[pb.OrchestrationFilter(name=orchestration)] if orchestration else [],
        activities=[pb.ActivityFilter(name=activity)] if activity else [],
    )


def part(item: pb.WorkItem, number: int, *actions: pb.OrchestratorAction, last: bool = False) -> Any:
    response = turn(item, *actions)
    response.isPartial = not last
    response.chunkIndex.value = number
    return response
