"""`durakit wait-ready`: asks a scheduler for a sign of life until it gives one."""

from __future__ import annotations

import time

import grpc
from google.protobuf.empty_pb2 import Empty

from durakit.azuremanaged.credentials import credential_for
from durakit.azuremanaged.headers import hub_headers, with_token
from durakit.cli.refusal import Refused, WrongUsage
from durakit.errors import CredentialError, SettingsError
from durakit.settings import load_settings
from durakit.wire.address import parse_address
from durakit.wire.channel import Stub, open_channel
from durakit.wire.status import (
    AccessDeniedError,
    SchedulerError,
    SchedulerTimeoutError,
    SchedulerUnavailableError,
    named_error,
)

_PAUSE_SECONDS = 0.05
_CALL_TIMEOUT_SECONDS = 2.0
#: Dial again soon; the waits of long-lived connections would be longer than most starts.
_DIAL_OFTEN = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200))


def wait_until_ready(endpoint: str | None, timeout_seconds: float) -> str:
    """Return one line for the user once the scheduler has answered.

    Args:
        endpoint: its address; None: what the settings say.

    Raises:
        WrongUsage: the settings cannot be used.
        Refused: it did not answer in time, or answered that we may not enter.
    """
    began = time.monotonic()
    try:
        settings = load_settings({"endpoint": endpoint})
        address = parse_address(settings.endpoint)
        metadata = with_token(hub_headers(settings.taskhub), credential_for(settings), None)
    except SettingsError as error:
        raise WrongUsage(str(error)) from error
    with open_channel(address, options=_DIAL_OFTEN) as channel:
        _greet(Stub(channel, metadata), str(address), began + timeout_seconds, timeout_seconds)
    return f"durakit: {address} is ready after {time.monotonic() - began:.1f} s"


def _greet(stub: Stub, address: str, deadline: float, timeout_seconds: float) -> None:
    while True:
        # At least one true try, however short the time.
        left = max(deadline - time.monotonic(), _PAUSE_SECONDS)
        try:
            stub.Hello(Empty(), timeout=min(left, _CALL_TIMEOUT_SECONDS))
            return
        except CredentialError as error:
            raise Refused(str(error)) from error
        except grpc.RpcError as raw:
            answer = named_error(raw, method="Hello", address=address)
            if isinstance(answer, AccessDeniedError):
                raise Refused(f"{address} is up and refuses us: {answer.details()}") from raw
            if not _may_pass(answer):
                raise Refused(str(answer)) from raw
            if time.monotonic() >= deadline:
                raise Refused(
                    f"{address} did not answer within {timeout_seconds:g} s. Start a scheduler with "
                    f"durakit dev, or give the address of yours with --endpoint."
                ) from raw
        time.sleep(_PAUSE_SECONDS)


def _may_pass(error: SchedulerError) -> bool:
    return isinstance(error, SchedulerUnavailableError | SchedulerTimeoutError)
