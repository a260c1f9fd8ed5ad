from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from durakit import task
from durakit.replay import failure_details, framework_failure, not_registered
from durakit.task.failures import failure_from_wire
from durakit.wire.messages import orchestration_pb2 as pb

from .histories import Run, completion, failure, options


class Broken(Exception):
    pass


def caught(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        if cause is None:
            raise error
        raise error from cause
    except BaseException as raised:
        return raised


def test_a_failure_has_the_qualified_type_the_text_and_the_traceback() -> None:
    details = failure_details(caught(Broken("boom")))

    assert details.errorType == f"{__name__}.Broken"
    assert details.errorMessage == "boom"
    assert details.stackTrace.value.startswith("Traceback (most recent call last):\n")
    assert "in caught\n" in details.stackTrace.value
    assert details.stackTrace.value.endswith("Broken: boom\n")
    assert not details.HasField("innerFailure")
    assert not details.isNonRetriable


def test_the_traceback_begins_in_user_code() -> None:
    async def failing(ctx: task.OrchestrationContext) -> None:
        raise ValueError("boom")

    trace = completion(Run(failing).start()).failureDetails.stackTrace.value

    assert "in failing" in trace
    assert "driver.py" not in trace


def test_causes_become_inner_failures() -> None:
    details = failure_details(caught(Broken("outer"), caught(KeyError("inner"))))

    assert details.innerFailure.errorType == "builtins.KeyError"
    assert details.innerFailure.errorMessage == "'inner'"
    assert "inner" not in details.stackTrace.value


def test_the_error_being_handled_is_a_cause_unless_it_was_suppressed() -> None:
    def context(suppress: bool) -> BaseException:
        try:
            try:
                raise KeyError("inner")
            except KeyError:
                if suppress:
                    raise Broken("outer") from None
                raise Broken("outer")  # noqa: B904 - the implicit context is the point
        except Broken as raised:
            return raised

    assert failure_details(context(False)).innerFailure.errorType == "builtins.KeyError"
    assert not failure_details(context(True)).HasField("innerFailure")


def test_the_chain_ends_after_ten_inner_failures_even_in_a_circle() -> None:
    first, second = Broken("first"), Broken("second")
    first.__cause__, second.__cause__ = second, first

    details, depth = failure_details(first), 0
    while details.HasField("innerFailure"):
        details, depth = details.innerFailure, depth + 1

    assert depth == 10


def test_an_exception_without_text_or_with_a_broken_one_is_still_a_failure() -> None:
    """Trap 16."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise LookupError("no words")

    assert failure_details(caught(Broken())).errorMessage == ""
    assert failure_details(caught(Mute())).errorMessage == (
        "<its text cannot be read: LookupError in __str__>"
    )


def test_a_text_that_is_no_unicode_is_escaped() -> None:
    assert failure_details(caught(Broken("file \udcff"))).errorMessage == "file \\udcff"


def test_a_failed_task_keeps_the_recorded_failure_word_for_word() -> None:
    recorded = failure("boom", "app.Broken", non_retriable=True)
    recorded.innerFailure.CopyFrom(failure("deeper"))

    details = failure_details(caught(task.TaskFailedError("wrapped", recorded)))

    assert details.errorType == "durakit.task.TaskFailedError"
    assert details.innerFailure == recorded


def test_a_failed_task_made_from_an_exception_has_it_as_cause() -> None:
    details = failure_details(task.TaskFailedError("wrapped", ValueError("boom")))

    assert details.innerFailure.errorType == "builtins.ValueError"


class Provider:
    def __init__(self, properties: Any) -> None:
        self.properties = properties

    def get_exception_properties(self, exception: Exception) -> Mapping[str, Any] | None:
        if isinstance(self.properties, Exception):
            raise self.properties
        result: Mapping[str, Any] | None = self.properties
        return result


def test_a_provider_adds_properties_to_every_failure_of_the_chain() -> None:
    values = {"n": 1.5, "ok": True, "no": None, "s": "x", "l": [1, {"a": "b"}], "odd": Broken}

    details = failure_details(caught(Broken("outer"), ValueError("inner")), Provider(values))

    read = failure_from_wire(details)
    assert read.properties == {**values, "odd": str(Broken)}
    assert read.inner_failure is not None
    assert read.inner_failure.properties == read.properties


def test_an_execution_asks_its_provider() -> None:
    def failing(ctx: task.OrchestrationContext) -> None:
        raise ValueError("boom")

    settings = options(exception_properties_provider=Provider({"order": "7"}))

    details = completion(Run(failing, settings=settings).start()).failureDetails
    assert details.properties["order"].string_value == "7"


def test_a_provider_that_fails_costs_the_properties_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    details = failure_details(Broken("boom"), Provider(LookupError()))

    assert (details.errorMessage, len(details.properties)) == ("boom", 0)
    assert caplog.messages == ["The exception properties provider failed on Broken"]
    assert len(failure_details(Broken(), Provider(None)).properties) == 0


def test_failures_of_the_framework_are_final() -> None:
    assert framework_failure("VersionMismatch", "text") == pb.TaskFailureDetails(
        errorType="VersionMismatch", errorMessage="text", isNonRetriable=True
    )


def test_an_activity_nobody_registered_is_told_with_what_there_is() -> None:
    details = not_registered("activity", "snd", ["send", "fetch"], "")

    assert details.errorType == "ActivityTaskNotFound"
    assert details.errorMessage == (
        "No activity named 'snd' is registered with this worker; it offers the activities 'fetch', 'send'. "
        "Register it with add_activity, or check the spelling: names are case-sensitive."
    )
