"""Bare protocol over real sockets: a scheduler process, a worker's stream, calls; no SDK in between."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from durakit.wire.address import parse_address
from durakit.wire.channel import Stub, open_channel
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.processes import Actor, free_port

ITEM_SECONDS = 10.0
"""After so long without an item it is not coming."""


class RunningScheduler:
    """A scheduler process on a file, and a connection to it. It can be killed and started again."""

    def __init__(self, folder: Path, *, grace_seconds: float = 0.3, mutant: str | None = None) -> None:
        self.db = folder / "scheduler.db"
        self.port = free_port()
        arguments = [str(self.db), str(self.port), str(grace_seconds), *([mutant] if mutant else [])]
        self.actor = Actor("scheduler", arguments, folder / "scheduler.log", {})
        self.streams: list[Stream] = []
        self._start()

    def _start(self) -> None:
        self.actor.start()
        self.actor.await_ready()
        # A new channel, because an old one may wait before it dials again.
        self._channel = open_channel(parse_address(f"http://127.0.0.1:{self.port}"))
        self.call = Stub(self._channel, lambda: ())

    def restart(self) -> None:
        """SIGKILL, and start again on the same file."""
        self.actor.kill()
        self._channel.close()
        self._start()

    def close(self) -> None:
        """End everything."""
        for stream in self.streams:
            stream.drop()
        self._channel.close()
        self.actor.kill()

    def connect_worker(self) -> Stream:
        """Open a stream of work items."""
        stream = Stream(self.call.GetWorkItems(pb.GetWorkItemsRequest()))
        self.streams.append(stream)
        return stream

    def start_instance(self, name: str = "program", instance_id: str = "one", input: str = "null") -> str:
        """Start an instance; return its id."""
        request = pb.CreateInstanceRequest(instanceId=instance_id, name=name)
        request.input.value = input
        response: pb.CreateInstanceResponse = self.call.StartInstance(request, timeout=5)
        return response.instanceId

    def state(self, instance_id: str = "one") -> pb.OrchestrationState:
        """Return an instance with its payloads."""
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        response: pb.GetInstanceResponse = self.call.GetInstance(request, timeout=5)
        return response.orchestrationState

    def history(self, instance_id: str = "one") -> list[pb.HistoryEvent]:
        """Return the committed events of an instance."""
        request = pb.StreamInstanceHistoryRequest(instanceId=instance_id)
        return [
            event for chunk in self.call.StreamInstanceHistory(request, timeout=5) for event in chunk.events
        ]


class Stream:
    """A worker's stream; `next` returns what the scheduler sends."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._items: queue.SimpleQueue[pb.WorkItem] = queue.SimpleQueue()
        self.error: grpc.RpcError | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # The scheduler sends headers when it knows the stream.
        call.initial_metadata()

    def _read(self) -> None:
        try:
            for item in self._call:
                self._items.put(item)
        except grpc.RpcError as error:
            self.error = error

    def next(self, kind: str) -> pb.WorkItem:
        """Return the next item, which must be of that kind."""
        try:
            item = self._items.get(timeout=ITEM_SECONDS)
        except queue.Empty:
            raise AssertionError(f"no {kind} came within {ITEM_SECONDS} s") from None
        assert item.WhichOneof("request") == kind, item
        return item

    def next_turn(self) -> pb.WorkItem:
        """Return the next item, which must be a turn."""
        return self.next("orchestratorRequest")

    def next_activity(self) -> pb.WorkItem:
        """Return the next item, which must be an activity."""
        return self.next("activityRequest")

    def drop(self) -> None:
        """End the stream with everything that was sent on it."""
        self._call.cancel()
        self._reader.join()

    def end(self) -> grpc.RpcError:
        """Wait until the scheduler ends the stream; return the error with which it did."""
        self._reader.join(ITEM_SECONDS)
        assert self.error is not None, "the stream goes on, or ended without an error"
        return self.error

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be read."""
        return self._items.empty()


def turn(item: pb.WorkItem, *actions: pb.OrchestratorAction) -> pb.OrchestratorResponse:
    """Return the answer to a turn."""
    request = item.orchestratorRequest
    return pb.OrchestratorResponse(
        instanceId=request.instanceId, completionToken=item.completionToken, actions=actions
    )


def schedule(number: int, name: str = "work") -> pb.OrchestratorAction:
    """Return an action that schedules an activity."""
    return pb.OrchestratorAction(id=number, scheduleTask=pb.ScheduleTaskAction(name=name))


def complete(number: int, result: Any) -> pb.OrchestratorAction:
    """Return an action that ends the orchestration."""
    action = pb.OrchestratorAction(id=number)
    action.completeOrchestration.orchestrationStatus = pb.ORCHESTRATION_STATUS_COMPLETED
    action.completeOrchestration.result.value = json.dumps(result)
    return action


def done(item: pb.WorkItem, result: Any) -> pb.ActivityResponse:
    """Return the answer to an activity."""
    request = item.activityRequest
    response = pb.ActivityResponse(
        instanceId=request.orchestrationInstance.instanceId,
        taskId=request.taskId,
        completionToken=item.completionToken,
    )
    response.result.value = json.dumps(result)
    return response


def refusal_of(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    """Return code and text by which a call was refused."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call was accepted; it should have been refused")


def stale(kind: str) -> tuple[grpc.StatusCode, str]:
    """Return what is said to an answer that no longer counts."""
    return (
        grpc.StatusCode.NOT_FOUND,
        f"This {kind} delivery is no longer open: it was completed, given to another worker, or its "
        f"instance was ended or replaced. Nothing was changed.",
    )
