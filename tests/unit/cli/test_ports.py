from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator

import pytest
from durakit.cli import ports
from durakit.cli.refusal import Refused


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_port_0_is_a_free_one_and_takes_connections() -> None:
    with ports.listen("127.0.0.1", 0, "--dashboard-port") as listener:
        with socket.create_connection(listener.getsockname()[:2], timeout=5):
            pass
        assert listener.getblocking() is False


@pytest.mark.parametrize("attempt", [ports.listen, ports.check])
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the holder may be hidden")
def test_a_busy_port_is_named_with_its_holder_and_the_way_out(taken: int, attempt: object) -> None:
    assert callable(attempt)
    with pytest.raises(Refused) as refused:
        attempt("127.0.0.1", taken, "--grpc-port")

    text = str(refused.value)
    assert text.startswith(f"Port {taken} on 127.0.0.1 is in use by ")
    assert text.endswith(
        f" (process {os.getpid()}). Stop it, or let the system choose a free port: --grpc-port 0"
    )


def test_a_busy_port_whose_holder_is_hidden_is_named_all_the_same(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "holder", lambda port: None)

    with pytest.raises(Refused) as refused:
        ports.check("127.0.0.1", taken, "--grpc-port")

    assert str(refused.value) == (
        f"Port {taken} on 127.0.0.1 is in use. Stop it, or let the system choose a free port: --grpc-port 0"
    )


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        ports.check("192.0.2.1", 0, "--grpc-port")

    assert str(refused.value) == (
        "192.0.2.1 is not an address of this machine. Give --host one that is, such as 127.0.0.1."
    )


def refuse_with(problem: OSError, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is said when the system answers like that."""

    def bound(host: str, port: int) -> socket.socket:
        raise problem

    monkeypatch.setattr(ports, "_bound", bound)
    with pytest.raises(Refused) as refused:
        ports.check("build", 80, "--grpc-port")
    return str(refused.value)


def test_an_unknown_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert refuse_with(problem, monkeypatch) == (
        "The host build is unknown (Name or service not known). Give --host an address of this machine."
    )


def test_a_port_for_administrators_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refuse_with(PermissionError(errno.EACCES, "Permission denied"), monkeypatch) == (
        "Port 80 on build is not allowed to this user. Choose another one with --grpc-port."
    )


def test_any_other_reason_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refuse_with(OSError(errno.EMFILE, "Too many open files"), monkeypatch) == (
        "Port 80 on build cannot be listened on: Too many open files. Choose another with --grpc-port."
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nobody_holds_a_free_port(taken: int) -> None:
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))

        assert ports.holder(bound_only.getsockname()[1]) is None
