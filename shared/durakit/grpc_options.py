"""What a program may set about the connection to its scheduler: channel, retries, reconnecting.

Values only, checked when they are made; needs no gRPC. What is not set keeps gRPC's own default.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from durakit.errors import SettingsError

_STATUS_CODES = (
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""Every status that means failure; a retry policy may name these."""


@dataclass(frozen=True, kw_only=True)
class GrpcRetryPolicyOptions:
    """How gRPC repeats a unary call inside the channel, before the caller sees an error."""

    max_attempts: int = 4
    """Calls in all, the first one included; at least 2. gRPC itself caps this at 5."""
    initial_backoff_seconds: float = 0.05
    """Upper bound of the random wait before the second attempt."""
    max_backoff_seconds: float = 0.25
    """No bound of a wait grows beyond this."""
    backoff_multiplier: float = 2.0
    """How much the bound grows with each attempt."""
    retryable_status_codes: list[str] = field(default_factory=lambda: ["UNAVAILABLE"])
    """Names of the statuses that are worth another attempt, such as "UNAVAILABLE"."""

    def __post_init__(self) -> None:
        _require_whole(self, "max_attempts", at_least=2)
        _require_number(self, "initial_backoff_seconds", above=0)
        _require_number(self, "max_backoff_seconds", above=0)
        _require_order(self, "max_backoff_seconds", "initial_backoff_seconds")
        _require_number(self, "backoff_multiplier", above=0)
        codes = self.retryable_status_codes
        if isinstance(codes, str) or not codes:
            raise SettingsError(
                f"retryable_status_codes is {codes!r}; expected a list of status names that is not empty, "
                "such as ['UNAVAILABLE']; to switch retries off, leave retry_policy out"
            )
        unknown = [code for code in codes if code not in _STATUS_CODES]
        if unknown:
            raise SettingsError(
                f"retryable_status_codes names {unknown[0]!r}, which is no gRPC status of a failed call; "
                f"expected one of {', '.join(_STATUS_CODES)}"
            )

    def to_service_config(self) -> dict[str, Any]:
        """The policy as a gRPC service config that applies to every method."""
        policy = {
            "maxAttempts": self.max_attempts,
            "initialBackoff": _duration(self.initial_backoff_seconds),
            "maxBackoff": _duration(self.max_backoff_seconds),
            "backoffMultiplier": self.backoff_multiplier,
            "retryableStatusCodes": list(self.retryable_status_codes),
        }
        return {"methodConfig": [{"name": [{}], "retryPolicy": policy}]}


@dataclass(frozen=True, kw_only=True)
class GrpcChannelOptions:
    """Settings of the channel itself."""

    max_receive_message_length: int | None = None
    """Bytes of the largest message accepted; -1 for no limit."""
    max_send_message_length: int | None = None
    """Bytes of the largest message sent; -1 for no limit."""
    keepalive_time_ms: int | None = None
    """Milliseconds of silence after which the connection is probed."""
    keepalive_timeout_ms: int | None = None
    """Milliseconds until an unanswered probe ends the connection."""
    keepalive_permit_without_calls: bool | None = None
    """Whether an idle connection is probed too."""
    retry_policy: GrpcRetryPolicyOptions | None = None
    """How unary calls are repeated; None leaves that to durakit."""
    raw_options: list[tuple[str, Any]] = field(default_factory=list)
    """Any other gRPC channel arguments; the settings above come after these, and so win."""

    def __post_init__(self) -> None:
        least = {"max_receive_message_length": -1, "max_send_message_length": -1}
        least |= {"keepalive_time_ms": 1, "keepalive_timeout_ms": 1}
        for name, at_least in least.items():
            if getattr(self, name) is not None:
                _require_whole(self, name, at_least=at_least)
        for option in self.raw_options:
            if not (isinstance(option, tuple) and len(option) == 2 and isinstance(option[0], str)):
                raise SettingsError(
                    f"raw_options holds {option!r}; expected pairs of name and value, "
                    "such as ('grpc.max_metadata_size', 16384)"
                )

    def to_grpc_options(self) -> list[tuple[str, Any]]:
        """Channel arguments as `grpc.insecure_channel(..., options=...)` takes them."""
        permit = self.keepalive_permit_without_calls
        settings = {
            "grpc.max_receive_message_length": self.max_receive_message_length,
            "grpc.max_send_message_length": self.max_send_message_length,
            "grpc.keepalive_time_ms": self.keepalive_time_ms,
            "grpc.keepalive_timeout_ms": self.keepalive_timeout_ms,
            "grpc.keepalive_permit_without_calls": None if permit is None else int(permit),
        }
        options = [
            *self.raw_options,
            *((name, value) for name, value in settings.items() if value is not None),
        ]
        if self.retry_policy is not None:
            config = json.dumps(self.retry_policy.to_service_config())
            options += [("grpc.enable_retries", 1), ("grpc.service_config", config)]
        return options


@dataclass(frozen=True, kw_only=True)
class GrpcWorkerResiliencyOptions:
    """When a worker takes its connection for dead, and how it comes back."""

    hello_timeout_seconds: float = 30.0
    """How long the scheduler may take to answer the greeting on a new connection."""
    silent_disconnect_timeout_seconds: float = 120.0
    """Silence on the work item stream after which the worker connects anew; 0 waits for ever."""
    channel_recreate_failure_threshold: int = 5
    """Failures in a row after which the worker builds a new channel; 0 keeps the channel."""
    reconnect_backoff_base_seconds: float = 1.0
    """Upper bound of the wait before the first attempt to reconnect; it doubles with each attempt."""
    reconnect_backoff_cap_seconds: float = 30.0
    """No such wait grows beyond this."""

    def __post_init__(self) -> None:
        _require_number(self, "hello_timeout_seconds", above=0)
        _require_number(self, "silent_disconnect_timeout_seconds", at_least=0)
        _require_whole(self, "channel_recreate_failure_threshold", at_least=0)
        _require_number(self, "reconnect_backoff_base_seconds", above=0)
        _require_number(self, "reconnect_backoff_cap_seconds", above=0)
        _require_order(self, "reconnect_backoff_cap_seconds", "reconnect_backoff_base_seconds")


@dataclass(frozen=True, kw_only=True)
class GrpcClientResiliencyOptions:
    """When a client replaces its channel."""

    channel_recreate_failure_threshold: int = 5
    """Failures in a row after which the client builds a new channel; 0 keeps the channel."""
    min_recreate_interval_seconds: float = 30.0
    """The least time between two new channels."""

    def __post_init__(self) -> None:
        _require_whole(self, "channel_recreate_failure_threshold", at_least=0)
        _require_number(self, "min_recreate_interval_seconds", at_least=0)


def _duration(seconds: float) -> str:
    """As protobuf's JSON form wants it: decimal digits, at most nine after the point."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def _require_whole(options: object, name: str, *, at_least: int) -> None:
    value = getattr(options, name)
    if type(value) is not int or value < at_least:
        raise SettingsError(f"{name} is {value!r}; expected a whole number of at least {at_least}")


def _require_number(
    options: object, name: str, *, above: float | None = None, at_least: float | None = None
) -> None:
    value = getattr(options, name)
    expected = f"above {above}" if above is not None else f"of at least {at_least}"
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or (above is not None and value <= above) or (at_least is not None and value < at_least):
        raise SettingsError(f"{name} is {value!r}; expected a number {expected}")


def _require_order(options: object, greater: str, smaller: str) -> None:
    if getattr(options, greater) < getattr(options, smaller):
        raise SettingsError(
            f"{greater} is {getattr(options, greater)!r}; expected at least {smaller}, which is "
            f"{getattr(options, smaller)!r}: raise {greater} or lower {smaller}"
        )
