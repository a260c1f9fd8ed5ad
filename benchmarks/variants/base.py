"""What a variant is: a way to run the same programs, brought up as processes that a benchmark can watch.

A new variant is one small module beside this one: an object of a `Variant` subclass, listed in `__init__`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.processes import Child

START_TIMEOUT = 30.0  # seconds for any process to report that it is ready
ANSWER_GRACE = 5.0  # seconds that a client may answer later than the timeout it was given


class WorkloadFailed(Exception):
    """The client reported that a workload could not be run or gave a wrong result."""


class Deployment:
    """The running processes of one variant, by role; the one called `client` takes requests."""

    def __init__(self, place: Path, patience: float = 1.0) -> None:
        """`patience` is how many times as long as asked for the client may take."""
        self.place = place
        self._patience = patience
        self.processes: dict[str, Child] = {}

    def start(self, role: str, command: list[str]) -> tuple[Child, str]:
        """Starts a process and waits for its first line; returns both."""
        child = self.processes[role] = Child(role, command, self.place)
        return child, child.read_line(START_TIMEOUT)

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Has the client run a workload; raises WorkloadFailed, ChildSilent, ChildEnded."""
        client = self.processes["client"]
        timeout = float(request["timeout"]) * self._patience
        client.send({**request, "timeout": timeout})
        return checked(client.read_answer(timeout + ANSWER_GRACE))

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time of each process so far."""
        return {role: child.cpu_seconds() for role, child in self.processes.items()}

    def stop(self) -> None:
        """Kills every process; there is nothing worth keeping."""
        for child in self.processes.values():
            child.kill()


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """The client's answer, or WorkloadFailed with the error it reports."""
    if "error" in answer:
        raise WorkloadFailed(answer["error"])
    return answer


class Variant(ABC):
    """A product in a given set-up; `key` names it on the command line, `title` describes it in reports."""

    key: str
    title: str

    is_fetched: bool = False
    """Whether `prepare` fetches or builds anything: such a variant runs only when it is asked for."""
    patience: float = 1.0
    """How many times as long as others it may take for a workload before it counts as hanging."""
    not_offered: ClassVar[Mapping[str, str]] = {}
    """Families of measurements that the product has no way to run, each with the reason."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why this variant cannot run here, or None; quick, and changes nothing."""

    def prepare(self) -> str | None:
        """Gets and builds what is not there yet, which may take minutes; why that failed, or None."""
        return None

    @abstractmethod
    def deploy(self, place: Path) -> contextlib.AbstractContextManager[Deployment]:
        """All processes up while the context lasts, with their data in the empty folder `place`."""

    @abstractmethod
    def cold_start(self, place: Path) -> dict[str, float]:
        """Milliseconds from process start: `scheduler ready`, `worker to first result`, those that apply."""


class ThreeProcesses(Variant):
    """Scheduler, worker and client as processes."""

    @abstractmethod
    def start_scheduler(self, deployment: Deployment) -> str:
        """Starts the process with role `scheduler`, waits until it is ready; its host:port."""

    @abstractmethod
    def actor(self, role: str, address: str) -> list[str]:
        """The command of the `worker` or the `client` of the scheduler at `address`."""

    @contextlib.contextmanager
    def deploy(self, place: Path) -> Iterator[Deployment]:
        """Starts scheduler, worker and client in this order."""
        deployment = Deployment(place, self.patience)
        try:
            address = self.start_scheduler(deployment)
            deployment.start("worker", self.actor("worker", address))
            deployment.start("client", self.actor("client", address))
            yield deployment
        finally:
            deployment.stop()

    def cold_start(self, place: Path) -> dict[str, float]:
        """The worker is started while an orchestration of one step already waits for it."""
        deployment = Deployment(place)
        try:
            address = self.start_scheduler(deployment)
            ready = time.perf_counter() - deployment.processes["scheduler"].started_at
            client, _ = deployment.start("client", self.actor("client", address))
            client.send({"workload": "first_result", "size": 1, "timeout": START_TIMEOUT})
            checked(client.read_answer(START_TIMEOUT))
            worker, _ = deployment.start("worker", self.actor("worker", address))
            checked(client.read_answer(START_TIMEOUT + ANSWER_GRACE))
            first = time.perf_counter() - worker.started_at
            return {"scheduler ready": ready * 1000, "worker to first result": first * 1000}
        finally:
            deployment.stop()


class DurableTaskProcesses(ThreeProcesses):
    """Three processes; worker and client are of an SDK with durabletask's API."""

    def __init__(
        self,
        key: str,
        title: str,
        *,
        sdk: str,
        async_activities: bool = False,
        linked: tuple[str, ...] = ("worker", "client"),
    ) -> None:
        self.key = key
        self.title = title
        self._sdk = sdk
        self._async_activities = async_activities
        self._linked = linked

    def missing(self) -> str | None:
        """Names the SDK if it is not installed."""
        return missing_module(f"{self._sdk}.worker") or missing_module(f"{self._sdk}.client")

    def actor(self, role: str, address: str) -> list[str]:
        """The actor for any such SDK, with this Python."""
        flags = [] if role in self._linked else ["--no-link"]
        if role == "worker" and self._async_activities:
            flags.append("--async-activities")
        return python_module(f"benchmarks.actors.{role}", "--sdk", self._sdk, "--address", address, *flags)


class OneProcess(Variant):
    """Scheduler, worker and client in one process; its role is `client`, as it is what takes requests."""

    @abstractmethod
    def command(self, place: Path) -> list[str]:
        """The command of the process, which keeps its data in `place`."""

    @contextlib.contextmanager
    def deploy(self, place: Path) -> Iterator[Deployment]:
        """Starts the process."""
        deployment = Deployment(place, self.patience)
        try:
            deployment.start("client", self.command(place))
            yield deployment
        finally:
            deployment.stop()

    def cold_start(self, place: Path) -> dict[str, float]:
        """From the start of the process to its first result."""
        deployment = Deployment(place)
        try:
            client, _ = deployment.start("client", self.command(place))
            client.send({"workload": "first_result", "size": 1, "timeout": START_TIMEOUT})
            checked(client.read_answer(START_TIMEOUT))
            checked(client.read_answer(START_TIMEOUT))
            return {"worker to first result": (time.perf_counter() - client.started_at) * 1000}
        finally:
            deployment.stop()


def python_module(module: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """The command that runs a module, with this Python unless another one is named."""
    return [python, "-m", module, *arguments]


def missing_module(name: str) -> str | None:
    """The sentence to show when a module cannot be imported, or None when it can."""
    try:
        found = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        found = False
    return None if found else f"module {name} is not installed"


def missing_tool(name: str) -> str | None:
    """The sentence to show when a command is not on the path, or None when it is."""
    return None if shutil.which(name) else f"command {name} is not installed"


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
