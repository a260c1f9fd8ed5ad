import asyncio
import pickle

import grpc
import pytest
from durakit import errors
from durakit.errors import DurakitError
from durakit.task import FailureDetails
from durakit.wire import status


def error_for(code: grpc.StatusCode, details: str = "It said so.") -> status.SchedulerError:
    raw = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
    return status.named_error(raw, method="StartInstance", address="http://localhost:8080")


def subclasses(kind: type) -> set[type]:
    direct: set[type] = set(kind.__subclasses__())
    return direct.union(*(subclasses(child) for child in direct))


def test_the_drawn_tree_names_every_error_and_its_parent() -> None:
    named = {line.split("─ ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "─ " in line}

    public = {
        kind.__name__
        for kind in subclasses(DurakitError)
        if kind.__module__ in (errors.__name__, status.__name__)
    }

    assert named == public
    assert all(getattr(errors, name).__name__ == name for name in named)


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_every_status_code_lands_on_a_named_error_that_is_a_grpc_error_too(code: grpc.StatusCode) -> None:
    error = error_for(code)

    assert type(error) is not status.SchedulerError
    assert isinstance(error, DurakitError)
    assert isinstance(error, grpc.RpcError)
    assert isinstance(error, grpc.aio.AioRpcError)
    assert (error.code(), error.details()) == (code, "It said so.")


@pytest.mark.parametrize(
    ("code", "details", "text"),
    [
        (
            grpc.StatusCode.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:8080: Connection "
            "refused (111)",
            "No scheduler answers at http://localhost:8080 (Connection refused (111)); "
            "start one with `durakit dev`, or set ENDPOINT to the address of yours.",
        ),
        (
            grpc.StatusCode.NOT_FOUND,
            "Orchestration instance 'x' not found.",
            "The scheduler at http://localhost:8080 refused StartInstance: Orchestration instance 'x' not "
            "found "
            "(NOT_FOUND). Check the instance id, and that TASKHUB names the task hub it lives in.",
        ),
        (
            grpc.StatusCode.UNAUTHENTICATED,
            "no token",
            "The scheduler at http://localhost:8080 refused StartInstance: no token (UNAUTHENTICATED). "
            "Check TASKHUB and the identity's rights; a scheduler of your own may want DURAKIT_TOKEN.",
        ),
        (
            grpc.StatusCode.ALREADY_EXISTS,
            "'x' exists",
            "The scheduler at http://localhost:8080 refused StartInstance: 'x' exists (ALREADY_EXISTS). "
            "Pass another "
            "instance_id, or a reuse_id_policy that allows to replace the existing instance.",
        ),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "too much",
            "The scheduler at http://localhost:8080 refused StartInstance: too much (RESOURCE_EXHAUSTED). "
            "Pass less data (a file name or an id instead of content), or try again later.",
        ),
        (
            grpc.StatusCode.UNIMPLEMENTED,
            "",
            "The scheduler at http://localhost:8080 refused StartInstance: no details given (UNIMPLEMENTED). "
            "The operation needs another scheduler, such as `durakit dev`.",
        ),
        (
            grpc.StatusCode.INVALID_ARGUMENT,
            "bad id",
            "The scheduler at http://localhost:8080 refused StartInstance: bad id (INVALID_ARGUMENT).",
        ),
    ],
)
def test_an_error_says_what_was_wrong_and_what_to_do(code: grpc.StatusCode, details: str, text: str) -> None:
    assert str(error_for(code, details)) == text


def test_an_error_survives_pickling() -> None:
    error = error_for(grpc.StatusCode.NOT_FOUND)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (str(copy), copy.code()) == (str(error), error.code())


def test_an_error_without_a_code_is_the_schedulers_fault() -> None:
    error = status.named_error(grpc.RpcError(), method="Hello", address="a")

    assert isinstance(error, errors.SchedulerInternalError)


def test_a_failed_orchestration_keeps_its_details() -> None:
    details = FailureDetails("no", "builtins.ValueError", None)

    error = errors.OrchestrationFailedError("It failed.", details)

    assert (str(error), error.failure_details) == ("It failed.", details)


def test_a_wait_that_is_over_is_a_builtin_timeout_error_too() -> None:
    assert issubclass(errors.WaitTimeoutError, TimeoutError)
    assert not issubclass(errors.WaitTimeoutError, asyncio.CancelledError)


def test_unknown_names_of_the_module_are_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = errors.Nonsense
