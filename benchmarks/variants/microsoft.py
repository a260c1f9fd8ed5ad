"""The peer: Microsoft's durabletask SDK with its in-memory test backend, in three processes."""

from __future__ import annotations

from benchmarks.variants.base import Deployment, DurableTaskProcesses, free_port, python_module


class MicrosoftInMemory(DurableTaskProcesses):
    """durabletask worker and client on durabletask.testing's backend; nothing is durable."""

    def start_scheduler(self, deployment: Deployment) -> str:
        """Starts the backend on a free port."""
        port = free_port()
        command = python_module("benchmarks.actors.memory_backend", "--port", str(port))
        deployment.start("scheduler", command)
        return f"127.0.0.1:{port}"


PEER = MicrosoftInMemory("peer", "Microsoft's SDK, its in-memory backend", sdk="durabletask")
