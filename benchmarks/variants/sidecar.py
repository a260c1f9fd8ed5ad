"""Microsoft's Python SDK on the sidecar of `durabletask-go`, which keeps its data in a SQLite file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from benchmarks.variants.base import Deployment, DurableTaskProcesses, missing_tool
from benchmarks.variants.provisions import reason
from tests.foreign.building import SIDECAR, build_sidecar
from tests.foreign.schedulers import sidecar_address, sidecar_command


class OnSidecar(DurableTaskProcesses):
    """The sidecar as it is built from its module; its log cannot be turned off and goes to a file."""

    not_offered: ClassVar[Mapping[str, str]] = {
        "eternal": "the sidecar refuses to continue as new more than 20 times without a wait"
    }
    is_fetched = True
    patience = 4.0

    def missing(self) -> str | None:
        """Also names the Go toolchain, of which the sidecar is built."""
        return missing_tool("go") or super().missing()

    def prepare(self) -> str | None:
        """Builds the sidecar."""
        return why_no_sidecar()

    def start_scheduler(self, deployment: Deployment) -> str:
        """Starts the sidecar on a port of its choice."""
        command = sidecar_command(SIDECAR, deployment.place / "sidecar.db")
        _, line = deployment.start("scheduler", command)
        return sidecar_address(line)


@cache
def why_no_sidecar() -> str | None:
    """Builds it, once a run; why that failed, or None."""
    try:
        build_sidecar()
    except RuntimeError as problem:
        return reason(str(problem))
    return None


SIDECAR_GO = OnSidecar("sidecar-go", "Microsoft's SDK on the sidecar of durabletask-go", sdk="durabletask")
