"""Crashes at every step, answers that come twice or late, any order: an orchestration ends as if nothing was.

What an activity does is done at least once, what an orchestrator decides exactly once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.history import SubOrchestrationInstanceCreatedEvent, TaskScheduledEvent, TimerCreatedEvent
from durakit.testing import InProcessTaskHub, every_crash, replay

Steps = Generator[Any, Any, Any]
SESSIONS = pytest.mark.parametrize("sessions", [100, 1, 0])


def work(_: task.ActivityContext, number: int) -> int:
    return number * 10


def shaky(_: task.ActivityContext, number: int) -> int:
    raise ConnectionError(f"no line to {number}")


async def child(ctx: task.OrchestrationContext, number: int) -> int:
    await ctx.create_timer(timedelta(minutes=number))
    return await ctx.call_activity(work, input=number)


def flow(ctx: task.OrchestrationContext, rounds: int) -> Steps:
    """Fan out, retry, call children, signal oneself, race a timer, go on as new."""
    done = yield task.when_all([ctx.call_activity(work, input=n) for n in range(3)])
    policy = task.RetryPolicy(first_retry_interval=timedelta(seconds=20), max_number_of_attempts=2)
    try:
        yield ctx.call_activity(shaky, input=1, retry_policy=policy)
    except task.TaskFailedError as failure:
        done.append(failure.details.message)
    done += yield task.when_all([ctx.call_sub_orchestrator(child, input=n) for n in (1, 2)])
    ctx.send_event(ctx.instance_id, "own", data=ctx.new_uuid())
    own = yield ctx.wait_for_external_event("own")
    deadline = ctx.create_timer(timedelta(hours=1))
    winner = yield task.when_any([ctx.wait_for_external_event("never"), deadline])
    done += [len(own), winner is deadline]
    ctx.set_custom_status(f"{rounds} to go")
    if rounds:
        ctx.continue_as_new(rounds - 1)
        return None
    return done


RESULT = [0, 10, 20, "no line to 1", 10, 20, 36, True]
ACTIVITIES = [work, shaky]


def run(hub: InProcessTaskHub) -> None:
    """Run the flow, check how it ended, and that its history has each decision once."""
    state = hub.run(flow, input=1, instance_id="f")
    assert state.get_output() == RESULT
    assert state.get_custom_status() == "0 to go"
    events = hub.client.get_orchestration_history("f")
    decisions = (TaskScheduledEvent, TimerCreatedEvent, SubOrchestrationInstanceCreatedEvent)
    # Timers: between the attempts, and the deadline.
    assert Counter(type(event) for event in events if isinstance(event, decisions)) == {
        TaskScheduledEvent: 5,
        SubOrchestrationInstanceCreatedEvent: 2,
        TimerCreatedEvent: 2,
    }
    assert len({event.event_id for event in events if isinstance(event, decisions)}) == 9
    assert len(hub.client.get_all_orchestration_states()) == 5, "the flow and two children in each round"
    assert replay(flow, events)


@SESSIONS
def test_it_ends_alike_wherever_the_worker_crashes(sessions: int) -> None:
    crashes = 0
    for crash in every_crash(orchestrators=[flow, child], activities=ACTIVITIES, sessions=sessions):
        with crash as hub:
            run(hub)
        crashes += crash.has_crashed
    assert crashes > 60


@SESSIONS
def test_it_ends_alike_when_every_answer_comes_twice(sessions: int) -> None:
    with InProcessTaskHub(orchestrators=[flow, child], activities=ACTIVITIES, sessions=sessions) as hub:
        for name in (flow, child, work, shaky):
            hub.faults.deliver_twice(name)
        run(hub)


@SESSIONS
def test_it_ends_alike_when_every_step_crashes_once(sessions: int) -> None:
    with InProcessTaskHub(orchestrators=[flow, child], activities=ACTIVITIES, sessions=sessions) as hub:
        for name in (flow, child, work, shaky):
            hub.faults.crash_worker(after=name, call=range(1, 1000))
        run(hub)


def test_it_ends_alike_when_sessions_are_lost_and_activities_are_late() -> None:
    with InProcessTaskHub(orchestrators=[flow, child], activities=ACTIVITIES) as hub:
        hub.faults.lose_session(flow)
        hub.faults.delay(work, timedelta(minutes=7))
        hub.faults.delay(shaky, timedelta(days=1), call=2)
        run(hub)


@pytest.mark.parametrize("seed", range(20))
def test_it_ends_alike_in_any_order_and_the_same_seed_gives_the_same_run(seed: int) -> None:
    traces = []
    for _ in range(2):
        with InProcessTaskHub(
            orchestrators=[flow, child], activities=ACTIVITIES, seed=seed, shuffle=True
        ) as hub:
            hub.faults.crash_worker(after=work, call=seed % 5 + 1)
            run(hub)
            traces.append(
                [(call.name, call.input, call.run, call.instance_id, call.at) for call in hub.calls]
            )
    assert traces[0] == traces[1]
