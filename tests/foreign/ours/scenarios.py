"""The scenarios of catalogue.py; each raises when something is not as it should be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import pytest
from durakit.client import OrchestrationQuery, OrchestrationStatus
from durakit.worker import VersionFailureStrategy, VersioningOptions, VersionMatchStrategy

from tests.foreign.ours import orchestrations as do
from tests.foreign.ours.world import World, completed, ended, failed, unique, until

COMPLETED = OrchestrationStatus.COMPLETED
FAILED = OrchestrationStatus.FAILED
PENDING = OrchestrationStatus.PENDING
RUNNING = OrchestrationStatus.RUNNING
SUSPENDED = OrchestrationStatus.SUSPENDED
TERMINATED = OrchestrationStatus.TERMINATED

SCENARIOS: dict[str, Callable[[World], None]] = {}


def scenario(name: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Add a function to SCENARIOS."""

    def add(function: Callable[[World], None]) -> Callable[[World], None]:
        SCENARIOS[name] = function
        return function

    return add


def listed(client: Any, **criteria: Any) -> list[str]:
    """Return the sorted ids a query finds."""
    states = client.get_all_orchestration_states(OrchestrationQuery(**criteria))
    return sorted(state.instance_id for state in states)


@scenario("chain")
def _(world: World) -> None:
    assert world.output(do.chain, 1) == 4


@scenario("payloads")
def _(world: World) -> None:
    values: list[Any] = [
        None,
        "",
        0,
        False,
        [],
        {},
        "Grüße, 世界 🌍",
        {"nested": [1, None, "x"]},
        "x" * 200_000,
    ]
    assert world.output(do.payloads, values) == values


@scenario("fan-out")
def _(world: World) -> None:
    assert world.output(do.fan_out, 100) == [index * index for index in range(100)]


@scenario("timer")
def _(world: World) -> None:
    assert world.output(do.timer, 1) >= 1


@scenario("timer-race")
def _(world: World) -> None:
    assert world.output(do.timer_race) == 2


@scenario("external-event")
def _(world: World) -> None:
    instance_id = world.start(do.one_event, "Approval")
    world.until_status(instance_id, RUNNING)
    world.client.raise_orchestration_event(instance_id, "Approval", data={"by": "Ada"})
    assert completed(world.client, instance_id) == {"by": "Ada"}


@scenario("early-events")
def _(world: World) -> None:
    instance_id = world.start(do.events_after_gate, 3)
    for item in (1, 2, 3):
        world.client.raise_orchestration_event(instance_id, "item", data=item)
    world.client.raise_orchestration_event(instance_id, "gate")
    assert completed(world.client, instance_id) == [1, 2, 3]


@scenario("event-timeout")
def _(world: World) -> None:
    instance_id = world.start(do.event_timeout)
    world.client.raise_orchestration_event(instance_id, "go", data="in time")
    assert completed(world.client, instance_id) == "in time"


@scenario("send-event")
def _(world: World) -> None:
    target = world.start(do.one_event, "hello")
    assert world.output(do.sender, target) == "sent"
    assert completed(world.client, target) == {"from": "sender"}


@scenario("activity-failure")
def _(world: World) -> None:
    assert world.output(do.catches, "out of range") == ["builtins.ArithmeticError", "out of range"]
    failed(world.client, world.start(do.activity_fails, "out of range"), "out of range")


@scenario("activity-retry")
def _(world: World) -> None:
    assert world.output(do.retries, unique("retry")) == 3


@scenario("retry-handler")
def _(world: World) -> None:
    assert world.output(do.retry_handler, unique("handler")) == 3


@scenario("unknown-activity")
def _(world: World) -> None:
    failed(world.client, world.start(do.unknown_activity), "nobody_has_this")


@scenario("sub-orchestration")
def _(world: World) -> None:
    child = unique("child")
    assert world.output(do.parent, child) == 13
    assert completed(world.client, child) == 13


@scenario("sub-orchestration-failure")
def _(world: World) -> None:
    failed(world.client, world.start(do.parent_of_failure, "deep trouble"), "deep trouble")


@scenario("sub-orchestration-retry")
def _(world: World) -> None:
    assert world.output(do.parent_retries, unique("child-retry")) == 3


@scenario("continue-as-new")
def _(world: World) -> None:
    instance_id = world.start(do.count_up, 0)
    assert completed(world.client, instance_id) == 5
    assert world.client.get_orchestration_state(instance_id).get_input() == 4


@scenario("carry-over")
def _(world: World) -> None:
    instance_id = world.start(do.collect, [])
    for item in ("a", "b", "c"):
        world.client.raise_orchestration_event(instance_id, "item", data=item)
    assert completed(world.client, instance_id) == ["a", "b", "c"]


@scenario("custom-status")
def _(world: World) -> None:
    instance_id = world.start(do.status)

    def custom() -> Any:
        return world.client.get_orchestration_state(instance_id).get_custom_status()

    until("the status is waiting", lambda: custom() == {"stage": "waiting"})
    world.client.raise_orchestration_event(instance_id, "go")
    completed(world.client, instance_id)
    assert custom() == {"stage": "done"}


@scenario("suspend-resume")
def _(world: World) -> None:
    instance_id = world.start(do.one_event, "go")
    world.until_status(instance_id, RUNNING)
    world.client.suspend_orchestration(instance_id)
    world.until_status(instance_id, SUSPENDED)
    world.client.raise_orchestration_event(instance_id, "go", data="kept")
    world.output(do.chain, 1)  # time enough for the event to be handled, were it not held
    assert world.client.get_orchestration_state(instance_id).runtime_status is SUSPENDED
    world.client.resume_orchestration(instance_id)
    assert completed(world.client, instance_id) == "kept"


@scenario("terminate")
def _(world: World) -> None:
    instance_id = world.start(do.one_event, "never")
    world.until_status(instance_id, RUNNING)
    world.client.terminate_orchestration(instance_id, output={"because": "enough"})
    state = ended(world.client, instance_id)
    assert (state.runtime_status, state.get_output()) == (TERMINATED, {"because": "enough"})


@scenario("terminate-children")
def _(world: World) -> None:
    child = unique("child")
    parent = world.start(do.parent_waits, child)
    world.until_status(child, RUNNING)
    world.client.terminate_orchestration(parent, recursive=True)
    assert ended(world.client, parent).runtime_status is TERMINATED
    assert ended(world.client, child).runtime_status is TERMINATED


@scenario("duplicate-id")
def _(world: World) -> None:
    instance_id = world.start(do.one_event, "never", instance_id=unique("duplicate"))
    with pytest.raises(grpc.RpcError, match="already exists"):
        world.start(do.chain, 1, instance_id=instance_id)
    world.client.terminate_orchestration(instance_id)


@scenario("missing-instance")
def _(world: World) -> None:
    assert world.client.get_orchestration_state(unique("missing")) is None


@scenario("scheduled-start")
def _(world: World) -> None:
    at = datetime.now(timezone.utc) + timedelta(seconds=1.5)
    instance_id = world.start(do.starts_at, start_at=at)
    assert world.client.get_orchestration_state(instance_id).runtime_status is PENDING
    assert completed(world.client, instance_id) >= at.timestamp()


@scenario("query")
def _(world: World) -> None:
    prefix = unique("query")
    ids = [f"{prefix}-{index}" for index in range(7)]
    for instance_id in ids:
        world.start(do.chain, 1, instance_id=instance_id)
    for instance_id in ids:
        completed(world.client, instance_id)
    criteria = {"instance_id_prefix": prefix, "max_instance_count": 3}
    assert listed(world.client, runtime_status=[COMPLETED], **criteria) == ids
    assert listed(world.client, runtime_status=[FAILED], **criteria) == []


@scenario("list-ids")
def _(world: World) -> None:
    client = world.new_client("list-ids")
    with world.worker("list-ids"):
        ids = ["one", "three", "two"]
        for instance_id in ids:
            client.schedule_new_orchestration("chain", input=1, instance_id=instance_id)
        for instance_id in ids:
            completed(client, instance_id)
    found: list[str] = []
    token = None
    while True:
        page = client.list_instance_ids([COMPLETED], page_size=2, continuation_token=token)
        found += page.items
        token = page.continuation_token
        if not token:
            break
    assert sorted(found) == ids


@scenario("purge")
def _(world: World) -> None:
    instance_id = world.start(do.chain, 1)
    completed(world.client, instance_id)
    assert world.client.purge_orchestration(instance_id).deleted_instance_count == 1
    assert world.client.get_orchestration_state(instance_id) is None


@scenario("purge-many")
def _(world: World) -> None:
    began = datetime.now(timezone.utc) - timedelta(seconds=1)
    client = world.new_client("purge-many")
    with world.worker("purge-many"):
        for index in range(4):
            completed(client, client.schedule_new_orchestration("chain", input=index))
        waiting = client.schedule_new_orchestration("one_event", input="never")
        purged = client.purge_orchestrations_by(created_time_from=began, runtime_status=[COMPLETED])
    assert purged.deleted_instance_count == 4
    assert listed(client) == [waiting]


@scenario("restart")
def _(world: World) -> None:
    instance_id = world.start(do.chain, 20)
    completed(world.client, instance_id)
    assert world.client.restart_orchestration(instance_id) == instance_id
    assert completed(world.client, instance_id) == 23
    other = world.client.restart_orchestration(instance_id, restart_with_new_instance_id=True)
    assert other != instance_id
    assert completed(world.client, other) == 23


@scenario("rewind")
def _(world: World) -> None:
    key = unique("rewind")
    instance_id = world.start(do.rewound, key)
    failed(world.client, instance_id, "the first time")
    world.client.rewind_orchestration(instance_id, reason="the cause is gone")
    assert completed(world.client, instance_id) == [1, 2]
    assert do.RUNS[f"{key}-good"] == 1, "an activity that had succeeded ran again"


@scenario("history")
def _(world: World) -> None:
    instance_id = world.start(do.chain, 1)
    completed(world.client, instance_id)
    kinds = [type(event).__name__ for event in world.client.get_orchestration_history(instance_id)]
    assert kinds[:2] == ["OrchestratorStartedEvent", "ExecutionStartedEvent"]
    assert kinds.count("TaskCompletedEvent") == 3
    assert kinds[-1] == "ExecutionCompletedEvent"


@scenario("tags")
def _(world: World) -> None:
    tags = {"owner": "Ada", "empty": ""}
    instance_id = world.start(do.chain, 1, tags=tags)
    completed(world.client, instance_id)
    assert world.client.get_orchestration_state(instance_id).tags == tags


@scenario("versioning")
def _(world: World) -> None:
    assert world.output(do.versions, version="2.0") == ["2.0", "1.2"]
    strict = VersioningOptions(
        version="1.0.0",
        match_strategy=VersionMatchStrategy.STRICT,
        failure_strategy=VersionFailureStrategy.FAIL,
    )
    client = world.new_client("versioning")
    with world.worker("versioning", configure=lambda worker: worker.use_versioning(strict)):
        assert completed(client, client.schedule_new_orchestration("chain", input=1, version="1.0.0")) == 4
        state = ended(client, client.schedule_new_orchestration("chain", input=1, version="2.0.0"))
    assert state.failure_details is not None
    assert state.failure_details.error_type == "VersionMismatch"


@scenario("work-item-filters")
def _(world: World) -> None:
    client = world.new_client("filters")
    with contextlib.ExitStack() as workers:
        groups: list[list[Callable[..., Any]]] = [[do.chain, do.add_one], [do.fan_out, do.square]]
        for functions in groups:
            filtered = world.worker("filters", functions, lambda worker: worker.use_work_item_filters())
            workers.enter_context(filtered)
        ids = [
            client.schedule_new_orchestration(name, input=value)
            for name, value in [("chain", 1), ("fan_out", 2)] * 4
        ]
        assert [completed(client, instance_id) for instance_id in ids] == [4, [0, 1]] * 4


@scenario("two-hubs")
def _(world: World) -> None:
    other = world.new_client("other")
    with world.worker("other"):
        instance_id = world.start(do.chain, 1, instance_id=unique("same-id"))
        other.schedule_new_orchestration("chain", input=100, instance_id=instance_id)
        assert completed(world.client, instance_id) == 4
        assert completed(other, instance_id) == 103
    assert listed(other) == [instance_id]


@scenario("worker-restart")
def _(world: World) -> None:
    client = world.new_client("worker-restart")

    def half_way() -> Any:
        return client.get_orchestration_state(instance_id).serialized_custom_status == '"half way"'

    with world.worker("worker-restart"):
        instance_id = client.schedule_new_orchestration("two_halves")
        until("the first half is over", half_way)
    client.raise_orchestration_event(instance_id, "go")
    with world.worker("worker-restart"):
        assert completed(client, instance_id) == 3
