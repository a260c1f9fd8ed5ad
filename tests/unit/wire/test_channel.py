import json

import grpc
import pytest
from durakit.wire.address import Address
from durakit.wire.channel import MAX_MESSAGE_BYTES, REPEATABLE_METHODS, Stub, channel_options
from durakit.wire.connection import Connection
from durakit.wire.methods import BY_NAME, METHODS

from ..fake_scheduler import FakeScheduler

REMOTE = Address("hub.example:443", True)


def test_messages_may_be_larger_than_grpcs_own_limit_both_ways() -> None:
    options = dict(channel_options(REMOTE))

    assert options["grpc.max_receive_message_length"] == MAX_MESSAGE_BYTES
    assert options["grpc.max_send_message_length"] == MAX_MESSAGE_BYTES


def test_the_users_options_win() -> None:
    options = dict(
        channel_options(REMOTE, [("grpc.max_send_message_length", 7), ("grpc.service_config", "{}")])
    )

    assert options["grpc.max_send_message_length"] == 7
    assert options["grpc.service_config"] == "{}"


def test_only_calls_that_change_nothing_when_repeated_are_repeated_by_grpc() -> None:
    config = json.loads(dict(channel_options(REMOTE))["grpc.service_config"])

    repeated = {name["method"] for name in config["methodConfig"][0]["name"]}

    assert repeated == set(REPEATABLE_METHODS)
    assert repeated <= set(BY_NAME)
    assert not repeated & {"StartInstance", "RaiseEvent", "RestartInstance", "CompleteActivityTask"}


def test_no_proxy_stands_between_programs_of_one_machine() -> None:
    assert (
        dict(channel_options(Address("localhost:1", False, is_loopback=True)))["grpc.enable_http_proxy"] == 0
    )
    assert "grpc.enable_http_proxy" not in dict(channel_options(REMOTE))


def test_a_stub_has_every_method_of_the_table() -> None:
    with grpc.insecure_channel("localhost:1") as channel:
        stub = Stub(channel, lambda: ())

    assert all(callable(vars(stub)[method.name]) for method in METHODS)


def test_every_call_carries_what_the_metadata_source_says_at_that_moment_and_its_own() -> None:
    tokens = iter(["one", "two"])
    with FakeScheduler() as scheduler:
        connection = Connection(
            Address(f"127.0.0.1:{scheduler.port}", False), lambda: (("authorization", next(tokens)),)
        )
        connection.stub.Hello(BY_NAME["Hello"].request(), timeout=10)
        connection.stub.Hello(BY_NAME["Hello"].request(), timeout=10, metadata=(("extra", "1"),))
        connection.close()

        first, second = scheduler.next_call("Hello"), scheduler.next_call("Hello")

    assert (first.metadata["authorization"], first.metadata.get("extra")) == ("one", None)
    assert (second.metadata["authorization"], second.metadata.get("extra")) == ("two", "1")


def test_a_replaced_channel_serves_and_the_one_before_the_last_is_closed() -> None:
    with FakeScheduler() as scheduler:
        connection = Connection(Address(f"127.0.0.1:{scheduler.port}", False), lambda: ())
        first = connection.stub

        assert [connection.replace(), connection.replace()] == [True, True]
        connection.stub.Hello(BY_NAME["Hello"].request(), timeout=10)

        with pytest.raises(ValueError, match="closed channel"):
            first.Hello(BY_NAME["Hello"].request())
        connection.close()


def test_a_channel_of_the_callers_is_neither_replaced_nor_closed() -> None:
    with FakeScheduler() as scheduler, grpc.insecure_channel(f"127.0.0.1:{scheduler.port}") as channel:
        connection = Connection("the given channel", lambda: (), channel=channel)

        assert connection.replace() is False
        connection.close()
        connection.stub.Hello(BY_NAME["Hello"].request(), timeout=10)
