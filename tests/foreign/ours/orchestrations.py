"""What our worker runs: one orchestration per scenario, and the few activities they share."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

from durakit.task import ActivityContext, FailureDetails, OrchestrationContext, RetryPolicy, TaskFailedError
from durakit.task import when_all as all_of
from durakit.task import when_any as any_of

Steps = Generator[Any, Any, Any]

RUNS: Counter[str] = Counter()
"""How often an activity ran, by the key its input carries; scenarios read it."""
_counting = threading.Lock()


def _count(key: str) -> int:
    with _counting:
        RUNS[key] += 1
        return RUNS[key]


def add_one(_: ActivityContext, value: int) -> int:
    return value + 1


def square(_: ActivityContext, value: int) -> int:
    return value * value


def echo(_: ActivityContext, value: Any) -> Any:
    return value


def now(_: ActivityContext, nothing: None) -> float:
    return time.time()


def fail(_: ActivityContext, message: str) -> None:
    raise ArithmeticError(message)


def flaky(_: ActivityContext, key: str) -> int:
    """Fails the first two times it is called with a key."""
    run = _count(key)
    if run <= 2:
        raise ConnectionError(f"attempt {run}")
    return run


def counted(_: ActivityContext, key: str) -> int:
    return _count(key)


def fails_once(_: ActivityContext, key: str) -> int:
    run = _count(key)
    if run == 1:
        raise ConnectionError("the first time")
    return run


def _three_attempts(handler: Callable[[FailureDetails], bool] | None = None) -> RetryPolicy:
    return RetryPolicy(
        first_retry_interval=timedelta(milliseconds=50), max_number_of_attempts=3, handler=handler
    )


def chain(ctx: OrchestrationContext, value: int) -> Steps:
    for _ in range(3):
        value = yield ctx.call_activity(add_one, input=value)
    return value


def payloads(ctx: OrchestrationContext, values: list[Any]) -> Steps:
    answers: list[Any] = []
    for value in values:
        answers.append((yield ctx.call_activity(echo, input=value)))
    return answers


def fan_out(ctx: OrchestrationContext, width: int) -> Steps:
    squares = yield all_of([ctx.call_activity(square, input=index) for index in range(width)])
    return squares


def timer(ctx: OrchestrationContext, seconds: float) -> Steps:
    began = ctx.current_utc_datetime
    yield ctx.create_timer(timedelta(seconds=seconds))
    return (ctx.current_utc_datetime - began).total_seconds()


def timer_race(ctx: OrchestrationContext, _: None) -> Steps:
    slow = ctx.create_timer(timedelta(hours=1))
    quick = ctx.call_activity(add_one, input=1)
    winner = yield any_of([slow, quick])
    return quick.get_result() if winner is quick else "the timer won"


def one_event(ctx: OrchestrationContext, name: str) -> Steps:
    payload = yield ctx.wait_for_external_event(name)
    return payload


def events_after_gate(ctx: OrchestrationContext, number: int) -> Steps:
    yield ctx.wait_for_external_event("gate")
    received: list[Any] = []
    for _ in range(number):
        received.append((yield ctx.wait_for_external_event("item")))
    return received


def event_timeout(ctx: OrchestrationContext, _: None) -> Steps:
    try:
        yield ctx.wait_for_external_event("never", timeout=timedelta(milliseconds=200))
    except TimeoutError:
        payload = yield ctx.wait_for_external_event("go", timeout=timedelta(hours=1))
        return payload
    return "the first wait did not end by its limit"


def sender(ctx: OrchestrationContext, target: str) -> str:
    ctx.send_event(target, "hello", data={"from": "sender"})
    return "sent"


def activity_fails(ctx: OrchestrationContext, message: str) -> Steps:
    yield ctx.call_activity(fail, input=message)


def catches(ctx: OrchestrationContext, message: str) -> Steps:
    try:
        yield ctx.call_activity(fail, input=message)
    except TaskFailedError as error:
        return [error.details.error_type, error.details.message]
    return "nothing was raised"


def retries(ctx: OrchestrationContext, key: str) -> Steps:
    run = yield ctx.call_activity(flaky, input=key, retry_policy=_three_attempts())
    return run


def retry_handler(ctx: OrchestrationContext, key: str) -> Steps:
    policy = _three_attempts(lambda failure: "attempt" in failure.message)
    run = yield ctx.call_activity(flaky, input=key, retry_policy=policy)
    return run


def unknown_activity(ctx: OrchestrationContext, _: None) -> Steps:
    yield ctx.call_activity("nobody_has_this")


def parent(ctx: OrchestrationContext, child_id: str) -> Steps:
    result = yield ctx.call_sub_orchestrator(chain, input=10, instance_id=child_id)
    return result


def parent_of_failure(ctx: OrchestrationContext, message: str) -> Steps:
    yield ctx.call_sub_orchestrator(activity_fails, input=message)


def child_flaky(ctx: OrchestrationContext, key: str) -> Steps:
    run = yield ctx.call_activity(flaky, input=key)
    return run


def parent_retries(ctx: OrchestrationContext, key: str) -> Steps:
    run = yield ctx.call_sub_orchestrator(child_flaky, input=key, retry_policy=_three_attempts())
    return run


def parent_waits(ctx: OrchestrationContext, child_id: str) -> Steps:
    yield ctx.call_sub_orchestrator(one_event, input="never", instance_id=child_id)


def count_up(ctx: OrchestrationContext, value: int) -> Steps:
    following = yield ctx.call_activity(add_one, input=value)
    if following < 5:
        ctx.continue_as_new(following)
    return following


def collect(ctx: OrchestrationContext, received: list[str]) -> Steps:
    item = yield ctx.wait_for_external_event("item")
    if len(received) < 2:
        ctx.continue_as_new([*received, item], save_events=True)
    return [*received, item]


def status(ctx: OrchestrationContext, _: None) -> Steps:
    ctx.set_custom_status({"stage": "waiting"})
    yield ctx.wait_for_external_event("go")
    ctx.set_custom_status({"stage": "done"})


def starts_at(ctx: OrchestrationContext, _: None) -> Steps:
    at = yield ctx.call_activity(now)
    return at


def rewound(ctx: OrchestrationContext, key: str) -> Steps:
    first = yield ctx.call_activity(counted, input=f"{key}-good")
    second = yield ctx.call_activity(fails_once, input=key)
    return [first, second]


def versions(ctx: OrchestrationContext, _: None) -> Steps:
    of_child = yield ctx.call_sub_orchestrator(own_version, version="1.2")
    return [ctx.version, of_child]


def own_version(ctx: OrchestrationContext, _: None) -> str | None:
    return ctx.version


def two_halves(ctx: OrchestrationContext, _: None) -> Steps:
    first = yield ctx.call_activity(add_one, input=1)
    ctx.set_custom_status("half way")
    yield ctx.wait_for_external_event("go")
    second = yield ctx.call_activity(add_one, input=first)
    return second


ACTIVITIES: tuple[Callable[..., Any], ...] = (
    add_one,
    square,
    echo,
    now,
    fail,
    flaky,
    counted,
    fails_once,
)
ORCHESTRATORS: tuple[Callable[..., Any], ...] = (
    chain,
    payloads,
    fan_out,
    timer,
    timer_race,
    one_event,
    events_after_gate,
    event_timeout,
    sender,
    activity_fails,
    catches,
    retries,
    retry_handler,
    unknown_activity,
    parent,
    parent_of_failure,
    child_flaky,
    parent_retries,
    parent_waits,
    count_up,
    collect,
    status,
    starts_at,
    rewound,
    versions,
    own_version,
    two_halves,
)
