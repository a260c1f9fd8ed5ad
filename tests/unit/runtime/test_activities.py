from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import Any

from durakit.registry import Registry
from durakit.runtime.activities import ActivityRunner
from durakit.serialization import JsonDataConverter
from durakit.task import ActivityContext
from durakit.wire.messages import orchestration_pb2 as pb


@dataclass
class Order:
    id: int


def double(ctx: ActivityContext, order: Order) -> Order:
    return Order(order.id * 2)


async def double_async(ctx: ActivityContext, order: Order) -> Order:
    await asyncio.sleep(0)
    return double(ctx, order)


def who(ctx: ActivityContext) -> tuple[str, int]:
    return ctx.orchestration_id, ctx.task_id


def nothing(ctx: ActivityContext, value: Any) -> Any:
    return value


def refuse(ctx: ActivityContext, reason: str) -> None:
    raise ValueError(reason)


def leave(ctx: ActivityContext, code: int) -> None:
    sys.exit(code)


def unserialisable(ctx: ActivityContext, _: Any) -> object:
    return lambda: None


def runner() -> ActivityRunner:
    registry = Registry()
    for activity in (double, double_async, who, nothing, refuse, leave, unserialisable):
        registry.add_activity(activity)
    return ActivityRunner(registry, JsonDataConverter(), worker_description="w1")


def request(name: str, text: str | None = None) -> pb.ActivityRequest:
    message = pb.ActivityRequest(name=name, taskId=3)
    message.orchestrationInstance.instanceId = "i1"
    if text is not None:
        message.input.value = text
    return message


def response(result: str | None) -> pb.ActivityResponse:
    message = pb.ActivityResponse(instanceId="i1", taskId=3, completionToken="t")
    if result is not None:
        message.result.value = result
    return message


def test_the_input_is_read_by_annotation_and_the_result_written_as_json() -> None:
    assert runner().run(request("double", '{"id": 4}'), "t") == response('{"id": 8}')


def test_an_async_activity_is_run_to_its_end() -> None:
    assert runner().run(request("double_async", '{"id": 4}'), "t") == response('{"id": 8}')


def test_an_async_activity_is_run_to_its_end_even_inside_of_a_loop() -> None:
    async def main() -> pb.ActivityResponse:
        return runner().run(request("double_async", '{"id": 4}'), "t")

    assert asyncio.run(main()) == response('{"id": 8}')


def test_an_async_activity_may_use_the_loop_it_is_given() -> None:
    answer = asyncio.run(runner().run_async(request("double_async", '{"id": 4}'), "t"))

    assert answer == response('{"id": 8}')
    assert runner().is_async("double_async")
    assert not runner().is_async("double")
    assert not runner().is_async("unknown")


def test_an_activity_without_an_input_gets_the_context_alone() -> None:
    assert runner().run(request("who"), "t") == response('["i1", 3]')


def test_absent_empty_and_null_inputs_are_none_and_none_is_sent_as_nothing() -> None:
    for text in (None, "", "null"):
        assert runner().run(request("nothing", text), "t") == response(None)


def test_falsy_results_are_sent() -> None:
    for text in ("0", "false", '""', "[]", "{}"):
        assert runner().run(request("nothing", text), "t") == response(text)


def test_what_user_code_raises_becomes_the_failure() -> None:
    answer = runner().run(request("refuse", '"no stock"'), "t")

    assert answer.failureDetails.errorType == "builtins.ValueError"
    assert answer.failureDetails.errorMessage == "no stock"
    assert "in refuse" in answer.failureDetails.stackTrace.value
    assert not answer.HasField("result")
    assert (answer.instanceId, answer.taskId, answer.completionToken) == ("i1", 3, "t")


def test_an_activity_that_exits_fails_like_any_other() -> None:
    assert runner().run(request("leave", "3"), "t").failureDetails.errorType == "builtins.SystemExit"


def test_a_result_that_cannot_be_written_is_a_failure_that_names_its_type() -> None:
    details = runner().run(request("unserialisable"), "t").failureDetails

    assert "function" in details.errorMessage


def test_an_unknown_activity_fails_with_what_there_is_instead() -> None:
    details = runner().run(request("Double"), "t").failureDetails

    assert details.errorType == "ActivityTaskNotFound"
    assert details.isNonRetriable
    assert details.errorMessage == (
        "No activity named 'Double' is registered with this worker (w1); it offers the activities 'double', "
        "'double_async', 'leave', 'nothing', 'refuse', 'unserialisable', 'who'. "
        "Register it with add_activity, or check the spelling: names are case-sensitive."
    )
