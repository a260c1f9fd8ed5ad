"""No space left while a real scheduler runs: callers are told, nothing acknowledged is lost, and it goes on.

Two ways to be out of space: a limit on the size of files, put on the running process and lifted again, and a
small file system that is filled up (where this user may mount one).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.checks import check_history
from tests.faults.sockets import RunningScheduler, complete, refusal_of, turn

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="sets limits of a running process; needs Linux"
)

LIMIT_BYTES = 200_000
DISK_MEGABYTES = 24
LARGE = json.dumps("x" * 300_000)
ATTEMPTS = 200


class LimitedFiles:
    """Files of the scheduler's process may not grow past a limit."""

    reason = "disk I/O error"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, scheduler: RunningScheduler) -> None:
        self._limit(scheduler, LIMIT_BYTES)

    def free(self, scheduler: RunningScheduler) -> None:
        self._limit(scheduler, resource.RLIM_INFINITY)

    def _limit(self, scheduler: RunningScheduler, size: int) -> None:
        resource.prlimit(scheduler.actor.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class SmallDisk:
    """A file system of its own that a large file fills."""

    reason = "database or disk is full"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, scheduler: RunningScheduler) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            for size in (1 << 20, 1 << 12):
                try:
                    while filler.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def free(self, scheduler: RunningScheduler) -> None:
        (self.folder / "filler").unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    size = f"size={DISK_MEGABYTES}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def may_mount() -> bool:
    """Whether this user may mount a file system here."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    attempt = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return attempt.returncode == 0


WAYS = ["limited files", "small disk"] if sys.platform == "linux" and may_mount() else ["limited files"]


@pytest.fixture(params=WAYS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LimitedFiles | SmallDisk]:
    if request.param == "limited files":
        yield LimitedFiles(tmp_path)
    else:
        with small_disk(tmp_path) as disk:
            yield disk


@pytest.fixture
def scheduler(disk: LimitedFiles | SmallDisk) -> Iterator[RunningScheduler]:
    running = RunningScheduler(disk.folder)
    yield running
    running.close()


def test_a_scheduler_without_space_tells_everybody_and_goes_on_when_there_is_some(
    scheduler: RunningScheduler, disk: LimitedFiles | SmallDisk
) -> None:
    worker = scheduler.connect_worker()
    accepted = [scheduler.start_instance(instance_id="early", input=LARGE)]

    disk.fill(scheduler)
    for number in range(ATTEMPTS):
        try:
            accepted.append(scheduler.start_instance(instance_id=f"late-{number}", input=LARGE))
        except grpc.RpcError:
            break
    refused = refusal_of(lambda: scheduler.start_instance(instance_id="refused", input=LARGE))
    told = worker.end()

    sentence = (
        f"{scheduler.db} could not be written: {disk.reason}. "
        f"Nothing that was acknowledged is lost; free space or mend the file's permissions."
    )
    assert refused == (grpc.StatusCode.UNAVAILABLE, sentence)
    assert (told.code(), told.details()) == (grpc.StatusCode.UNAVAILABLE, sentence)
    assert not scheduler.call.GetInstance(pb.GetInstanceRequest(instanceId="refused"), timeout=5).exists

    disk.free(scheduler)
    accepted.append(scheduler.start_instance(instance_id="refused", input=LARGE))
    again = scheduler.connect_worker()
    for _ in accepted:
        item = again.next_turn()
        scheduler.call.CompleteOrchestratorTask(turn(item, complete(0, "done")))
    scheduler.restart()

    assert again.is_empty
    for instance_id in accepted:
        assert scheduler.state(instance_id).orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
        check_history(instance_id, scheduler.history(instance_id), has_ended=True)


def test_a_scheduler_killed_without_space_has_lost_nothing(
    scheduler: RunningScheduler, disk: LimitedFiles | SmallDisk
) -> None:
    accepted = [scheduler.start_instance(instance_id="early", input=LARGE)]
    disk.fill(scheduler)
    for number in range(ATTEMPTS):
        try:
            accepted.append(scheduler.start_instance(instance_id=f"late-{number}", input=LARGE))
        except grpc.RpcError:
            break

    scheduler.actor.kill()
    if isinstance(disk, SmallDisk):  # the limit has died with the process
        disk.free(scheduler)
    scheduler.restart()
    worker = scheduler.connect_worker()
    found = [worker.next_turn().orchestratorRequest.instanceId for _ in accepted]

    assert sorted(found) == sorted(accepted)
