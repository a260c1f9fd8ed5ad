"""Activities: calling, fanning out, failing, retrying."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from .stage import Stage, failure_of


def test_a_chain_passes_each_result_on(stage: Stage) -> None:
    def plus_one(ctx: Any, number: int) -> int:
        return number + 1

    def chain(ctx: Any, number: int) -> Any:
        for _ in range(4):
            number = yield ctx.call_activity(plus_one, input=number)
        return number

    stage.work(chain, activities=[plus_one])

    assert stage.output(chain, input=1) == 5


def test_a_fan_out_of_a_hundred_keeps_the_order_of_its_results(stage: Stage) -> None:
    def square(ctx: Any, number: int) -> int:
        return number * number

    def fan_out(ctx: Any, width: int) -> Any:
        results = yield stage.task.when_all([ctx.call_activity(square, input=n) for n in range(width)])
        return results

    stage.work(fan_out, activities=[square])

    assert stage.output(fan_out, input=100) == [n * n for n in range(100)]


def test_an_empty_fan_out_completes_with_an_empty_list(stage: Stage) -> None:
    """Semantics 3.14, trap 5."""

    def fan_out(ctx: Any, _: Any) -> Any:
        results = yield stage.task.when_all([])
        return results

    stage.work(fan_out)

    assert stage.output(fan_out) == []


def test_the_first_of_several_activities_wins(stage: Stage) -> None:
    release = threading.Event()

    def quick(ctx: Any, _: Any) -> str:
        return "quick"

    def slow(ctx: Any, _: Any) -> str:
        release.wait(20)
        return "slow"

    def race(ctx: Any, _: Any) -> Any:
        tasks = [ctx.call_activity(slow), ctx.call_activity(quick)]
        winner = yield stage.task.when_any(tasks)
        return [winner is tasks[1], winner.get_result()]

    stage.work(race, activities=[quick, slow])

    try:
        assert stage.output(race) == [True, "quick"]
    finally:
        release.set()


def test_null_false_zero_and_empty_values_arrive_as_they_are(stage: Stage) -> None:
    """Semantics 3.16 rules 3 and 4, trap 14."""
    values: list[Any] = [None, False, 0, "", [], {}]

    def echo(ctx: Any, value: Any) -> Any:
        return value

    def send_all(ctx: Any, given: Any) -> Any:
        echoed = []
        for value in given:
            echoed.append((yield ctx.call_activity(echo, input=value)))
        return echoed

    stage.work(send_all, activities=[echo])

    assert stage.output(send_all, input=values) == values


def test_a_failure_can_be_caught_and_says_what_happened(stage: Stage) -> None:
    def explode(ctx: Any, fuse: str) -> None:
        raise ValueError(f"the {fuse} burnt down")

    def careful(ctx: Any, _: Any) -> Any:
        try:
            yield ctx.call_activity(explode, input="fuse")
        except stage.task.TaskFailedError as error:
            return [str(error).endswith("the fuse burnt down"), error.details.message]
        return None

    stage.work(careful, activities=[explode])

    assert stage.output(careful) == [True, "the fuse burnt down"]


def test_an_uncaught_failure_fails_the_orchestration(stage: Stage) -> None:
    def explode(ctx: Any, _: Any) -> None:
        raise ValueError("boom")

    def careless(ctx: Any, _: Any) -> Any:
        yield ctx.call_activity(explode)

    stage.work(careless, activities=[explode])

    failure = failure_of(stage.run(careless))
    assert failure.error_type.endswith("TaskFailedError")
    assert "boom" in failure.message


def test_an_orchestrator_that_raises_before_its_first_yield_fails(stage: Stage) -> None:
    def rash(ctx: Any, _: Any) -> Any:
        raise KeyError("nothing here")
        yield

    stage.work(rash)

    failure = failure_of(stage.run(rash))
    assert failure.error_type == "builtins.KeyError"
    assert "nothing here" in failure.message


def test_a_retry_policy_tries_again_until_it_works(stage: Stage) -> None:
    attempts: list[int] = []

    def flaky(ctx: Any, number: int) -> str:
        attempts.append(number)
        if len(attempts) < 3:
            raise RuntimeError("not yet")
        return "done"

    def persistent(ctx: Any, _: Any) -> Any:
        policy = stage.task.RetryPolicy(
            first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=3, backoff_coefficient=2.0
        )
        result = yield ctx.call_activity(flaky, input=7, retry_policy=policy)
        return result

    stage.work(persistent, activities=[flaky])

    assert stage.output(persistent) == "done"
    assert attempts == [7, 7, 7]


def test_an_exhausted_retry_policy_raises_the_last_failure(stage: Stage) -> None:
    attempts: list[None] = []

    def hopeless(ctx: Any, _: Any) -> None:
        attempts.append(None)
        raise RuntimeError(f"failure {len(attempts)}")

    def persistent(ctx: Any, _: Any) -> Any:
        policy = stage.task.RetryPolicy(
            first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=3
        )
        yield ctx.call_activity(hopeless, retry_policy=policy)

    stage.work(persistent, activities=[hopeless])

    assert "failure 3" in failure_of(stage.run(persistent)).message
    assert len(attempts) == 3


def test_what_nobody_registered_fails_and_says_its_name(stage: Stage) -> None:
    """Semantics 3.15 rule 3."""

    def call_missing(ctx: Any, _: Any) -> Any:
        yield ctx.call_activity("no_such_activity")

    stage.work(call_missing)

    activity = failure_of(stage.run(call_missing))
    orchestrator = failure_of(stage.run("no_such_orchestrator"))

    assert "no_such_activity" in activity.message
    assert "no_such_orchestrator" in orchestrator.message
    assert activity.inner_failure is not None
    assert activity.inner_failure.error_type.endswith(("ActivityNotRegisteredError", "ActivityTaskNotFound"))
    assert orchestrator.error_type.endswith(("OrchestratorNotRegisteredError", "OrchestratorTaskNotFound"))
