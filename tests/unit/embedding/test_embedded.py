"""durakit.embedded: scheduler, worker and client in one process, with the guarantees of `durakit dev`."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import durakit
import pytest
from durakit.client import OrchestrationStatus
from durakit.embedding import EmbeddedTaskHub
from durakit.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    InvalidStateError,
    NotFoundError,
    SettingsError,
    WaitTimeoutError,
)
from durakit.replay.versioning import VersionFailureStrategy, VersioningOptions, VersionMatchStrategy
from durakit.scheduler.store import Batch, StoreError
from durakit.task import RetryPolicy, when_all, when_any
from durakit.testing import InProcessTaskHub

Turn = Generator[Any, Any, Any]
Open = Callable[..., EmbeddedTaskHub]
DEADLINE = 60.0  # seconds; reached only when something is broken


def double(_: Any, number: int) -> int:
    return number * 2


async def triple(_: Any, number: int) -> int:
    await asyncio.sleep(0)
    return number * 3


def fail(_: Any, text: str) -> None:
    raise ValueError(text)


def doubled(ctx: Any, number: int) -> Turn:
    return (yield ctx.call_activity(double, input=number))


def chain(ctx: Any, length: int) -> Turn:
    value = 1
    for _ in range(length):
        value = yield ctx.call_activity(double, input=value)
    return value


def fan_out(ctx: Any, width: int) -> Turn:
    results = yield when_all([ctx.call_activity(triple, input=number) for number in range(width)])
    return sum(results)


def parent(ctx: Any, number: int) -> Turn:
    return (yield ctx.call_sub_orchestrator(doubled, input=number))


def failing(ctx: Any, text: str) -> Turn:
    yield ctx.call_activity(fail, input=text)


def two_events(ctx: Any, _: Any) -> Turn:
    first = yield ctx.wait_for_external_event("one")
    second = yield ctx.wait_for_external_event("two")
    return [first, second]


def soon(ctx: Any, milliseconds: int) -> Turn:
    yield ctx.create_timer(timedelta(milliseconds=milliseconds))
    return "rang"


def counting(ctx: Any, numbers: list[int]) -> Any:
    left, total = numbers
    if left == 0:
        return total
    ctx.continue_as_new([left - 1, total + left])
    return None


def event_or_never(ctx: Any, _: Any) -> Turn:
    event = ctx.wait_for_external_event("go")
    winner = yield when_any([event, ctx.create_timer(timedelta(days=300))])
    return "event" if winner is event else "timer"


ORCHESTRATORS = (
    doubled, chain, fan_out, parent, failing, two_events, soon, counting, event_or_never,
)  # fmt: skip
ACTIVITIES = (double, triple, fail)


@pytest.fixture
def open_hub(tmp_path: Path) -> Iterator[Open]:
    """Opens task hubs over one file; what a test left open is closed."""
    hubs: list[EmbeddedTaskHub] = []

    def open_one(
        *orchestrators: Callable[..., Any], activities: tuple[Callable[..., Any], ...] = (), **options: Any
    ) -> EmbeddedTaskHub:
        hub = durakit.embedded(
            tmp_path / "hub.db",
            orchestrators=[*ORCHESTRATORS, *orchestrators],
            activities=[*ACTIVITIES, *activities],
            **options,
        )
        hubs.append(hub)
        return hub.open()

    yield open_one
    for hub in hubs:
        hub.close()


@pytest.mark.parametrize(
    ("orchestrator", "argument", "expected"),
    [
        (doubled, 4, 8),
        (chain, 10, 1024),
        (fan_out, 200, 3 * sum(range(200))),
        (parent, 21, 42),
        (soon, 20, "rang"),
        (counting, [10, 0], 55),
    ],
)
def test_orchestrations_run(
    open_hub: Open, orchestrator: Callable[..., Any], argument: Any, expected: Any
) -> None:
    state = open_hub().client.run_orchestration(orchestrator, input=argument, timeout=DEADLINE)

    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert state.get_output() == expected


def test_a_strict_hub_leaves_other_versions_alone(open_hub: Open) -> None:
    strict = VersioningOptions("2", None, VersionMatchStrategy.STRICT, VersionFailureStrategy.FAIL)
    client = open_hub(versioning=strict).client

    client.schedule_new_orchestration(doubled, input=1, instance_id="old", version="1")
    client.run_orchestration(doubled, input=2, version="2", timeout=DEADLINE)

    old = client.get_orchestration_state("old")
    assert old is not None
    assert old.runtime_status is OrchestrationStatus.PENDING


def test_the_history_is_that_of_any_scheduler(open_hub: Open) -> None:
    embedded = open_hub().client
    embedded.run_orchestration(chain, input=5, instance_id="five", timeout=DEADLINE)

    with InProcessTaskHub(orchestrators=[chain], activities=[double]) as reference:
        reference.run(chain, input=5, instance_id="five")
        expected = reference.client.get_orchestration_history("five")

    assert list(map(type, embedded.get_orchestration_history("five"))) == list(map(type, expected))


def test_an_activity_s_exception_is_the_orchestration_s_failure(open_hub: Open) -> None:
    state = open_hub().client.run_orchestration(failing, input="no paper", timeout=DEADLINE)

    assert state.runtime_status is OrchestrationStatus.FAILED
    assert state.failure_details is not None
    assert "no paper" in state.failure_details.message


def test_an_activity_is_tried_again_as_its_policy_says(open_hub: Open) -> None:
    calls = []

    def flaky(_: Any) -> str:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")
        return "at last"

    def persistent(ctx: Any, _: Any) -> Turn:
        policy = RetryPolicy(first_retry_interval=timedelta(milliseconds=5), max_number_of_attempts=5)
        return (yield ctx.call_activity(flaky, retry_policy=policy))

    hub = open_hub(persistent, activities=(flaky,))

    assert hub.client.run_orchestration(persistent, timeout=DEADLINE).get_output() == "at last"
    assert len(calls) == 3


def test_what_has_not_ended_goes_on_at_the_next_opening(open_hub: Open) -> None:
    first = open_hub()
    for name in ("events", "timer"):
        assert first.client.get_orchestration_state(name) is None
    first.client.schedule_new_orchestration(two_events, instance_id="events")
    first.client.schedule_new_orchestration(soon, input=300, instance_id="timer")
    first.client.raise_orchestration_event("events", "one", data=1)
    first.client.wait_for_orchestration_start("events", timeout=DEADLINE)
    first.close()

    client = open_hub().client
    client.raise_orchestration_event("events", "two", data=2)

    ends = [client.wait_for_orchestration_completion(name, timeout=DEADLINE) for name in ("events", "timer")]
    assert [end and end.get_output() for end in ends] == [[1, 2], "rang"]


def test_closing_lets_a_running_activity_finish_and_begins_no_other(open_hub: Open) -> None:
    begun, may_end, calls = threading.Event(), threading.Event(), []

    def slow(_: Any, number: int) -> int:
        calls.append(number)
        begun.set()
        may_end.wait(DEADLINE)
        return number

    def slowly(ctx: Any, _: Any) -> Turn:
        first = yield ctx.call_activity(slow, input=1)
        return first + (yield ctx.call_activity(slow, input=2))

    first = open_hub(slowly, activities=(slow,))
    first.client.schedule_new_orchestration(slowly, instance_id="slow")
    assert begun.wait(DEADLINE)
    ended: list[bool] = []
    closing = threading.Thread(target=lambda: ended.append(first.close()))
    closing.start()
    may_end.set()
    closing.join(DEADLINE)

    assert ended == [True]
    assert calls == [1]
    state = open_hub(slowly, activities=(slow,)).client.wait_for_orchestration_completion(
        "slow", timeout=DEADLINE
    )
    assert state is not None
    assert state.get_output() == 3
    assert calls == [1, 2]


def test_what_outlasts_the_grace_runs_again(open_hub: Open) -> None:
    begun, may_end, calls = threading.Event(), threading.Event(), []

    def stubborn(_: Any) -> str:
        calls.append(1)
        begun.set()
        may_end.wait(DEADLINE)
        return "done"

    def waiting(ctx: Any, _: Any) -> Turn:
        return (yield ctx.call_activity(stubborn))

    first = open_hub(waiting, activities=(stubborn,), stop_grace=timedelta(0))
    first.client.schedule_new_orchestration(waiting, instance_id="w")
    assert begun.wait(DEADLINE)

    assert not first.close()

    may_end.set()
    state = open_hub(waiting, activities=(stubborn,)).client.wait_for_orchestration_completion(
        "w", timeout=DEADLINE
    )
    assert state is not None
    assert state.get_output() == "done"
    assert len(calls) == 2


def test_a_file_that_is_open_in_another_process_is_refused_with_a_sentence(
    open_hub: Open, tmp_path: Path
) -> None:
    open_hub()
    program = "import durakit, sys; durakit.embedded(sys.argv[1]).open()"

    other = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "hub.db")], capture_output=True, text=True, timeout=60
    )

    assert other.returncode == 1
    assert "SettingsError" in other.stderr
    assert "is in use by another scheduler. Stop that one, or choose another file." in other.stderr


def test_a_hub_is_refused_while_it_is_open_and_may_be_opened_again(open_hub: Open) -> None:
    hub = open_hub()

    with pytest.raises(RuntimeError, match="before the task hub is opened"):
        hub.add_activity(double)

    hub.close()
    hub.close()
    with hub as again:
        assert again.client.run_orchestration(doubled, input=1, timeout=DEADLINE).get_output() == 2


def test_a_client_whose_hub_is_closed_says_so(open_hub: Open) -> None:
    hub = open_hub()
    client = hub.client
    hub.close()

    with pytest.raises(InvalidStateError, match="The embedded task hub is closed"):
        client.schedule_new_orchestration(doubled, input=1)
    with pytest.raises(SettingsError, match="not open"):
        _ = hub.client


def test_somebody_who_waits_is_told_when_the_hub_is_closed(open_hub: Open) -> None:
    hub = open_hub()
    client = hub.client
    client.schedule_new_orchestration(two_events, instance_id="events")
    client.wait_for_orchestration_start("events", timeout=DEADLINE)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.wait_for_orchestration_completion, "events", timeout=DEADLINE)
        hub.close()

        with pytest.raises(InvalidStateError, match="The embedded task hub is closed"):
            waiting.result(DEADLINE)


def test_a_wait_ends_with_its_time(open_hub: Open) -> None:
    client = open_hub().client
    client.schedule_new_orchestration(two_events, instance_id="events")

    with pytest.raises(WaitTimeoutError, match="did not complete within"):
        client.wait_for_orchestration_completion("events", timeout=0.05)

    client.terminate_orchestration("events", output="enough")
    state = client.wait_for_orchestration_completion("events", timeout=DEADLINE)
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.TERMINATED


def test_refusals_are_the_clients_usual_exceptions(open_hub: Open) -> None:
    client = open_hub().client
    client.run_orchestration(doubled, input=1, instance_id="one", timeout=DEADLINE)
    client.schedule_new_orchestration(two_events, instance_id="events")

    with pytest.raises(AlreadyExistsError):
        client.schedule_new_orchestration(two_events, instance_id="events")
    with pytest.raises(NotFoundError):
        client.raise_orchestration_event("nobody", "one")
    with pytest.raises(InvalidRequestError, match="at most 1,048,576 are allowed"):
        client.schedule_new_orchestration("doubled", input="x" * 2_000_000)


def test_limits_can_be_lifted(open_hub: Open) -> None:
    def length(ctx: Any, text: str) -> int:
        return len(text)

    client = open_hub(length, limits=None).client

    assert client.run_orchestration(length, input="x" * 2_000_000, timeout=DEADLINE).get_output() == 2_000_000


def test_many_threads_may_use_one_client(open_hub: Open) -> None:
    client = open_hub().client

    def run(number: int) -> Any:
        return client.run_orchestration(chain, input=number % 7, timeout=DEADLINE).get_output()

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(run, range(80)))

    assert results == [2 ** (number % 7) for number in range(80)]


def test_the_async_client_does_the_same_in_an_event_loop(tmp_path: Path) -> None:
    async def program() -> list[Any]:
        hub = durakit.embedded(tmp_path / "a.db", orchestrators=ORCHESTRATORS, activities=ACTIVITIES)
        async with hub:
            client = hub.async_client
            runs = [client.run_orchestration(doubled, input=n, timeout=DEADLINE) for n in range(5)]
            outputs = [state.get_output() for state in await asyncio.gather(*runs)]
            await client.schedule_new_orchestration(two_events, instance_id="e")
            with pytest.raises(WaitTimeoutError):
                await client.wait_for_orchestration_completion("e", timeout=0.05)
            return [*outputs, len(await client.get_orchestration_history("e")) > 0]

    assert asyncio.run(program()) == [0, 2, 4, 6, 8, True]


def test_a_wait_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    async def program() -> None:
        async with durakit.embedded(tmp_path / "a.db", orchestrators=ORCHESTRATORS) as hub:
            await hub.async_client.schedule_new_orchestration(two_events, instance_id="e")
            waiting = asyncio.create_task(hub.async_client.wait_for_orchestration_completion("e"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await hub.async_client.terminate_orchestration("e")

    asyncio.run(program())


def test_a_slow_orchestrator_holds_up_neither_timers_nor_others(open_hub: Open) -> None:
    may_go_on = threading.Event()

    def stubborn(ctx: Any, _: Any) -> Turn:
        yield ctx.call_activity(double, input=1)
        may_go_on.wait(DEADLINE)  # against the rules, and still nobody else's trouble
        return "at last"

    hub = open_hub(stubborn)
    hub.client.schedule_new_orchestration(stubborn, instance_id="stubborn")
    try:
        assert hub.client.run_orchestration(soon, input=30, timeout=DEADLINE).get_output() == "rang"
        assert hub.client.run_orchestration(fan_out, input=20, timeout=DEADLINE).get_output() == 570
    finally:
        may_go_on.set()
    state = hub.client.wait_for_orchestration_completion("stubborn", timeout=DEADLINE)
    assert state is not None
    assert state.get_output() == "at last"


def test_memory_only_forgets(tmp_path: Path) -> None:
    with durakit.embedded(None, orchestrators=[doubled], activities=[double]) as hub:
        assert hub.client.run_orchestration(doubled, input=3, timeout=DEADLINE).get_output() == 6
    assert not list(tmp_path.iterdir())


def test_a_commit_that_fails_undoes_what_built_on_it_and_work_goes_on(
    open_hub: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durakit.embedding.core.REOPENING_SECONDS", 0.05)
    hub = open_hub()
    store = hub._open_now._core._store
    commit = store.commit
    failures = iter([False, False, True, False, True])

    def sometimes(batch: Batch) -> None:
        if next(failures, False):
            raise StoreError("The disk is full.")
        commit(batch)

    monkeypatch.setattr(store, "commit", sometimes)

    hub.client.schedule_new_orchestration(chain, input=8, instance_id="chain")
    state = hub.client.wait_for_orchestration_completion("chain", timeout=DEADLINE)

    assert state is not None
    assert state.get_output() == 256


def test_work_that_nobody_registered_waits_for_the_program_that_does(open_hub: Open, tmp_path: Path) -> None:
    with durakit.embedded(tmp_path / "hub.db") as bare:
        bare.client.schedule_new_orchestration("doubled", input=5, instance_id="later")

    state = open_hub().client.wait_for_orchestration_completion("later", timeout=DEADLINE)

    assert state is not None
    assert state.get_output() == 10


def test_closing_leaves_no_thread_behind(open_hub: Open) -> None:
    before = set(threading.enumerate())
    hub = open_hub()
    hub.client.run_orchestration(fan_out, input=20, timeout=DEADLINE)
    hub.client.run_orchestration(chain, input=3, timeout=DEADLINE)
    hub.close()
    gc.collect()

    deadline = time.monotonic() + DEADLINE
    for thread in set(threading.enumerate()) - before:
        thread.join(deadline - time.monotonic())
    assert set(threading.enumerate()) <= before
