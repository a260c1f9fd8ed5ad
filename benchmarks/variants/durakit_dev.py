"""Durakit's own scheduler, `durakit dev` with its data on disk, under our SDK and under Microsoft's."""

from __future__ import annotations

import json
import sys

from benchmarks.variants.base import Deployment, DurableTaskProcesses, missing_module

RUN_COMMAND = "import sys; from durakit.cli import main; sys.exit(main())"


class OnDurakitScheduler(DurableTaskProcesses):
    """Worker and client of the given SDK on `durakit dev` as shipped, dashboard included."""

    program: tuple[str, ...] = (sys.executable, "-c", RUN_COMMAND)
    """What runs the command `durakit`."""

    def missing(self) -> str | None:
        """Also names our scheduler's parts."""
        return (
            missing_module("durakit.cli") or missing_module("durakit.scheduler.server") or super().missing()
        )

    def start_scheduler(self, deployment: Deployment) -> str:
        """Starts the scheduler on ports of its choice."""
        ports = ["--grpc-port", "0", "--dashboard-port", "0"]
        store = ["--db", str(deployment.place / "scheduler.db"), "--log-format", "json"]
        _, line = deployment.start("scheduler", [*self.program, "dev", *ports, *store])
        address: str = json.loads(line)["grpc"]
        return address.removeprefix("http://")


DURAKIT = OnDurakitScheduler("durakit", "Durakit, thread-pool activities", sdk="durakit")
DURAKIT_STANDARD = OnDurakitScheduler(
    "durakit-standard", "Durakit, standard protocol", sdk="durakit", linked=()
)
DURAKIT_UNARY = OnDurakitScheduler(
    "durakit-unary", "Durakit, client without a link", sdk="durakit", linked=("worker",)
)
DURAKIT_ASYNC = OnDurakitScheduler(
    "durakit-async", "Durakit, async activities", sdk="durakit", async_activities=True
)
MICROSOFT_ON_DURAKIT = OnDurakitScheduler(
    "ms-on-durakit", "Microsoft's SDK on our scheduler", sdk="durabletask"
)
