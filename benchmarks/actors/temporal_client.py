"""The client process of the Temporal variants: its asyncio client, on a loop in a thread of its own."""

from __future__ import annotations

import argparse
import asyncio
import threading
import uuid
from collections.abc import Coroutine
from typing import Any

from benchmarks.actors.driver import serve
from benchmarks.actors.temporal_connection import connect
from benchmarks.actors.temporal_programs import EVENT_NAME, TASK_QUEUE

CONNECT_SECONDS = 30.0


class TemporalDriver:
    """A `Driver` over `temporalio.client`."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._client: Any = self._finish(connect(address), CONNECT_SECONDS)

    def start(self, workflow: str, argument: object) -> str:
        """Starts the workflow; its id."""
        instance = uuid.uuid4().hex
        self._finish(self._client.start_workflow(workflow, argument, id=instance, task_queue=TASK_QUEUE))
        return instance

    def wait_until_running(self, instance: str, timeout: float) -> None:
        """Asks the workflow itself, which only answers when a worker has taken it up."""
        self._finish(self._client.get_workflow_handle(instance).query("has_begun"), timeout)

    def wait(self, instance: str, timeout: float) -> object:
        """Waits for the result."""
        return self._finish(self._client.get_workflow_handle(instance).result(), timeout)

    def raise_event(self, instance: str, data: object) -> None:
        """Sends the signal."""
        self._finish(self._client.get_workflow_handle(instance).signal(EVENT_NAME, data))

    def _finish(self, call: Coroutine[Any, Any, Any], timeout: float | None = None) -> Any:
        """The outcome of a call, awaited on the loop; raises TimeoutError after `timeout` seconds."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(call, timeout), self._loop).result()


def main() -> None:
    """Runs the workloads that arrive on stdin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True, help="host:port of the server")
    options = parser.parse_args()
    serve(TemporalDriver(options.address))


if __name__ == "__main__":
    main()
