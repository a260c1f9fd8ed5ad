"""Faults that a test injects happen where it says, once, and must be reached."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy, TaskFailedError, when_any
from durakit.testing import FaultNotReached, InProcessTaskHub, WorkerCrash
from durakit.testing.task_hub import BEGINNING
from durakit.wire.messages import orchestration_pb2 as pb

GRACE = timedelta(seconds=5)
"""How long the scheduler waits for the activities of a worker that is gone."""


class Declined(Exception):
    pass


def charge(_: ActivityContext, amount: int) -> int:
    return amount


def once(_: ActivityContext) -> None:
    pass


async def pay_twice(ctx: OrchestrationContext) -> list[int | str]:
    paid: list[int | str] = []
    for amount in (10, 20):
        try:
            paid.append(await ctx.call_activity(charge, input=amount))
        except TaskFailedError as failure:
            paid.append(failure.details.message)
    return paid


@pytest.fixture
def hub() -> InProcessTaskHub:
    return InProcessTaskHub(orchestrators=[pay_twice], activities=[charge])


def runs(hub: InProcessTaskHub) -> list[tuple[int, int]]:
    return [(call.call, call.run) for call in hub.calls_of("charge")]


def test_the_call_that_shall_fail_fails_with_the_given_error(hub: InProcessTaskHub) -> None:
    with hub:
        hub.faults.fail("charge", call=2, error=Declined("no cover"))

        assert hub.run(pay_twice).get_output() == [10, "no cover"]
        assert [type(call.error) for call in hub.calls] == [type(None), Declined]


def test_every_call_fails_when_no_number_is_given(hub: InProcessTaskHub) -> None:
    with hub:
        hub.faults.fail(charge)

        assert hub.run(pay_twice).get_output() == [
            "call 1 of activity 'charge' fails because the test says so",
            "call 2 of activity 'charge' fails because the test says so",
        ]


def test_retries_are_calls_so_a_range_fails_the_first_attempts() -> None:
    async def patient(ctx: OrchestrationContext) -> int:
        policy = RetryPolicy(first_retry_interval=timedelta(minutes=1), max_number_of_attempts=3)
        return await ctx.call_activity(charge, input=5, retry_policy=policy)

    with InProcessTaskHub(orchestrators=[patient], activities=[charge]) as hub:
        hub.faults.fail("charge", call=range(1, 3), error=Declined)

        assert hub.run(patient).get_output() == 5
        assert hub.now - BEGINNING == timedelta(minutes=2)


def test_a_worker_that_crashes_before_an_activity_has_not_run_it(hub: InProcessTaskHub) -> None:
    with hub:
        hub.faults.crash_worker(before="charge", call=2)

        assert hub.run(pay_twice).get_output() == [10, 20]
        assert runs(hub) == [(1, 1), (2, 2)]
        assert hub.now == BEGINNING + GRACE


def test_a_worker_that_crashes_after_an_activity_has_it_run_again(hub: InProcessTaskHub) -> None:
    with hub:
        hub.faults.crash_worker(after="charge", times=2)

        assert hub.run(pay_twice).get_output() == [10, 20]
        assert runs(hub) == [(1, 1), (1, 2), (1, 3), (2, 1)]


def test_a_turn_whose_worker_crashed_is_run_again_and_its_effects_happen_once(hub: InProcessTaskHub) -> None:
    with hub:
        hub.faults.crash_worker(after=pay_twice, call=range(1, 4))

        assert hub.run(pay_twice).get_output() == [10, 20]
        assert runs(hub) == [(1, 1), (2, 1)]
        assert hub.now == BEGINNING


def test_an_activity_may_crash_its_worker_in_the_middle(hub: InProcessTaskHub) -> None:
    begun: list[int] = []

    def half(_: ActivityContext, amount: int) -> int:
        begun.append(amount)
        if len(begun) == 1:
            raise WorkerCrash
        return amount

    with hub:
        hub.replace_activity(charge, half)

        assert hub.run(pay_twice).get_output() == [10, 20]
        assert begun == [10, 10, 20]
        assert isinstance(hub.calls[0].error, WorkerCrash)


def test_a_call_delivered_twice_runs_twice_and_counts_once(hub: InProcessTaskHub) -> None:
    balance: list[int] = []

    def collect(_: ActivityContext, amount: int) -> int:
        balance.append(amount)
        return sum(balance)

    with hub:
        hub.replace_activity(charge, collect)
        hub.faults.deliver_twice("charge", call=1)

        assert hub.run(pay_twice).get_output() == [10, 40]
        assert runs(hub) == [(1, 1), (1, 2), (2, 1)]


def test_the_second_answer_to_a_turn_changes_nothing(
    hub: InProcessTaskHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str] = []
    complete_turn = hub.hub.complete_turn

    def count(response: pb.OrchestratorResponse, now_ns: int) -> None:
        answers.append(response.completionToken)
        complete_turn(response, now_ns)

    monkeypatch.setattr(hub.hub, "complete_turn", count)
    with hub:
        hub.faults.deliver_twice(pay_twice, call=[1, 2])

        assert hub.run(pay_twice).get_output() == [10, 20]
        assert runs(hub) == [(1, 1), (2, 1)]

    assert [answers.count(token) for token in dict.fromkeys(answers)] == [2, 2, 1]


async def impatient(ctx: OrchestrationContext) -> str:
    slow = ctx.call_activity(charge, input=1)
    deadline = ctx.create_timer(timedelta(hours=1))
    winner = await when_any([slow, deadline])
    return "paid" if winner is slow else "too late"


@pytest.mark.parametrize(("minutes", "outcome"), [(59, "paid"), (61, "too late")])
def test_a_late_answer_loses_against_a_timer_that_is_due_before(minutes: int, outcome: str) -> None:
    with InProcessTaskHub(orchestrators=[impatient], activities=[charge]) as hub:
        hub.faults.delay("charge", timedelta(minutes=minutes))

        assert hub.run(impatient).get_output() == outcome
        assert hub.now - BEGINNING == timedelta(minutes=min(minutes, 60))


def test_an_answer_under_way_is_lost_with_its_worker(hub: InProcessTaskHub) -> None:
    with hub:
        hub.faults.delay(charge, timedelta(minutes=1), call=1)
        instance_id = hub.client.schedule_new_orchestration(pay_twice)
        hub.run_until_idle()
        hub.worker.crash()
        hub.client.wait_for_orchestration_completion(instance_id)

        assert runs(hub) == [(1, 1), (1, 2), (2, 1)]
        assert hub.now == BEGINNING + GRACE + timedelta(minutes=1)


def test_a_lost_session_makes_the_worker_replay() -> None:
    lines: list[bool] = []

    async def watched(ctx: OrchestrationContext) -> None:
        lines.append(ctx.is_replaying)
        await ctx.call_activity(charge, input=1)

    with InProcessTaskHub(orchestrators=[watched], activities=[charge]) as hub:
        hub.faults.lose_session(watched, call=2)
        hub.run(watched)

    assert lines == [False, True]


def test_a_turn_that_is_asked_for_again_with_its_history_is_the_same_turn(hub: InProcessTaskHub) -> None:
    hub.faults.lose_session(pay_twice, call=2)
    hub.faults.fail(pay_twice, call=9)
    hub.run(pay_twice)

    assert hub.faults.not_reached == ["fail 'pay_twice', call 9 (it was called 3 times)"]


@pytest.mark.parametrize(
    ("inject", "sentence"),
    [
        (lambda f: f.fail("charge", call=3), "fail 'charge', call 3 (it was called 2 times)"),
        (lambda f: f.fail("chrage"), "fail 'chrage', every call (it never was)"),
        (
            lambda f: (f.crash_worker(before="once", call=2), f.fail("never")),
            "crash_worker before 'once', call 2 (it was called once); "
            "fail 'never', every call (it never was)",
        ),
        (
            lambda f: f.crash_worker(after="pay_twice", call=[9]),
            "crash_worker after 'pay_twice', call [9] (it was called 3 times)",
        ),
    ],
)
def test_a_fault_that_was_never_reached_fails_the_test(
    hub: InProcessTaskHub, inject: Callable[[Any], None], sentence: str
) -> None:
    async def call_once(ctx: OrchestrationContext) -> None:
        await ctx.call_activity(once)

    hub.add_orchestrator(call_once)
    hub.add_activity(once)
    inject(hub.faults)
    hub.run(pay_twice)
    hub.run(call_once)

    with pytest.raises(FaultNotReached, match=re.escape(f"what it was to show: {sentence}.")):
        hub.__exit__(None)


def test_a_failing_test_is_not_told_of_faults_it_did_not_reach(hub: InProcessTaskHub) -> None:
    hub.faults.fail("charge", call=3)

    with pytest.raises(ZeroDivisionError), hub:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("inject", "message"),
    [
        (lambda f: f.fail("charge", call=0), "call is 0; expected numbers from 1, or None for every call."),
        (lambda f: f.fail("charge", call=[]), "call is []; expected numbers from 1, or None for every call."),
        (lambda f: f.delay("charge", timedelta()), "by is 0:00:00; expected a duration above zero."),
    ],
)
def test_a_fault_that_cannot_be_is_refused(
    hub: InProcessTaskHub, inject: Callable[[Any], None], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)), hub:
        inject(hub.faults)


def test_crash_worker_wants_to_know_when(hub: InProcessTaskHub) -> None:
    with pytest.raises(TypeError, match="crash_worker needs either before= or after="), hub:
        hub.faults.crash_worker(before="charge", after="charge")
