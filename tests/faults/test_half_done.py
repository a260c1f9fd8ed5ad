"""A request that fails half way leaves nothing behind: neither in memory nor, by the next commit, on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from durakit.scheduler.machine import actions
from durakit.scheduler.server import SchedulerServer, ServerOptions
from durakit.scheduler.store import StoreError
from durakit.wire.address import parse_address
from durakit.wire.channel import AsyncStub, open_async_channel
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.sockets import complete, done, schedule, turn


async def no_metadata() -> list[tuple[str, str]]:
    return []


async def next_item(stream: Any) -> pb.WorkItem:
    item = await asyncio.wait_for(stream.read(), 3)
    assert isinstance(item, pb.WorkItem), item
    return item


@pytest.mark.parametrize("error", [StoreError("the disk is gone"), KeyError("a bug")])
def test_a_turn_whose_effects_fail_half_way_happens_again_as_a_whole(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> pb.OrchestrationState:
        server = SchedulerServer(ServerOptions(grpc_port=0, db=tmp_path / "scheduler.db"))
        await server.start()
        channel = open_async_channel(parse_address(f"http://127.0.0.1:{server.grpc_port}"))
        call = AsyncStub(channel, no_metadata)
        await call.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="parent"))
        stream = await call.GetWorkItems(pb.GetWorkItemsRequest())
        await call.CompleteOrchestratorTask(turn(await next_item(stream), schedule(0)))
        await call.CompleteActivityTask(done(await next_item(stream), "result"))
        item = await next_item(stream)

        def fail(*_: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setitem(actions._HANDLERS, "createTimer", fail)
            timer = pb.OrchestratorAction(id=2)
            timer.createTimer.fireAt.GetCurrentTime()
            with pytest.raises(grpc.aio.AioRpcError):
                await call.CompleteOrchestratorTask(turn(item, schedule(1), timer))
        await call.StartInstance(pb.CreateInstanceRequest(instanceId="two", name="other"))

        stream = await call.GetWorkItems(pb.GetWorkItemsRequest())
        again = {}
        while "one" not in again:
            item = await next_item(stream)
            again[item.orchestratorRequest.instanceId] = item
        kinds = [event.WhichOneof("eventType") for event in again["one"].orchestratorRequest.newEvents]
        assert kinds == ["orchestratorStarted", "taskCompleted"]
        await call.CompleteOrchestratorTask(turn(again["one"], complete(1, "done")))
        state: pb.GetInstanceResponse = await call.GetInstance(pb.GetInstanceRequest(instanceId="one"))
        await channel.close()
        await server.stop()
        return state.orchestrationState

    state = asyncio.run(scenario())

    assert state.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
