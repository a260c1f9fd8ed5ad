"""The client process of variants whose SDK has durabletask's API; the SDK is named by `--sdk`."""

from __future__ import annotations

import argparse
import importlib
import os
from typing import Any

from benchmarks.actors.driver import serve
from benchmarks.actors.programs import EVENT_NAME
from benchmarks.actors.sdk import connection_arguments


class DurableTaskDriver:
    """A `Driver` over the synchronous client of durabletask or durakit."""

    def __init__(self, sdk: str, address: str = "", *, client: Any = None) -> None:
        module = importlib.import_module(f"{sdk}.client")
        self._client = client or module.TaskHubGrpcClient(**connection_arguments(sdk, address))
        self._completed: Any = module.OrchestrationStatus.COMPLETED

    def start(self, workflow: str, argument: object) -> str:
        """Schedules the orchestration; its instance id."""
        instance: str = self._client.schedule_new_orchestration(workflow, input=argument)
        return instance

    def wait_until_running(self, instance: str, timeout: float) -> None:
        """Waits until the worker has taken the instance up."""
        self._client.wait_for_orchestration_start(instance, timeout=timeout)

    def wait(self, instance: str, timeout: float) -> object:
        """Waits for the result; raises RuntimeError when the orchestration did not complete."""
        state = self._client.wait_for_orchestration_completion(instance, timeout=timeout)
        if state is None or state.runtime_status != self._completed:
            raise RuntimeError(f"orchestration {instance} did not complete: {state}")
        output: object = state.get_output()
        return output

    def raise_event(self, instance: str, data: object) -> None:
        """Raises the programs' event."""
        self._client.raise_orchestration_event(instance, EVENT_NAME, data=data)


def main() -> None:
    """Runs the workloads that arrive on stdin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sdk", required=True, help="import name of the SDK")
    parser.add_argument("--address", required=True, help="host:port of the scheduler")
    parser.add_argument("--no-link", action="store_true", help="make unary calls only")
    options = parser.parse_args()
    if options.no_link:
        os.environ["DURAKIT_LINK"] = "off"
    serve(DurableTaskDriver(options.sdk, options.address))


if __name__ == "__main__":
    main()
