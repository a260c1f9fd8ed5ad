from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from durakit import task
from durakit.wire.messages import orchestration_pb2 as pb

from .histories import (
    COMPLETED,
    FAILED,
    Run,
    child_completed,
    completion,
    execution_started,
    failure,
    kinds,
    options,
    registry_of,
    replay,
    task_completed,
    task_failed,
    task_scheduled,
    timer_fired,
    turn_completed,
    turn_started,
)


@dataclass
class Order:
    id: int


def load(ctx: task.ActivityContext, order_id: int) -> Order:
    return Order(order_id)


async def load_async(ctx: task.ActivityContext, order_id: int) -> Order:
    return Order(order_id)


def chain(ctx: task.OrchestrationContext, start: int) -> Any:
    first = yield ctx.call_activity("add", input=start)
    second = yield ctx.call_activity("add", input=first)
    return second


async def async_chain(ctx: task.OrchestrationContext, start: int) -> int:
    first = await ctx.call_activity("add", input=start, return_type=int)
    return await ctx.call_activity("add", input=first, return_type=int)


@pytest.mark.parametrize("orchestrator", [chain, async_chain])
def test_results_come_back_in_generators_and_in_async_functions(orchestrator: Any) -> None:
    run = Run(orchestrator, "1")

    first, second, end = run.start(), run.turn(task_completed(1, "2")), run.turn(task_completed(2, "3"))

    assert kinds(first) == ["scheduleTask#1"]
    assert first.actions[0].scheduleTask.input.value == "1"
    assert kinds(second) == ["scheduleTask#2"]
    assert second.actions[0].scheduleTask.input.value == "2"
    assert kinds(end) == ["completeOrchestration#3"]
    assert (completion(end).orchestrationStatus, completion(end).result.value) == (COMPLETED, "3")


def test_an_action_carries_name_input_and_tags_and_nothing_else() -> None:
    def tagged(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("send", input={"to": 1}, tags={"team": "mail"})

    action = Run(tagged).start().actions[0]

    expected = pb.OrchestratorAction(id=1)
    expected.scheduleTask.name = "send"
    expected.scheduleTask.input.value = action.scheduleTask.input.value
    expected.scheduleTask.tags["team"] = "mail"
    assert action == expected


@pytest.mark.parametrize("value", [0, "", False, [], {}])
def test_a_falsy_input_is_sent(value: Any) -> None:
    def falsy(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("send", input=value)

    assert Run(falsy).start().actions[0].scheduleTask.HasField("input")


def test_an_input_of_none_is_absent() -> None:
    def nothing(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("send", input=None)

    assert not Run(nothing).start().actions[0].scheduleTask.HasField("input")


@pytest.mark.parametrize("result", [None, "", "null"])
def test_an_absent_an_empty_and_a_null_result_are_none(result: str | None) -> None:
    def echo(ctx: task.OrchestrationContext) -> Any:
        got = yield ctx.call_activity("work")
        return [got]

    run = Run(echo)
    run.start()

    assert completion(run.turn(task_completed(1, result))).result.value == "[null]"


@pytest.mark.parametrize("activity", [load, load_async])
def test_a_result_arrives_as_the_function_annotates_it(activity: Any) -> None:
    async def typed(ctx: task.OrchestrationContext) -> str:
        order = await ctx.call_activity(activity, input=7)
        return f"{type(order).__name__} {order.id}"

    run = Run(typed)
    assert run.start().actions[0].scheduleTask.name == activity.__name__

    assert completion(run.turn(task_completed(1, '{"id": 7}'))).result.value == '"Order 7"'


def test_a_return_type_given_with_the_call_wins_over_the_annotation() -> None:
    async def typed(ctx: task.OrchestrationContext) -> bool:
        return isinstance(await ctx.call_activity(load, input=7, return_type=dict), dict)

    run = Run(typed)
    run.start()

    assert completion(run.turn(task_completed(1, '{"id": 7}'))).result.value == "true"


def test_a_result_that_is_no_json_fails_the_task_where_it_is_awaited() -> None:
    def careful(ctx: task.OrchestrationContext) -> Any:
        try:
            yield ctx.call_activity("work")
        except task.TaskFailedError as error:
            return str(error).partition("read:")[0]

    run = Run(careful)
    run.start()

    end = completion(run.turn(task_completed(1, "{not json")))
    assert end.result.value == '"i1: Activity task #1 failed: its result cannot be "'


def test_a_failure_is_raised_where_the_task_is_awaited() -> None:
    def careful(ctx: task.OrchestrationContext) -> Any:
        try:
            yield ctx.call_activity("work")
        except task.TaskFailedError as error:
            return [str(error), error.details.error_type, error.details.is_caused_by(ValueError)]

    run = Run(careful)
    run.start()

    end = completion(run.turn(task_failed(1)))
    assert end.result.value == '["i1: Activity task #1 failed: boom", "builtins.ValueError", true]'


def test_a_failure_without_text_is_named_by_its_type() -> None:
    def careful(ctx: task.OrchestrationContext) -> Any:
        try:
            yield ctx.call_activity("work")
        except task.TaskFailedError as error:
            return str(error)

    run = Run(careful)
    run.start()

    end = completion(run.turn(task_failed(1, failure("", "app.Lost"))))
    assert end.result.value == '"i1: Activity task #1 failed: app.Lost"'


def test_an_uncaught_failure_fails_the_orchestration_with_the_original_inside() -> None:
    details = failure("boom", "app.Broken")
    details.innerFailure.errorMessage = "deeper"
    details.properties["code"].number_value = 7
    run = Run(chain, "1")
    run.start()

    end = completion(run.turn(task_failed(1, details)))

    assert end.orchestrationStatus == FAILED
    assert end.failureDetails.errorType == "durakit.task.TaskFailedError"
    assert end.failureDetails.errorMessage == "i1: Activity task #1 failed: boom"
    assert end.failureDetails.innerFailure == details


def test_an_input_that_cannot_be_serialised_raises_at_the_call() -> None:
    def careless(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("work", input={"when": [object()]})

    end = completion(Run(careless).start())

    assert end.orchestrationStatus == FAILED
    assert "object" in end.failureDetails.errorMessage
    assert "$.when[0]" in end.failureDetails.errorMessage


def test_an_input_is_sent_as_it_was_when_the_activity_was_called() -> None:
    def mutating(ctx: task.OrchestrationContext) -> Any:
        batch = [1]
        running = ctx.call_activity("work", input=batch)
        batch.append(2)
        yield running

    assert Run(mutating).start().actions[0].scheduleTask.input.value == "[1]"


@pytest.mark.parametrize(
    ("callee", "text"),
    [
        (None, "None (NoneType) was given as the activity to call; expected the function itself"),
        (42, "42 (int) was given as the activity to call; expected the function itself, not yet called"),
        (lambda ctx, x: x, "has no name of its own; use a function made with `def`, or pass a name."),
    ],
)
def test_what_is_no_function_or_name_cannot_be_called(callee: Any, text: str) -> None:
    def wrong(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity(callee)

    assert text in completion(Run(wrong).start()).failureDetails.errorMessage


def test_a_second_completion_of_an_activity_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "durakit.replay")
    run = Run(chain, "1")
    run.start()
    run.turn(task_completed(1, "2"))

    assert kinds(run.turn(task_completed(1, "9"))) == []
    assert "i1: Ignored taskCompleted in history: nothing waits for id 1" in caplog.messages
    assert completion(run.turn(task_completed(2, "3"))).result.value == "3"


@pytest.mark.parametrize("stray", [timer_fired(1), child_completed(1, "9")])
def test_a_completion_of_another_kind_is_ignored(stray: pb.HistoryEvent) -> None:
    run = Run(chain, "1")
    run.start()

    assert kinds(run.turn(stray)) == []
    assert kinds(run.turn(task_completed(1, "2"))) == ["scheduleTask#2"]


def test_a_completion_for_an_id_nobody_made_is_forgotten_after_its_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "durakit.replay")
    run = Run(chain, "1")
    run.start()
    run.turn(task_completed(2, "stray"))

    assert kinds(run.turn(task_completed(1, "2"))) == ["scheduleTask#2"]
    assert "i1: Ignored taskCompleted in history: the code made no call with id 2" in caplog.messages


def test_a_completion_that_comes_before_its_call_in_the_same_turn_is_kept() -> None:
    """Trap 55: a completion delivered before the worker has made the call must not be lost."""
    past = [turn_started(), execution_started("chain", "1"), task_scheduled(1, "add"), turn_completed()]

    end = replay(registry_of(chain), past, [turn_started(), task_completed(2, "3"), task_completed(1, "2")])

    assert completion(end).result.value == "3"


def test_a_completion_that_comes_before_its_confirmation_counts() -> None:
    past = [
        turn_started(),
        execution_started("chain", "1"),
        task_completed(1, "2"),
        task_scheduled(1, "add"),
        task_scheduled(2, "add"),
        turn_completed(),
    ]

    end = replay(registry_of(chain), past, [turn_started(), task_completed(2, "3")])

    assert completion(end).result.value == "3"


def test_activities_nobody_waits_for_are_sent_with_the_completion() -> None:
    def fire_and_forget(ctx: task.OrchestrationContext) -> str:
        ctx.call_activity("log")
        return "done"

    assert kinds(Run(fire_and_forget).start()) == ["scheduleTask#1", "completeOrchestration#2"]


def test_confirmed_actions_are_not_sent_again_and_code_added_at_the_tail_is_sent() -> None:
    def wide(ctx: task.OrchestrationContext) -> Any:
        yield task.when_all([ctx.call_activity("a"), ctx.call_activity("b"), ctx.call_activity("added")])

    past = [
        turn_started(),
        execution_started("wide"),
        task_scheduled(1, "a"),
        task_scheduled(2, "b"),
        turn_completed(),
    ]

    assert kinds(replay(registry_of(wide), past, [turn_started(), task_completed(1)])) == ["scheduleTask#3"]


def test_a_value_the_converter_refuses_late_fails_the_orchestration() -> None:
    """Replay puts serialisation of plain values off until it is needed."""

    class Picky:
        def serialize(self, value: Any) -> str | None:
            raise TypeError("no numbers today")

        def deserialize(self, data: str | None, target_type: Any = None) -> Any:
            return None

    def numbers(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("work", input=1)

    end = completion(
        replay(
            registry_of(numbers),
            [turn_started(), execution_started("numbers")],
            [turn_started()],
            options(converter=Picky()),
        )
    )

    assert (end.orchestrationStatus, end.failureDetails.errorMessage) == (FAILED, "no numbers today")
