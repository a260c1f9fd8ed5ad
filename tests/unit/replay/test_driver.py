from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.replay import Execution

from .histories import (
    COMPLETED,
    FAILED,
    Run,
    completion,
    execution_started,
    kinds,
    options,
    registry_of,
    task_completed,
    task_failed,
    turn_started,
)


def failure_of(orchestrator: Callable[..., Any]) -> str:
    """The error text with which the first turn fails."""
    end = completion(Run(orchestrator).start())
    assert end.orchestrationStatus == FAILED
    return end.failureDetails.errorMessage


# How functions end.


def test_a_plain_function_completes_at_once() -> None:
    def plain(ctx: task.OrchestrationContext, x: int) -> int:
        return x + 1

    end = completion(Run(plain, "1").start())

    assert (end.orchestrationStatus, end.result.value) == (COMPLETED, "2")


def test_an_orchestrator_need_not_take_an_input() -> None:
    async def bare(ctx: task.OrchestrationContext) -> str:
        return "done"

    assert completion(Run(bare, "1").start()).result.value == '"done"'


def test_a_result_of_none_is_absent() -> None:
    def nothing(ctx: task.OrchestrationContext) -> None:
        return None

    assert not completion(Run(nothing).start()).HasField("result")


@pytest.mark.parametrize(("value", "text"), [(0, "0"), ("", '""'), (False, "false"), ([], "[]")])
def test_a_falsy_result_is_sent(value: Any, text: str) -> None:
    """Trap 14."""

    def falsy(ctx: task.OrchestrationContext) -> Any:
        return value

    end = completion(Run(falsy).start())
    assert end.HasField("result")
    assert end.result.value == text


def test_a_result_that_cannot_be_serialised_fails_and_names_type_and_path() -> None:
    def odd(ctx: task.OrchestrationContext) -> Any:
        return {"items": [1, object()]}

    text = failure_of(odd)

    assert text.startswith("The result of orchestrator 'odd' cannot be serialised: ")
    assert "object" in text
    assert "$.items[1]" in text


def test_the_input_is_converted_to_its_annotation() -> None:
    def typed(ctx: task.OrchestrationContext, wait: timedelta) -> str:
        return type(wait).__name__

    text = options().converter.serialize(timedelta(seconds=3))

    assert completion(Run(typed, text).start()).result.value == '"timedelta"'


def test_an_input_that_is_no_json_fails_the_orchestration() -> None:
    def never(ctx: task.OrchestrationContext, x: int) -> None:
        raise AssertionError("must not run")

    end = completion(Run(never, "{nope").start())

    assert end.failureDetails.errorMessage.startswith("The input of orchestrator 'never' cannot be read: ")


@pytest.mark.parametrize("error", [ValueError, SystemExit, GeneratorExit, MemoryError])
def test_whatever_an_orchestrator_raises_fails_it(error: type[BaseException]) -> None:
    def plain(ctx: task.OrchestrationContext) -> None:
        raise error

    def generator(ctx: task.OrchestrationContext) -> Any:
        raise error
        yield

    async def coroutine(ctx: task.OrchestrationContext) -> None:
        raise error

    for orchestrator in (plain, generator, coroutine):
        details = completion(Run(orchestrator).start()).failureDetails
        assert details.errorType == f"builtins.{error.__name__}"


def test_ctrl_c_is_no_failure_of_the_orchestration() -> None:
    def interrupted(ctx: task.OrchestrationContext) -> None:
        raise KeyboardInterrupt

    execution = Execution("i1", registry_of(interrupted), options())

    with pytest.raises(KeyboardInterrupt):
        execution.advance([turn_started(), execution_started("interrupted")])


def test_an_orchestrator_may_raise_before_its_first_yield() -> None:
    def eager(ctx: task.OrchestrationContext) -> Any:
        raise LookupError
        yield ctx.call_activity("never")

    end = completion(Run(eager).start())

    assert (end.failureDetails.errorType, end.failureDetails.errorMessage) == ("builtins.LookupError", "")


def test_stop_iteration_inside_is_a_failure_not_a_return() -> None:
    def plain(ctx: task.OrchestrationContext) -> Any:
        return next(iter(()))

    def generator(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("work")
        return next(iter(()))

    assert completion(Run(plain).start()).failureDetails.errorType == "builtins.StopIteration"
    run = Run(generator)
    run.start()
    details = completion(run.turn(task_completed(1))).failureDetails
    assert details.errorType == "builtins.RuntimeError"
    assert details.innerFailure.errorType == "builtins.StopIteration"


def test_helpers_nest_and_try_finally_works() -> None:
    async def step(ctx: task.OrchestrationContext, name: str) -> Any:
        return await ctx.call_activity(name)

    async def whole(ctx: task.OrchestrationContext) -> Any:
        try:
            await step(ctx, "reserve")
        except task.TaskFailedError:
            return await step(ctx, "cancel")
        finally:
            await step(ctx, "tidy")

    run = Run(whole)
    run.start()
    assert run.turn(task_failed(1)).actions[0].scheduleTask.name == "cancel"
    assert run.turn(task_completed(2, "7")).actions[0].scheduleTask.name == "tidy"

    assert completion(run.turn(task_completed(3))).result.value == "7"


def test_generator_helpers_nest_with_yield_from() -> None:
    def helper(ctx: task.OrchestrationContext) -> Any:
        got = yield ctx.call_activity("work")
        return [got]

    def whole(ctx: task.OrchestrationContext) -> Any:
        return (yield from helper(ctx))

    run = Run(whole)
    run.start()

    assert completion(run.turn(task_completed(1, "1"))).result.value == "[1]"


# What must not be yielded, awaited or returned.


def gives_task_list(ctx: task.OrchestrationContext) -> Any:
    return [ctx.call_activity("a")]


def gives_generator(ctx: task.OrchestrationContext) -> Any:
    return (item for item in [1])


def gives_function(ctx: task.OrchestrationContext) -> Any:
    return gives_generator


@pytest.mark.parametrize(
    ("make", "what", "advice"),
    [
        (lambda ctx: None, "yielded None at", "A bare `yield` waits for nothing"),
        (lambda ctx: 42, "yielded an int at", "Yield what ctx.call_activity, ctx.create_timer"),
        (gives_task_list, "yielded a list at", "Use when_all or when_any to wait for several tasks."),
        (gives_generator, "yielded a generator ('<genexpr>') at", "Use `yield from` to run a helper"),
        (gives_function, "yielded a function ('gives_generator') at", "Pass the function to ctx.call_act"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_yielded_value_that_is_no_task_fails_also_when_it_is_the_first(
    make: Callable[[Any], Any], what: str, advice: str, first: bool
) -> None:
    """Trap 61."""

    def wrong(ctx: task.OrchestrationContext) -> Any:
        if not first:
            yield ctx.wait_for_external_event("go") if False else task.when_all([])
        yield make(ctx)

    end = completion(Run(wrong).start())

    assert end.failureDetails.errorType == "builtins.TypeError"
    text = end.failureDetails.errorMessage
    assert text.startswith(f"Orchestrator 'wrong' {what} line ")
    assert f"of {__file__}; expected a durable task." in text
    assert advice in text


def test_yielding_a_coroutine_explains_how_to_await_it() -> None:
    async def helper() -> None: ...

    made = helper()

    def wrong(ctx: task.OrchestrationContext) -> Any:
        yield made

    assert "yielded a coroutine ('helper') at" in (text := failure_of(wrong))
    assert "A generator orchestrator cannot await: make it `async def`" in text
    made.close()


def test_a_wrong_yield_tells_the_line_of_the_helper() -> None:
    def helper() -> Any:
        yield 1

    def wrong(ctx: task.OrchestrationContext) -> Any:
        yield from helper()

    line = helper.__code__.co_firstlineno + 1
    assert f" at line {line} of " in failure_of(wrong)


def test_asyncio_sleep_fails_at_once_and_says_what_to_use() -> None:
    async def sleepy(ctx: task.OrchestrationContext) -> None:
        await asyncio.sleep(1)

    text = failure_of(sleepy)

    assert text == (
        "Orchestrator 'sleepy' used asyncio (no running event loop). An orchestrator can only await "
        "durable tasks: use ctx.create_timer instead of asyncio.sleep, when_all or when_any instead of "
        "asyncio.gather, create_task and wait, and an activity for I/O."
    )


def test_a_bare_switch_to_the_event_loop_fails_at_once() -> None:
    async def yielding(ctx: task.OrchestrationContext) -> None:
        await asyncio.sleep(0)

    text = failure_of(yielding)
    assert text.startswith("Orchestrator 'yielding' awaited None at line ")
    assert "use ctx.create_timer instead of asyncio.sleep" in text


def test_create_task_and_gather_fail_at_once() -> None:
    async def helper() -> None: ...

    left_over = []

    async def creating(ctx: task.OrchestrationContext) -> None:
        left_over.append(helper())
        await asyncio.create_task(left_over[-1])

    assert "used asyncio (no running event loop)" in failure_of(creating)
    for coroutine in left_over:
        coroutine.close()


def test_awaiting_a_future_fails_at_once() -> None:
    with contextlib.closing(asyncio.new_event_loop()) as loop:

        async def waiting(ctx: task.OrchestrationContext) -> None:
            await loop.create_future()

        text = failure_of(waiting)

    assert text.startswith("Orchestrator 'waiting' awaited a _asyncio.Future at line ")
    assert "An orchestrator can only await durable tasks" in text


def test_other_runtime_errors_are_left_alone() -> None:
    async def broken(ctx: task.OrchestrationContext) -> None:
        raise RuntimeError("no more paper")

    assert failure_of(broken) == "no more paper"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda ctx: ctx.call_activity("work"),
            "Orchestrator 'wrong' returned a durakit.task.CompletableTask; expected a value. "
            "Yield or await it, and return what comes back.",
        ),
        (
            gives_generator,
            "Orchestrator 'wrong' returned a generator ('<genexpr>'); expected a value. Use `await` on a "
            "coroutine, or `yield from` on a generator, and return what comes back.",
        ),
    ],
)
def test_returning_what_still_has_to_be_awaited_fails(make: Callable[[Any], Any], text: str) -> None:
    async def wrong(ctx: task.OrchestrationContext) -> Any:
        return make(ctx)

    assert failure_of(wrong) == text


def test_returning_an_async_generator_fails() -> None:
    async def numbers() -> Any:
        yield 1

    def wrong(ctx: task.OrchestrationContext) -> Any:
        return numbers()

    assert failure_of(wrong) == (
        "Orchestrator 'wrong' returned an async_generator ('numbers'); expected a value. "
        "Use `async def` with `await`, or `def` with `yield`."
    )


# Closing.


def waiting_execution(orchestrator: Callable[..., Any]) -> Execution:
    execution = Execution("i1", registry_of(orchestrator), options())
    execution.advance([turn_started(), execution_started(orchestrator.__name__)])
    return execution


def test_durable_calls_in_finally_do_nothing_when_the_execution_is_closed() -> None:
    seen: list[object] = []

    def tidy(ctx: task.OrchestrationContext) -> Any:
        try:
            yield ctx.call_activity("work")
        finally:
            ctx.set_custom_status("closing")
            ctx.send_event("other", "gone")
            ctx.continue_as_new(1)
            seen.append(ctx.is_replaying)
            ctx.create_timer(timedelta(seconds=1))
            ctx.wait_for_external_event("never", timeout=timedelta(seconds=1))
            seen.append("tidied")
            yield ctx.call_activity("tidy")
            seen.append("never reached")

    execution = waiting_execution(tidy)
    execution.close()

    assert seen == [True, "tidied"]
    assert execution.pending == {}
    assert execution.custom_status is None
    assert not execution.is_finished


def test_closing_an_async_orchestrator_runs_its_finally_blocks() -> None:
    seen = []

    async def tidy(ctx: task.OrchestrationContext) -> None:
        try:
            await ctx.call_activity("work")
        finally:
            seen.append("tidied")
            await ctx.call_activity("tidy")
            seen.append("never reached")

    waiting_execution(tidy).close()

    assert seen == ["tidied"]


def test_an_orchestrator_that_swallows_generator_exit_is_closed_all_the_same() -> None:
    def swallowing(ctx: task.OrchestrationContext) -> Any:
        try:
            yield ctx.call_activity("work")
        except BaseException:
            return "swallowed"

    execution = waiting_execution(swallowing)
    execution.close()
    execution.close()

    assert not execution.is_finished


@pytest.mark.filterwarnings("ignore:Exception ignored in. <generator")  # Python gives up on it, too
def test_one_that_goes_on_waiting_for_ever_is_given_up_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:

    def stubborn(ctx: task.OrchestrationContext) -> Any:
        while True:
            with contextlib.suppress(GeneratorExit):
                yield ctx.call_activity("work")

    execution = waiting_execution(stubborn)
    execution.close()

    assert caplog.messages == [
        "Orchestrator 'stubborn' of instance 'i1' went on waiting 100 times while it was closed; "
        "let GeneratorExit pass instead of catching BaseException in a loop."
    ]


@pytest.mark.parametrize("error", [ValueError("boom"), RuntimeError("boom"), SystemExit()])
def test_what_finally_raises_while_closing_goes_to_the_debug_log(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "durakit.replay")

    def raising(ctx: task.OrchestrationContext) -> Any:
        try:
            yield ctx.call_activity("work")
        finally:
            raise error

    waiting_execution(raising).close()

    assert caplog.messages == ["Orchestrator 'raising' of instance 'i1' raised while it was closed"]


def test_a_closed_execution_takes_no_more_turns() -> None:
    def waiting(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("work")

    execution = waiting_execution(waiting)
    execution.close()

    with pytest.raises(task.OrchestrationStateError, match="The execution of instance 'i1' has ended; "):
        execution.advance([turn_started()])


def test_a_finished_execution_is_closed_by_itself() -> None:
    closed = []

    def waiting(ctx: task.OrchestrationContext) -> Any:
        try:
            yield ctx.call_activity("work")
            yield 42
        finally:
            closed.append(ctx.call_activity("tidy").is_complete)

    run = Run(waiting)
    run.start()
    closed.clear()

    assert kinds(run.turn(task_completed(1))) == ["completeOrchestration#2"]
    assert closed == [False, False]
