"""A walk through everything that can be done to an orchestration from outside, with what one sees then."""

from __future__ import annotations

import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path

import durakit
from durakit.client import (
    OrchestrationQuery,
    OrchestrationState,
    OrchestrationStatus,
    TaskHubGrpcClient,
)

from workflow import RELEASE, Imported, ImportRequest, managed_import

FILES = {
    "january.csv": "day,amount\n2026-01-05,120.50\n2026-01-19,80.00\n",
    "february.csv": "day,amount\n2026-02-02,99.90\n",
    "march.csv": "day,amount\n2026-03-03,45.10\n2026-03-17,54.50\n2026-03-30,100.00\n",
}
JANUARY, FEBRUARY, MARCH = FILES


class Tour:
    """One walk, with files and instances of its own."""

    def __init__(self, client: TaskHubGrpcClient, folder: Path) -> None:
        self._client = client
        self._name = f"import-{uuid.uuid4().hex[:8]}"
        self._folder = folder / self._name
        self._folder.mkdir(parents=True)
        self._files = list(FILES)

    def walk(self) -> None:
        """Do it all; end the program with a sentence if the scheduler shows anything unexpected."""
        first = self._start("held", held=True)
        self._suspend_and_resume(f"{first}-{JANUARY}")
        self._terminate(first)
        again = self._restart(first)
        failed = self._fail()
        self._rewind(failed)
        self._list()
        self._purge(again, failed)

    def _start(self, suffix: str, *, held: bool) -> str:
        request = ImportRequest(str(self._folder), self._files, held)
        for name in self._files:
            self._provide(name)
        instance_id = self._client.schedule_new_orchestration(
            managed_import, input=request, instance_id=f"{self._name}-{suffix}"
        )
        print(f"Started {instance_id}", flush=True)
        return instance_id

    def _provide(self, name: str) -> None:
        (self._folder / name).write_text(FILES[name], "utf-8")

    def _suspend_and_resume(self, child: str) -> None:
        self._until(child, OrchestrationStatus.RUNNING)
        self._client.suspend_orchestration(child, reason="the bank is closed")
        self._tell("suspend", self._until(child, OrchestrationStatus.SUSPENDED))
        self._client.raise_orchestration_event(child, RELEASE)
        self._tell("release", self._until(child, OrchestrationStatus.SUSPENDED), "the event is kept")
        self._client.resume_orchestration(child)
        self._tell("resume", self._until(child, OrchestrationStatus.COMPLETED))

    def _terminate(self, instance_id: str) -> None:
        self._until(f"{instance_id}-{MARCH}", OrchestrationStatus.RUNNING)
        self._client.terminate_orchestration(instance_id, output="no longer wanted")
        self._tell("terminate", self._until(instance_id, OrchestrationStatus.TERMINATED))
        for name, status in (
            (JANUARY, OrchestrationStatus.COMPLETED),
            (FEBRUARY, OrchestrationStatus.TERMINATED),
            (MARCH, OrchestrationStatus.TERMINATED),
        ):
            self._tell("", self._until(f"{instance_id}-{name}", status))

    def _restart(self, instance_id: str) -> str:
        again = self._client.restart_orchestration(instance_id, restart_with_new_instance_id=True)
        self._tell("restart", self._until(again, OrchestrationStatus.RUNNING), "same input, new id")
        for name in self._files:
            child = f"{again}-{name}"
            self._until(child, OrchestrationStatus.RUNNING)
            self._client.raise_orchestration_event(child, RELEASE)
        self._tell("release", self._until(again, OrchestrationStatus.COMPLETED))
        return again

    def _fail(self) -> str:
        self._files = [JANUARY, MARCH]
        request = ImportRequest(str(self._folder), self._files)
        (self._folder / MARCH).unlink()
        instance_id = self._client.schedule_new_orchestration(
            managed_import, input=request, instance_id=f"{self._name}-failing"
        )
        print(f"Started {instance_id}, and {MARCH} is missing", flush=True)
        self._tell("", self._until(instance_id, OrchestrationStatus.FAILED))
        return instance_id

    def _rewind(self, instance_id: str) -> None:
        self._provide(MARCH)
        (self._folder / JANUARY).unlink()  # was read, so nobody will look for it again
        self._client.rewind_orchestration(instance_id, reason=f"{MARCH} is there now")
        note = f"{MARCH} is there now; {JANUARY} is gone, but was read before"
        self._tell("rewind", self._until(instance_id, OrchestrationStatus.COMPLETED), note)

    def _list(self) -> None:
        for title, statuses in (
            ("all of this tour", None),
            ("terminated", [OrchestrationStatus.TERMINATED]),
            ("failed", [OrchestrationStatus.FAILED]),
        ):
            query = OrchestrationQuery(runtime_status=statuses, instance_id_prefix=self._name)
            print(f"{'query':10}{title}: {len(self._client.get_all_orchestration_states(query))}")

    def _purge(self, restarted: str, rewound: str) -> None:
        deleted = self._client.purge_orchestration(restarted, recursive=True).deleted_instance_count
        print(f"{'purge':10}by id, with its children: {deleted} deleted")
        # By filter; the narrow window keeps it from what others have in this task hub.
        created = self._until(rewound, OrchestrationStatus.COMPLETED).created_at
        deleted = self._client.purge_orchestrations_by(
            created_time_from=created,
            created_time_to=created + timedelta(milliseconds=1),
            runtime_status=[OrchestrationStatus.COMPLETED],
            recursive=True,
        ).deleted_instance_count
        print(f"{'purge':10}completed ones of that millisecond, with their children: {deleted} deleted")
        query = OrchestrationQuery(instance_id_prefix=self._name)
        left = self._client.get_all_orchestration_states(query)
        print(f"{len(left)} left: the terminated import and its children")

    def _until(self, instance_id: str, wanted: OrchestrationStatus) -> OrchestrationState:
        """Return the state once it has that status."""
        while True:
            for state in durakit.watch(self._client, instance_id, every=0.05):
                if state.runtime_status is wanted:
                    return state
                if state.runtime_status.is_terminal:
                    sys.exit(f"client.py: should be {wanted}: {describe(state)}")
            time.sleep(0.05)  # a child that its parent has not started yet

    def _tell(self, what: str, state: OrchestrationState, note: str = "") -> None:
        print(f"{what:10}{describe(state)}{f' ({note})' if note else ''}", flush=True)


def describe(state: OrchestrationState) -> str:
    """Return id, status and outcome of an import in a line."""
    line = f"{state.instance_id} is {state.runtime_status}"
    if state.failure_details is not None:
        return f"{line}: {state.failure_details.message}"
    if state.runtime_status is OrchestrationStatus.COMPLETED:
        result = state.get_output(Imported)
        return f"{line}: rows {result.rows}, amount {result.amount}" if result else line
    return f"{line}: {state.get_output()}" if state.serialized_output else line
