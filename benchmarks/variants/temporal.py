"""Temporal: its dev server on a SQLite file, its Python SDK as worker and client."""

from __future__ import annotations

from benchmarks.variants.base import Deployment, ThreeProcesses, free_port, missing_tool, python_module
from benchmarks.variants.provisions import GoProgram, PythonEnvironment, why_not

ENVIRONMENT = PythonEnvironment("temporal", ("temporalio==1.35.0",))
SERVER = GoProgram("github.com/temporalio/cli/cmd/temporal", "v1.5.1")
"""Not the newest: v1.9.1 replaces a module by a folder of its repository, which `go install` refuses."""

LIMITS = {
    # By default 2,000; with one more the workflow's task fails again and again.
    "limit.numPendingActivities.error": 20_000,
    # By default a second, which each execution after continue-as-new is made to wait.
    "history.workflowIdReuseMinimalInterval": 0,
}


class Temporal(ThreeProcesses):
    """The dev server without its web pages; each commit is fsynced, in SQLite's write-ahead mode."""

    is_fetched = True
    patience = 4.0

    def __init__(self, key: str, title: str, *, async_activities: bool = False) -> None:
        self.key = key
        self.title = title
        self._worker_flags = ["--async-activities"] if async_activities else []

    def missing(self) -> str | None:
        """Names the Go toolchain, of which the server is built."""
        return None if SERVER.binary.is_file() else missing_tool("go")

    def prepare(self) -> str | None:
        """Builds the server and installs the SDK."""
        return why_not(SERVER) or why_not(ENVIRONMENT)

    def start_scheduler(self, deployment: Deployment) -> str:
        """Starts the server on a free port."""
        port = free_port()
        where = ["--headless", "--ip", "127.0.0.1", "--port", str(port)]
        data = ["--db-filename", str(deployment.place / "temporal.db")]
        data += ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=FULL"]
        limits = [f"--dynamic-config-value={name}={value}" for name, value in LIMITS.items()]
        start = [str(SERVER.binary), "server", "start-dev", "--log-level", "never"]
        deployment.start("scheduler", [*start, *where, *data, *limits])
        return f"127.0.0.1:{port}"

    def actor(self, role: str, address: str) -> list[str]:
        """The actor of that role, in an environment of its own."""
        flags = self._worker_flags if role == "worker" else []
        module = f"benchmarks.actors.temporal_{role}"
        return python_module(module, "--address", address, *flags, python=ENVIRONMENT.python)


TEMPORAL = Temporal("temporal", "Temporal's dev server and SDK, thread-pool activities")
TEMPORAL_ASYNC = Temporal("temporal-async", "Temporal, async activities", async_activities=True)
