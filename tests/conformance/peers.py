"""The SDKs under comparison, all addressed by the names of PyPI's `durabletask`, which ours shares.

Orchestrators are written once, as generators. For the `async def` flavour `awaiting` turns each into a
coroutine function that awaits what the generator yields.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Orchestrator = Callable[..., Any]

QUIET = logging.getLogger("tests.conformance.peer")
"""Where the peers log: they would write every step to stderr."""
QUIET.setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Sdk:
    """One SDK; `managed` chooses its classes for the Azure scheduler instead of the plain ones."""

    package: str
    managed: bool = False

    def module(self, name: str) -> ModuleType:
        """Return one of its public modules."""
        return importlib.import_module(f"{self.package}.{name}")

    @property
    def messages(self) -> ModuleType:
        """Its protobuf messages, for the one public argument that is one (the id reuse policy)."""
        theirs = "durabletask.internal.orchestrator_service_pb2"
        ours = "durakit.wire.messages.orchestration_pb2"
        return importlib.import_module(theirs if self.package == "durabletask" else ours)

    def worker(self, address: str, task_hub: str, **options: Any) -> Any:
        """Return a worker, not started."""
        options.setdefault("logger", QUIET)
        if self.managed:
            made = self.module("azuremanaged.worker").DurableTaskSchedulerWorker
            return made(
                host_address=f"http://{address}",
                taskhub=task_hub,
                token_credential=None,
                secure_channel=False,
                **options,
            )
        plain = self.module("worker").TaskHubGrpcWorker
        return plain(host_address=address, metadata=[("taskhub", task_hub)], **options)

    def client(self, address: str, task_hub: str, **options: Any) -> Any:
        """Return a client."""
        options.setdefault("logger", QUIET)
        if self.managed:
            made = self.module("azuremanaged.client").DurableTaskSchedulerClient
            return made(
                host_address=f"http://{address}",
                taskhub=task_hub,
                token_credential=None,
                secure_channel=False,
                **options,
            )
        plain = self.module("client").TaskHubGrpcClient
        return plain(host_address=address, metadata=[("taskhub", task_hub)], **options)


DURABLETASK = Sdk("durabletask")
DURABLETASK_MANAGED = Sdk("durabletask", managed=True)
DURAKIT = Sdk("durakit")
DURAKIT_MANAGED = Sdk("durakit", managed=True)


@dataclass(frozen=True)
class Pair:
    """A worker and a client, and the scheduler between them.

    Attributes:
        backend: "durakit" for the embedded scheduler, "durabletask" for the in-memory one of that package.
        awaits: orchestrators are `async def`; durakit only.
        sessions: DURAKIT_SESSION_CACHE of the worker, None for the default.
        worker_link: whether a worker of ours takes the link that it is offered (DURAKIT_LINK).
        linked: the client makes its calls over a link, from the first one on; else it makes none over one.
    """

    name: str
    worker: Sdk
    client: Sdk
    backend: str = "durakit"
    awaits: bool = False
    sessions: int | None = None
    worker_link: bool = True
    linked: bool = False


PAIRS = (
    Pair("durabletask on ours", DURABLETASK, DURABLETASK),
    Pair("durabletask managed on ours", DURABLETASK_MANAGED, DURABLETASK_MANAGED),
    Pair("durakit on ours", DURAKIT, DURAKIT, linked=True),
    Pair("durakit async on ours", DURAKIT, DURAKIT, awaits=True),
    Pair("durakit managed on ours", DURAKIT_MANAGED, DURAKIT_MANAGED),
    Pair("durakit without sessions on ours", DURAKIT, DURAKIT, sessions=0),
    Pair("durakit with one session on ours", DURAKIT, DURAKIT, awaits=True, sessions=1),
    Pair("durakit without link on ours", DURAKIT, DURAKIT, worker_link=False),
    Pair(
        "durakit async without link or sessions on ours",
        DURAKIT,
        DURAKIT,
        awaits=True,
        sessions=0,
        worker_link=False,
    ),
    Pair("durakit worker and durabletask client on ours", DURAKIT, DURABLETASK),
    Pair("durabletask worker and durakit client on ours", DURABLETASK, DURAKIT, linked=True),
    Pair("durakit on theirs", DURAKIT, DURAKIT, backend="durabletask"),
    Pair("durakit async on theirs", DURAKIT, DURAKIT, backend="durabletask", awaits=True),
    # Nothing of ours: shows that what we call a limitation of that backend is one.
    Pair("durabletask on theirs", DURABLETASK, DURABLETASK, backend="durabletask"),
)


def awaiting(orchestrator: Orchestrator) -> Orchestrator:
    """Return the same orchestrator as `async def`; what it yielded it now awaits."""

    async def drive(ctx: Any, given: Any) -> Any:
        steps = orchestrator(ctx, given)
        if not inspect.isgenerator(steps):
            return steps
        resume: Callable[[Any], Any] = steps.send
        value: Any = None
        while True:
            try:
                task: Any = resume(value)
            except StopIteration as end:
                return end.value
            try:
                resume, value = steps.send, await task
            except Exception as problem:
                resume, value = steps.throw, problem

    drive.__name__ = drive.__qualname__ = orchestrator.__name__
    drive.__annotations__ = typing.get_type_hints(orchestrator)
    return drive
