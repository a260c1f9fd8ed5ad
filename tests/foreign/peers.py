"""The foreign SDKs: how to get and run each, which versions, and what it is known not to offer.

Versions are those of the manifests beside each program; nothing here repeats them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from durakit import __version__

from tests.foreign import schedulers
from tests.foreign.building import GO, SIDECAR, build_go, build_sidecar, once_for

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JAVASCRIPT, JAVA = HERE / "javascript", HERE / "java"

Scheduler = Callable[[Path], AbstractContextManager[str]]


@dataclass(frozen=True, eq=False)
class Peer:
    """One worker and client, and the scheduler they talk to.

    Attributes:
        sdk: whose worker and client.
        scheduler: of whom.
        tools: commands that must be there; without one its tests are skipped.
        prepare: fetches and builds what is not there yet.
        command: runs all scenarios at the address that follows, but those not offered, whose names follow it.
        serve: starts the scheduler.
        not_offered: scenarios that cannot be written with this peer, with the reason.
        remarks: what a reader should know of a scenario that passes.
    """

    name: str
    sdk: str
    scheduler: str
    tools: Sequence[str]
    prepare: Callable[[], None]
    command: Sequence[str]
    serve: Scheduler = schedulers.durakit
    not_offered: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)

    def missing_tools(self) -> list[str]:
        """Return the commands that are not on this machine."""
        return [tool for tool in self.tools if shutil.which(tool) is None]


def _prepare_javascript() -> None:
    sources = [JAVASCRIPT / "package.json", JAVASCRIPT / "package-lock.json"]
    stamp = JAVASCRIPT / "node_modules" / ".durakit"
    once_for(sources, stamp, ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], JAVASCRIPT)


def _prepare_java() -> None:
    sources = [JAVA / "pom.xml", *JAVA.glob("src/**/*.java")]
    once_for(sources, JAVA / "target" / ".durakit", ["mvn", "-q", "-B", "process-classes"], JAVA)


def _version(pattern: str, manifest: Path) -> str:
    found = re.search(pattern, manifest.read_text())
    assert found is not None, f"{manifest} has nothing like {pattern}"
    return found[1]


GO_VERSION = _version(r"durabletask-go (v\S+)", GO / "go.mod")
JAVASCRIPT_VERSION = _version(r'"@microsoft/durabletask-js": "(.+?)"', JAVASCRIPT / "package.json")
JAVA_VERSION = _version(
    r"<artifactId>durabletask-client</artifactId>\s*<version>(.+?)</version>", JAVA / "pom.xml"
)

OURS = f"durakit {__version__}"

NODE_PEER = Peer(
    "node",
    sdk=f"JavaScript: `@microsoft/durabletask-js` {JAVASCRIPT_VERSION}",
    scheduler=OURS,
    tools=("node", "npm"),
    prepare=_prepare_javascript,
    command=("node", str(JAVASCRIPT / "main.js")),
)

_NO_CALL_IN_JAVA = "its client has no such call"

JAVA_PEER = Peer(
    "java",
    sdk=f"Java: `com.microsoft:durabletask-client` {JAVA_VERSION}",
    scheduler=OURS,
    tools=("java", "mvn"),
    prepare=_prepare_java,
    command=(
        "java",
        "-cp",
        os.pathsep.join((str(JAVA / "target" / "classes"), str(JAVA / "target" / "lib" / "*"))),
        "durakit.foreign.Main",
    ),
    not_offered={
        "terminate-children": "its client terminates one instance only",
        "list-ids": _NO_CALL_IN_JAVA,
        "rewind": _NO_CALL_IN_JAVA,
        "history": _NO_CALL_IN_JAVA,
        "tags": "it has no tags",
        "versioning": "a version can be given at the start, but no orchestrator or worker sees it",
        "work-item-filters": "its worker sends no filters",
    },
    remarks={
        "carry-over": (
            "an event that was there before its waiter is carried over even when consumed, a defect of this "
            "SDK's worker; the scenario waits first"
        ),
        "restart": (
            "only with a new id: for the same one this SDK starts a second instance with an id in use, "
            "which Durakit refuses as Azure does"
        ),
    },
)

_NO_CALL_IN_GO = "its client has no such call"

GO_PEER = Peer(
    "go",
    sdk=f"Go: `github.com/microsoft/durabletask-go` {GO_VERSION}",
    scheduler=OURS,
    tools=("go",),
    prepare=partial(build_go, "."),
    command=(str(GO / "bin" / "foreign"),),
    not_offered={
        "timer-race": "it cannot wait for the first of several tasks, only for an event with a limit",
        "send-event": "its orchestrations cannot raise events",
        "query": _NO_CALL_IN_GO,
        "list-ids": _NO_CALL_IN_GO,
        "purge-many": "its client purges by id only",
        "restart": _NO_CALL_IN_GO,
        "rewind": _NO_CALL_IN_GO,
        "history": _NO_CALL_IN_GO,
        "tags": "it has no tags",
        "versioning": "it has no versions",
        "work-item-filters": "its worker sends no filters",
    },
    remarks={"activity-failure": "its client reports the status FAILED but drops the failure's details"},
)


def _ours(flavour: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.foreign.ours", flavour)


_NO_CALL_IN_SIDECAR = "it does not implement this call"

NOT_IN_THE_SIDECAR = {
    "send-event": "it hands the target the sender's record of sending, not an event raised, a defect",
    "scheduled-start": "it records the time but starts at once",
    "query": _NO_CALL_IN_SIDECAR,
    "list-ids": _NO_CALL_IN_SIDECAR,
    "purge-many": "it purges by id only",
    "restart": _NO_CALL_IN_SIDECAR,
    "rewind": _NO_CALL_IN_SIDECAR,
    "history": _NO_CALL_IN_SIDECAR,
    "tags": "it drops tags",
    "versioning": "it drops versions",
    "work-item-filters": "it ignores filters",
    "two-hubs": "it has one task hub",
}


def _sidecar_peer(flavour: str) -> Peer:
    return Peer(
        f"sidecar-{flavour}",
        sdk=f"Python: `durakit` {__version__}, {flavour} orchestrators",
        scheduler=f"sidecar of durabletask-go {GO_VERSION}",
        tools=("go",),
        prepare=build_sidecar,
        command=_ours(flavour),
        serve=partial(schedulers.sidecar, SIDECAR),
        not_offered=NOT_IN_THE_SIDECAR,
    )


def _own_peer(flavour: str) -> Peer:
    return Peer(
        f"durakit-{flavour}",
        sdk=f"Python: `durakit` {__version__}, {flavour} orchestrators",
        scheduler=OURS,
        tools=(),
        prepare=lambda: None,
        command=_ours(flavour),
    )


FLAVOURS = ("generator", "async")
OWN_PEERS = tuple(map(_own_peer, FLAVOURS))
SIDECAR_PEERS = tuple(map(_sidecar_peer, FLAVOURS))
PEERS = (*OWN_PEERS, NODE_PEER, JAVA_PEER, GO_PEER, *SIDECAR_PEERS)
