from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator

import pytest
from ports import holder, is_free


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_port_that_somebody_listens_on_is_not_free(busy_port: int) -> None:
    assert not is_free(busy_port)


def test_a_port_is_free_again_when_its_server_is_gone(busy_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert is_free(port)


def test_port_zero_is_always_free() -> None:
    assert is_free(0)


def test_the_holder_of_a_port_is_named_with_its_process_id(busy_port: int) -> None:
    name = holder(busy_port)

    assert name is not None
    assert name.endswith(f"process {os.getpid()})" if sys.platform == "linux" else f"process {os.getpid()}")


def test_a_port_that_nobody_listens_on_has_no_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert holder(port) is None
