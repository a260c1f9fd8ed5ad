"""Sizes are refused where they enter, with the size in the message (semantics.md 6, Limits)."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.errors import InvalidRequestError
from durakit.scheduler.limits import AZURE_LIMITS, NO_LIMITS
from durakit.scheduler.refusal import Refusal
from durakit.testing import InProcessTaskHub
from durakit.wire.messages import orchestration_pb2 as pb

from .reading import end, failure, history, kinds, output, register, state, status

Steps = Generator[Any, Any, Any]

LIMIT = 1024 * 1024
FITS = "x" * (LIMIT - 2)
OVER = "x" * (LIMIT - 1)
SIZE = "is 1,048,577 bytes; at most 1,048,576 are allowed. Store large data elsewhere and pass a reference"


def waiting(ctx: task.OrchestrationContext, _: Any) -> Steps:
    heard = yield ctx.wait_for_external_event("go")
    return len(heard)


def echo(ctx: task.ActivityContext, value: Any) -> Any:
    return value


def long_result(ctx: task.ActivityContext, _: Any) -> str:
    return OVER


def calls_activity(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.call_activity(echo, input=OVER)


def calls_child(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.call_sub_orchestrator(waiting, input=OVER)


def sends_event(ctx: task.OrchestrationContext, _: Any) -> Steps:
    ctx.send_event("other", "news", data=OVER)
    yield ctx.create_timer(timedelta(seconds=1))


def returns(ctx: task.OrchestrationContext, _: Any) -> str:
    return OVER


def continues(ctx: task.OrchestrationContext, _: Any) -> None:
    ctx.continue_as_new(OVER)


def sets_status(ctx: task.OrchestrationContext, _: Any) -> Steps:
    ctx.set_custom_status(OVER)
    yield ctx.create_timer(timedelta(seconds=1))


def awaits_long_result(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.call_activity(long_result)


@pytest.mark.parametrize(
    ("orchestrator", "what"),
    [
        (calls_activity, "The input of activity 'echo'"),
        (calls_child, "The input of sub-orchestration 'waiting'"),
        (sends_event, "The payload of event 'news'"),
        (returns, "The orchestration output"),
        (continues, "The orchestration input"),
        (sets_status, "The custom status"),
        (awaits_long_result, "The result of activity 'long_result'"),
    ],
)
def test_a_payload_over_the_limit_fails_the_orchestration_that_made_it(
    hub: InProcessTaskHub, orchestrator: Callable[..., Any], what: str
) -> None:
    register(hub, orchestrator, waiting, activities=(echo, long_result))
    hub.client.schedule_new_orchestration(waiting, instance_id="other")
    instance_id = hub.client.schedule_new_orchestration(orchestrator)

    failed = failure(hub, instance_id)

    assert f"{what} {SIZE}" in failed.message
    assert status(hub, "other") == "RUNNING"
    assert "eventRaised" not in kinds(hub, "other")


def test_a_payload_at_the_limit_passes_everywhere(hub: InProcessTaskHub) -> None:
    def child(ctx: task.OrchestrationContext, value: str) -> str:
        ctx.set_custom_status(value)
        return value

    def flow(ctx: task.OrchestrationContext, value: str) -> Steps:
        value = yield ctx.call_activity(echo, input=value)
        value = yield ctx.call_sub_orchestrator(child, input=value)
        heard = yield ctx.wait_for_external_event("go")
        return value if heard == value else None

    register(hub, flow, child, activities=(echo,))
    instance_id = hub.client.schedule_new_orchestration(flow, input=FITS)
    hub.client.raise_orchestration_event(instance_id, "go", data=FITS)

    assert output(hub, instance_id) == FITS


REQUESTS = [
    ("StartInstance", pb.CreateInstanceRequest(name="waiting"), "input", "orchestration input"),
    ("RaiseEvent", pb.RaiseEventRequest(instanceId="one", name="go"), "input", "payload of event 'go'"),
    ("TerminateInstance", pb.TerminateRequest(instanceId="one"), "output", "output"),
    (
        "SkipGracefulOrchestrationTerminations",
        pb.SkipGracefulOrchestrationTerminationsRequest(instanceBatch=pb.InstanceBatch(instanceIds=["one"])),
        "reason",
        "reason",
    ),
]


@pytest.mark.parametrize(("method", "request_", "field", "what"), REQUESTS, ids=[r[0] for r in REQUESTS])
def test_every_request_with_a_payload_is_refused_with_its_size(
    hub: InProcessTaskHub, method: str, request_: Any, field: str, what: str
) -> None:
    register(hub, waiting)
    hub.client.schedule_new_orchestration(waiting, instance_id="one")
    hub.run_until_idle()
    asked = type(request_)()
    asked.CopyFrom(request_)
    # Counted in bytes of UTF-8, not in characters.
    getattr(asked, field).value = "é" * (LIMIT // 2) + "x"

    with pytest.raises(Refusal, match=re.escape(f"The {what} {SIZE}")) as caught:
        hub.requests.by_method[method](asked, hub.hub)

    assert caught.value.status == "INVALID_ARGUMENT"
    assert status(hub, "one") == "RUNNING"
    assert len(hub.client.get_all_orchestration_states()) == 1


def raises_a_novel(ctx: Any, _: Any) -> None:
    raise ValueError("Call me Ishmael. " + "x" * 2_000_000)


def test_a_failure_over_the_limit_is_told_in_short(hub: InProcessTaskHub) -> None:
    """An activity's, its orchestration's, and that of an orchestrator by itself."""

    def calls(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield ctx.call_activity("novel")

    register(hub, calls, raises_a_novel)
    hub.add_activity(raises_a_novel, "novel")

    for orchestrator in (calls, raises_a_novel):
        instance_id = hub.client.schedule_new_orchestration(orchestrator)
        failed = failure(hub, instance_id)

        assert "Call me Ishmael. " in failed.message
        assert re.search(r"\[cut: the details were [\d,]{9,} bytes; at most 1,048,576 ", failed.message)
        assert sum(event.ByteSize() for event in history(hub, instance_id)) < 100_000


@pytest.mark.parametrize(
    ("instance_id", "message"),
    [
        (
            "i" * 101,
            "The instance id is 101 characters long; at most 100 are allowed. Pass a shorter instance_id",
        ),
        ("@counter@a", "Instance id '@counter@a' begins with '@', which is reserved for entities."),
    ],
    ids=["too long", "of an entity"],
)
def test_ids_that_cannot_be_are_refused_at_the_start_and_for_children(
    hub: InProcessTaskHub, instance_id: str, message: str
) -> None:
    def parent(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield ctx.call_sub_orchestrator(waiting, instance_id=instance_id)

    register(hub, parent, waiting)

    with pytest.raises(InvalidRequestError, match=re.escape(message)):
        hub.client.schedule_new_orchestration(waiting, instance_id=instance_id)
    failed = failure(hub, hub.client.schedule_new_orchestration(parent, instance_id="p"))

    assert message in failed.message
    assert hub.client.get_orchestration_state(instance_id) is None


def test_an_id_of_a_hundred_characters_of_any_kind_is_an_id(hub: InProcessTaskHub) -> None:
    register(hub, waiting)
    instance_id = "é☃ %_'\"/\\" + "x" * 91

    assert len(instance_id) == 100
    hub.client.schedule_new_orchestration(waiting, instance_id=instance_id)
    hub.client.raise_orchestration_event(instance_id, "go", data="abc")

    assert output(hub, instance_id) == 3


def test_children_nest_as_deep_as_one_likes_without_reaching_the_limit_of_ids(hub: InProcessTaskHub) -> None:
    """Semantics 3.5 rule 4: ids that grow with depth would be refused."""

    def nested(ctx: task.OrchestrationContext, depth: int) -> Steps:
        if depth == 0:
            return len(ctx.instance_id)
        length = yield ctx.call_sub_orchestrator(nested, input=depth - 1)
        return length

    register(hub, nested)
    start = hub.client.schedule_new_orchestration(nested, input=40, instance_id="i" * 100)

    assert output(hub, start) <= 100


def test_a_history_over_its_limit_fails_the_orchestration_with_its_length() -> None:
    def endless(ctx: task.OrchestrationContext, _: Any) -> Steps:
        while True:
            yield ctx.call_activity(echo)

    with InProcessTaskHub(limits=replace(AZURE_LIMITS, history_events=50)) as hub:
        register(hub, endless, activities=(echo,))
        failed = failure(hub, hub.client.schedule_new_orchestration(endless))

    assert failed.message == (
        "The history would grow to 51 events; at most 50 are allowed. Use continue_as_new or "
        "sub-orchestrations to keep histories short."
    )


def test_without_limits_large_payloads_pass() -> None:
    with InProcessTaskHub(limits=NO_LIMITS) as hub:
        register(hub, returns)
        ended = end(hub, hub.client.schedule_new_orchestration(returns, instance_id="i" * 500))

        assert ended.get_output() == OVER
        assert state(hub, "i" * 500).runtime_status.name == "COMPLETED"
