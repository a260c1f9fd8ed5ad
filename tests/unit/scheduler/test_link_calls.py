"""Calls on a link, from the scheduler's end: answered as unary calls are, waits forgotten when cancelled."""

from __future__ import annotations

import json

import pytest
from durakit.scheduler import link as scheduler_link
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb
from google.protobuf.message import Message

from .rig import Rig
from .test_link import Wire, on_a_link


def call(number: int, method: str, request: Message) -> link.Call:
    return link.Call(id=number, method=method, request=request.SerializeToString())


def start(number: int, *, input: str = "null", instance_id: str = "a") -> link.Call:
    request = pb.CreateInstanceRequest(instanceId=instance_id, name="flow")
    request.input.value = input
    return call(number, "StartInstance", request)


def wait(number: int, *, payloads: bool = False) -> link.Call:
    request = pb.GetInstanceRequest(instanceId="a", getInputsAndOutputs=payloads)
    return call(number, "WaitForInstanceCompletion", request)


def terminate(rig: Rig) -> None:
    rig.request("TerminateInstance", pb.TerminateRequest(instanceId="a"))


async def replies(wire: Wire, count: int) -> list[link.Reply]:
    found: list[link.Reply] = []
    while len(found) < count:
        found += (await wire.down()).replies
    return found


def test_start_and_wait_of_one_message_are_answered_in_this_order() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(calls=[start(1), wait(2)])
        (started,) = await replies(wire, 1)
        terminate(rig)
        (ended,) = await replies(wire, 1)

        assert (started.id, ended.id) == (1, 2)
        state = pb.GetInstanceResponse.FromString(ended.response).orchestrationState
        assert state.orchestrationStatus == pb.ORCHESTRATION_STATUS_TERMINATED

    on_a_link(scenario)


def test_a_refused_call_leaves_its_neighbours_alone() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(calls=[start(1), start(2), start(3, instance_id="b")])
        found = await replies(wire, 3)

        assert [(reply.id, reply.status) for reply in found] == [(1, ""), (2, "ALREADY_EXISTS"), (3, "")]

    on_a_link(scenario)


def test_a_cancelled_wait_is_forgotten_and_never_answered() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(calls=[start(1), wait(2), wait(3)])
        await replies(wire, 1)
        await wire.until(wire.up(cancelled=[2, 77]))
        assert len(rig.hub.waiters) == 1
        terminate(rig)

        assert [reply.id for reply in await replies(wire, 1)] == [3]
        assert len(rig.hub.waiters) == 0

    on_a_link(scenario)


def test_waits_are_forgotten_with_the_link() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(calls=[start(1), wait(2)])
        await replies(wire, 1)

        wire.close()
        await wire.end()

        assert len(rig.hub.waiters) == 0

    on_a_link(scenario)


def test_a_second_wait_under_the_same_id_is_refused() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(calls=[start(1), wait(2), wait(2)])
        found = await replies(wire, 2)

        assert [(reply.id, reply.status) for reply in found] == [(1, ""), (2, "INVALID_ARGUMENT")]

    on_a_link(scenario)


def test_an_answer_longer_than_a_message_is_to_be_asked_for_by_a_unary_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler_link, "MOST_BYTES", 1000)
    get = call(2, "GetInstance", pb.GetInstanceRequest(instanceId="a", getInputsAndOutputs=True))

    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(calls=[start(1, input=json.dumps("x" * 2000)), get, wait(3, payloads=True), wait(4)])
        found = await replies(wire, 2)
        terminate(rig)
        found += await replies(wire, 2)

        assert [(reply.id, reply.status) for reply in found] == [
            (1, ""),
            (2, "UNIMPLEMENTED"),
            (3, "UNIMPLEMENTED"),
            (4, ""),
        ]

    on_a_link(scenario)


def test_many_long_answers_leave_in_several_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_link, "MOST_BYTES", 1000)
    get = pb.GetInstanceRequest(instanceId="a", getInputsAndOutputs=True)

    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(calls=[start(0, input=json.dumps("x" * 700))])
        await replies(wire, 1)
        wire.up(calls=[call(number, "GetInstance", get) for number in range(1, 11)])
        sizes: list[int] = []
        while sum(sizes) < 10:
            sizes.append(len((await wire.down()).replies))

        assert max(sizes) == 1

    on_a_link(scenario)


def test_what_a_link_does_not_carry_is_said_to_be_so() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(calls=[call(1, "Hello", pb.GetInstanceRequest()), link.Call(id=2, method="Nonsense")])
        found = await replies(wire, 2)

        assert [reply.status for reply in found] == ["UNIMPLEMENTED"] * 2

    on_a_link(scenario)
