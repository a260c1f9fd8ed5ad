"""What may be set about a connection, and what is refused before any connection is made."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from durakit.errors import SettingsError
from durakit.exception_properties import ExceptionPropertiesProvider
from durakit.grpc_options import (
    GrpcChannelOptions,
    GrpcClientResiliencyOptions,
    GrpcRetryPolicyOptions,
    GrpcWorkerResiliencyOptions,
)


def test_nothing_set_means_no_channel_arguments() -> None:
    assert GrpcChannelOptions().to_grpc_options() == []


def test_settings_become_channel_arguments_after_the_raw_ones() -> None:
    options = GrpcChannelOptions(
        max_receive_message_length=1,
        max_send_message_length=-1,
        keepalive_time_ms=3,
        keepalive_timeout_ms=4,
        keepalive_permit_without_calls=False,
        raw_options=[("grpc.primary_user_agent", "me")],
    )

    assert options.to_grpc_options() == [
        ("grpc.primary_user_agent", "me"),
        ("grpc.max_receive_message_length", 1),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", 3),
        ("grpc.keepalive_timeout_ms", 4),
        ("grpc.keepalive_permit_without_calls", 0),
    ]


def test_a_retry_policy_becomes_a_service_config_for_every_method() -> None:
    policy = GrpcRetryPolicyOptions(max_attempts=3, initial_backoff_seconds=0.00001, max_backoff_seconds=2)

    options = dict(GrpcChannelOptions(retry_policy=policy).to_grpc_options())

    assert options["grpc.enable_retries"] == 1
    assert json.loads(options["grpc.service_config"]) == policy.to_service_config()
    assert policy.to_service_config() == {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.00001s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2.0,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }


def test_the_defaults_are_those_of_the_field() -> None:
    worker, client = GrpcWorkerResiliencyOptions(), GrpcClientResiliencyOptions()

    assert (worker.hello_timeout_seconds, worker.silent_disconnect_timeout_seconds) == (30.0, 120.0)
    assert (worker.reconnect_backoff_base_seconds, worker.reconnect_backoff_cap_seconds) == (1.0, 30.0)
    assert worker.channel_recreate_failure_threshold == client.channel_recreate_failure_threshold == 5
    assert client.min_recreate_interval_seconds == 30.0


CODES = (
    "CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, "
    "RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, "
    "DATA_LOSS, UNAUTHENTICATED"
)
RETRY, CHANNEL = GrpcRetryPolicyOptions, GrpcChannelOptions
WORKER, CLIENT = GrpcWorkerResiliencyOptions, GrpcClientResiliencyOptions


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        (RETRY, "max_attempts", 1, "max_attempts is 1; expected a whole number of at least 2"),
        (RETRY, "max_attempts", 2.5, "max_attempts is 2.5; expected a whole number of at least 2"),
        (RETRY, "initial_backoff_seconds", 0, "initial_backoff_seconds is 0; expected a number above 0"),
        (
            RETRY,
            "initial_backoff_seconds",
            True,
            "initial_backoff_seconds is True; expected a number above 0",
        ),
        (RETRY, "backoff_multiplier", 0, "backoff_multiplier is 0; expected a number above 0"),
        (RETRY, "max_backoff_seconds", float("inf"), "max_backoff_seconds is inf; expected a number above 0"),
        (
            RETRY,
            "max_backoff_seconds",
            0.01,
            "max_backoff_seconds is 0.01; expected at least initial_backoff_seconds, which is 0.05: "
            "raise max_backoff_seconds or lower initial_backoff_seconds",
        ),
        (
            RETRY,
            "retryable_status_codes",
            [],
            "retryable_status_codes is []; expected a list of status names that is not empty, "
            "such as ['UNAVAILABLE']; to switch retries off, leave retry_policy out",
        ),
        (
            RETRY,
            "retryable_status_codes",
            ["unavailable"],
            "retryable_status_codes names 'unavailable', which is no gRPC status of a failed call; "
            f"expected one of {CODES}",
        ),
        (
            CHANNEL,
            "max_receive_message_length",
            -2,
            "max_receive_message_length is -2; expected a whole number of at least -1",
        ),
        (CHANNEL, "keepalive_time_ms", 0, "keepalive_time_ms is 0; expected a whole number of at least 1"),
        (
            CHANNEL,
            "raw_options",
            ["grpc.x"],
            "raw_options holds 'grpc.x'; expected pairs of name and value, "
            "such as ('grpc.max_metadata_size', 16384)",
        ),
        (WORKER, "hello_timeout_seconds", 0, "hello_timeout_seconds is 0; expected a number above 0"),
        (
            WORKER,
            "silent_disconnect_timeout_seconds",
            -1,
            "silent_disconnect_timeout_seconds is -1; expected a number of at least 0",
        ),
        (
            WORKER,
            "channel_recreate_failure_threshold",
            -1,
            "channel_recreate_failure_threshold is -1; expected a whole number of at least 0",
        ),
        (
            WORKER,
            "reconnect_backoff_cap_seconds",
            0.5,
            "reconnect_backoff_cap_seconds is 0.5; expected at least reconnect_backoff_base_seconds, "
            "which is 1.0: raise reconnect_backoff_cap_seconds or lower reconnect_backoff_base_seconds",
        ),
        (
            CLIENT,
            "min_recreate_interval_seconds",
            "30",
            "min_recreate_interval_seconds is '30'; expected a number of at least 0",
        ),
    ],
)
def test_a_value_that_cannot_work_is_refused_at_once(
    kind: Any, name: str, value: object, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        kind(**{name: value})

    assert str(caught.value) == message


@pytest.mark.parametrize("kind", [RETRY, CHANNEL, WORKER, CLIENT])
def test_options_are_named_not_counted(kind: Any) -> None:
    with pytest.raises(TypeError):
        kind(5)


def test_options_need_no_grpc() -> None:
    program = "import sys, durakit.grpc_options; sys.exit('grpc' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_any_class_with_the_method_provides_exception_properties() -> None:
    class Provider:
        def get_exception_properties(self, exception: Exception) -> dict[str, Any] | None:
            return {"code": 7} if isinstance(exception, ValueError) else None

    provider: ExceptionPropertiesProvider = Provider()

    assert isinstance(provider, ExceptionPropertiesProvider)
    assert provider.get_exception_properties(ValueError()) == {"code": 7}
