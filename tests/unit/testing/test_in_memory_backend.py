"""The scheduler for tests on a port of this process."""

from __future__ import annotations

import pytest
from durakit.client import TaskHubGrpcClient
from durakit.scheduler.server import PortBusy
from durakit.testing import InMemoryBackend, create_test_backend


def schedule(backend: InMemoryBackend, instance_id: str) -> None:
    with TaskHubGrpcClient(host_address=backend.address) as client:
        client.schedule_new_orchestration("greet", instance_id=instance_id)


def knows(backend: InMemoryBackend, instance_id: str) -> bool:
    with TaskHubGrpcClient(host_address=backend.address) as client:
        return client.get_orchestration_state(instance_id) is not None


def test_a_reset_forgets_everything_and_keeps_the_port() -> None:
    with InMemoryBackend(port=0) as backend:
        schedule(backend, "a")
        address = backend.address

        backend.reset()

        assert backend.address == address
        assert not knows(backend, "a")


def test_a_reset_after_the_stop_leaves_the_port_free() -> None:
    backend = create_test_backend(port=0)
    port = int(backend.address.rpartition(":")[2])
    backend.stop()

    backend.reset()

    successor = create_test_backend(port=port)
    successor.stop()


def test_a_busy_port_is_told() -> None:
    with InMemoryBackend(port=0) as backend:
        port = int(backend.address.rpartition(":")[2])

        with pytest.raises(PortBusy, match=f"Port {port} on 127.0.0.1 is busy."):
            create_test_backend(port=port)
