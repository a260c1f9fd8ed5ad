from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from durakit import task
from durakit.task.failures import failure_from_wire
from durakit.wire.messages import orchestration_pb2 as pb

NOW = datetime(2026, 1, 1)  # noqa: DTZ001 - orchestration time is naive UTC
BOOM = pb.TaskFailureDetails(errorMessage="boom", errorType="builtins.ValueError")


def policy(**changes: Any) -> task.RetryPolicy:
    settings: dict[str, Any] = {"first_retry_interval": timedelta(seconds=1), "max_number_of_attempts": 3}
    return task.RetryPolicy(**{**settings, **changes})


# Tasks.


def test_a_task_has_no_outcome_until_it_is_completed() -> None:
    pending: task.CompletableTask[int] = task.CompletableTask()

    assert (pending.is_complete, pending.is_failed) == (False, False)
    with pytest.raises(ValueError, match=r"^The task has no result yet; yield or await it first.$"):
        pending.get_result()
    with pytest.raises(ValueError, match=r"^The task has not failed; there is no exception to return.$"):
        pending.get_exception()
    assert repr(pending) == "<CompletableTask pending>"


def test_a_completed_task_has_a_result() -> None:
    done: task.CompletableTask[int] = task.CompletableTask(int)
    done.complete(0)

    assert (done.is_complete, done.is_failed, done.result, done.get_result()) == (True, False, 0, 0)
    assert repr(done) == "<CompletableTask completed>"


def test_a_failed_task_raises_its_failure() -> None:
    failed: task.CompletableTask[int] = task.CompletableTask()
    failed.fail("wrapped", BOOM)

    assert (failed.is_complete, failed.is_failed) == (True, True)
    assert failed.get_exception().details.message == "boom"
    with pytest.raises(task.TaskFailedError, match=r"^wrapped$"):
        failed.get_result()
    assert repr(failed) == "<CompletableTask failed>"


def test_a_task_has_one_outcome_only() -> None:
    done: task.CompletableTask[int] = task.CompletableTask()
    done.complete(1)

    with pytest.raises(ValueError, match=r"^The task is complete already; its outcome cannot change.$"):
        done.complete(2)
    with pytest.raises(ValueError, match=r"^The task is complete already; its outcome cannot change.$"):
        done.fail("late", BOOM)
    assert done.get_result() == 1


def test_awaiting_a_task_hands_the_task_to_whoever_drives() -> None:
    pending: task.CompletableTask[int] = task.CompletableTask()

    async def waiting() -> int:
        return await pending

    coroutine = waiting()
    assert coroutine.send(None) is pending
    with pytest.raises(StopIteration) as end:
        coroutine.send(7)
    assert end.value.value == 7


def test_cancelling_calls_the_handler_once_and_is_no_failure() -> None:
    calls = []
    waiting: task.CancellableTask[int] = task.CancellableTask()
    waiting.set_cancel_handler(lambda: calls.append("cancelled"))

    assert waiting.cancel()
    assert not waiting.cancel()

    assert calls == ["cancelled"]
    assert (waiting.is_cancelled, waiting.is_complete, waiting.is_failed) == (True, True, False)
    with pytest.raises(task.TaskCancelledError, match=r"^The task was cancelled.$"):
        waiting.get_result()


def test_a_complete_task_cannot_be_cancelled() -> None:
    done: task.CancellableTask[int] = task.CancellableTask()
    done.complete(1)

    assert not done.cancel()
    assert not done.is_cancelled


def test_composites_take_tasks_only() -> None:
    with pytest.raises(
        TypeError,
        match=r"^WhenAllTask got str at position 1; expected tasks, as call_activity and the ",
    ):
        task.when_all([task.TimerTask(), "x"])  # type: ignore[arg-type]


def test_when_all_counts_its_children() -> None:
    first: task.CompletableTask[int] = task.CompletableTask()
    second: task.CompletableTask[int] = task.CompletableTask()
    both = task.when_all(iter([first, second]))
    assert both.get_tasks() == [first, second]

    second.complete(2)
    assert (both.pending_tasks, both.get_completed_tasks(), both.is_complete) == (1, 1, False)
    first.complete(1)

    assert (both.pending_tasks, both.is_complete, both.get_result()) == (0, True, [1, 2])


def test_when_any_lets_go_of_the_losers() -> None:
    first: task.CompletableTask[int] = task.CompletableTask()
    second: task.CompletableTask[int] = task.CompletableTask()
    either = task.when_any([first, second, second])

    first.complete(1)

    assert either.get_result() is first
    assert second._parents == []
    second.complete(2)
    assert either.get_result() is first


def test_when_any_of_a_complete_task_is_complete_and_does_not_ask_the_others() -> None:
    first: task.CompletableTask[int] = task.CompletableTask()
    second: task.CompletableTask[int] = task.CompletableTask()
    first.complete(1)

    assert task.when_any([first, second]).get_result() is first
    assert second._parents is None


def test_a_cancelled_child_makes_when_all_raise() -> None:
    waiting: task.CancellableTask[int] = task.CancellableTask()
    everything = task.when_all([waiting])

    waiting.cancel()

    with pytest.raises(task.TaskCancelledError):
        everything.get_result()


def test_a_composite_of_ones_own_decides_itself() -> None:
    with pytest.raises(NotImplementedError):
        task.CompositeTask([task.when_all([])])


def test_a_retryable_task_computes_its_delays() -> None:
    call: task.RetryableTask[int] = task.RetryableTask(
        policy(backoff_coefficient=2, retry_timeout=timedelta(minutes=1)), None, NOW, False
    )

    assert call.compute_next_delay() == timedelta(seconds=1)
    call.increment_attempt_count()
    assert call.compute_next_delay(NOW + timedelta(seconds=59)) == timedelta(seconds=2)
    assert call.compute_next_delay(NOW + timedelta(seconds=60)) is None
    call.increment_attempt_count()
    assert call.compute_next_delay() is None


# Retry policies.


def test_a_policy_gives_back_what_it_was_made_with() -> None:
    def handler(failure: task.FailureDetails) -> bool:
        return True

    made = policy(
        backoff_coefficient=None,
        max_retry_interval=timedelta(minutes=1),
        retry_timeout=timedelta(hours=1),
        non_retryable_error_types=[KeyError, "app.Broken"],
        handler=handler,
    )

    assert made.first_retry_interval == timedelta(seconds=1)
    assert made.max_number_of_attempts == 3
    assert made.backoff_coefficient is None
    assert made.max_retry_interval == timedelta(minutes=1)
    assert made.retry_timeout == timedelta(hours=1)
    assert made.non_retryable_error_types == (KeyError, "app.Broken")
    assert made.handler is handler
    assert made.delay_after(3) == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        (
            {"first_retry_interval": timedelta(seconds=-1)},
            ValueError,
            "first_retry_interval is -1 day, 23:59:59; it must not be negative.",
        ),
        (
            {"max_retry_interval": timedelta(seconds=-1)},
            ValueError,
            "max_retry_interval is -1 day, 23:59:59; it must not be negative.",
        ),
        (
            {"retry_timeout": timedelta(seconds=-1)},
            ValueError,
            "retry_timeout is -1 day, 23:59:59; it must not be negative.",
        ),
        (
            {"max_number_of_attempts": 0},
            ValueError,
            "max_number_of_attempts is 0; at least 1 is needed, which means one attempt and no retry.",
        ),
        (
            {"backoff_coefficient": 0.5},
            ValueError,
            "backoff_coefficient is 0.5; expected a finite number >= 1.",
        ),
        (
            {"backoff_coefficient": float("nan")},
            ValueError,
            "backoff_coefficient is nan; expected a finite number >= 1.",
        ),
        (
            {"non_retryable_error_types": "ValueError"},
            TypeError,
            "non_retryable_error_types is the text 'ValueError'; expected a list.",
        ),
        (
            {"non_retryable_error_types": [int]},
            TypeError,
            "non_retryable_error_types holds <class 'int'>; expected exception types or their names.",
        ),
        (
            {"handler": True},
            TypeError,
            "handler is True; expected a function of the failure that returns a bool.",
        ),
    ],
)
def test_a_policy_without_meaning_is_refused(
    changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as refused:
        policy(**changes)

    assert str(refused.value) == text


# Failures.


class Base(Exception):
    pass


class Derived(Base):
    pass


class Both(Derived, LookupError):
    pass


def details(error_type: str, inner: task.FailureDetails | None = None) -> task.FailureDetails:
    return task.FailureDetails("boom", error_type, None, inner)


@pytest.mark.parametrize(
    ("recorded", "asked", "matches"),
    [
        ("builtins.ValueError", ValueError, True),
        ("builtins.ValueError", Exception, True),
        ("builtins.ValueError", KeyError, False),
        (f"{__name__}.Both", Base, True),
        (f"{__name__}.Base", Derived, False),
        ("elsewhere.Base", Base, False),
        ("ValueError", ValueError, True),
        ("ValueError", Exception, True),
        ("", Exception, False),
        ("builtins.ValueError", "builtins.ValueError", True),
        ("builtins.ValueError", "ValueError", True),
        ("ValueError", "app.ValueError", True),
        ("app.ValueError", "builtins.ValueError", False),
        ("builtins.ValueError", "Exception", False),
        ("builtins.ValueError", "", False),
        ("", "ValueError", False),
    ],
)
def test_is_caused_by_knows_types_with_their_subclasses_and_names(
    recorded: str, asked: Any, matches: bool
) -> None:
    assert details(recorded).is_caused_by(asked) is matches


def test_is_caused_by_does_not_look_at_inner_failures() -> None:
    assert not details("app.Outer", details("builtins.ValueError")).is_caused_by(ValueError)


@pytest.mark.parametrize("asked", [int, 7, None])
def test_is_caused_by_refuses_anything_else(asked: Any) -> None:
    with pytest.raises(TypeError, match=r"expected an exception type or the name of one, such as ValueError"):
        details("x").is_caused_by(asked)


def test_recorded_failures_are_read_with_inner_ones_and_properties() -> None:
    recorded = pb.TaskFailureDetails(errorMessage="outer", errorType="app.Outer")
    recorded.stackTrace.value = "trace"
    recorded.innerFailure.CopyFrom(BOOM)
    recorded.properties["n"].number_value = 7
    recorded.properties["list"].list_value.values.add().bool_value = True
    recorded.properties["none"].null_value = 0  # type: ignore[assignment]
    recorded.properties["deep"].struct_value.fields["x"].string_value = "y"

    assert failure_from_wire(recorded) == task.FailureDetails(
        "outer",
        "app.Outer",
        "trace",
        task.FailureDetails("boom", "builtins.ValueError", None),
        {"n": 7, "list": [True], "none": None, "deep": {"x": "y"}},
    )


def test_a_failed_task_error_can_be_made_from_an_exception() -> None:
    error = task.TaskFailedError("wrapped", KeyError("x"))

    assert error.details == task.FailureDetails("'x'", "builtins.KeyError", None)


# Contexts and loggers.


def test_an_activity_context_says_for_whom() -> None:
    context = task.ActivityContext("i1", 3)

    assert (context.orchestration_id, context.task_id) == ("i1", 3)


def test_a_replay_safe_logger_is_silent_while_replaying(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    replaying = True
    logger = task.ReplaySafeLogger(logging.getLogger("user"), lambda: replaying)

    logger.error("again")
    assert not logger.isEnabledFor(logging.ERROR)
    replaying = False
    logger.info("first %s", "time")
    logger.debug("too fine")

    assert caplog.messages == ["first time"]
    assert caplog.records[0].funcName == "test_a_replay_safe_logger_is_silent_while_replaying"


def test_get_name_knows_functions_with_a_name() -> None:
    assert task.get_name(policy) == "policy"
    with pytest.raises(
        ValueError, match=r"has no name of its own; use a function made with `def`, or pass a name."
    ):
        task.get_name(lambda: None)


def test_public_names_live_in_durakit_task() -> None:
    for name in task.__all__:
        value = getattr(task, name)
        if name not in ("Activity", "Orchestrator"):  # aliases
            assert value.__module__ == "durakit.task", name


def test_timer_and_aware_datetimes_do_not_matter_to_a_timer_task() -> None:
    timer = task.TimerTask(datetime(2026, 1, 1, tzinfo=timezone.utc), timedelta(days=3))

    assert not timer.is_complete
