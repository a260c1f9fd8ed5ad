"""Nothing leaves the scheduler before the transaction that makes it true is on disk (design, rule 1).

When something leaves, the file is asked whether it holds it: the history and the events of a turn, the
scheduling of an activity, the end that somebody waited for.
"""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from durakit.scheduler.machine.instance import TERMINAL, Instance, Status
from durakit.scheduler.streams import WorkerStream
from durakit.scheduler.waiters import Waiter, has_ended
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.rig import Rig

SEEDS = range(12)
STEPS = 200

MADE_AGAIN = {"orchestratorStarted", "timerFired"}
"""Events that are not stored before a turn is answered: they follow from history and clock."""


class File:
    """The scheduler's file, read by somebody else."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)

    def close(self) -> None:
        self._connection.close()

    def row(self, instance_id: str) -> tuple[int, Status]:
        """Return number and status of an instance."""
        found = self._connection.execute("SELECT row, status FROM instance WHERE id = ?", (instance_id,))
        rows: list[Any] = found.fetchall()
        assert rows, f"{instance_id} is not in the file"
        return rows[0][0], Status(rows[0][1])

    def history(self, instance_id: str) -> list[pb.HistoryEvent]:
        """Return the events of an instance."""
        row, _ = self.row(instance_id)
        blobs = self._connection.execute("SELECT blob FROM history WHERE row = ? ORDER BY turn", (row,))
        return framing.events_of(b"".join(blob for (blob,) in blobs))

    def inbox(self, instance_id: str) -> list[bytes]:
        """Return the events that wait for an instance."""
        row, _ = self.row(instance_id)
        found = self._connection.execute("SELECT event FROM inbox WHERE row = ? ORDER BY key", (row,))
        return [event for (event,) in found]


def check_item(file: File, item: pb.WorkItem) -> None:
    """The item is true according to the file."""
    if item.HasField("activityRequest"):
        request = item.activityRequest
        scheduled = [event.eventId for event in file.history(request.orchestrationInstance.instanceId)]
        assert request.taskId in scheduled, f"an activity left that no history knows: {request}"
    elif item.HasField("orchestratorRequest"):
        turn = item.orchestratorRequest
        assert list(turn.pastEvents) == file.history(turn.instanceId), f"{turn.instanceId}: other history"
        waiting = [pb.HistoryEvent.FromString(event) for event in file.inbox(turn.instanceId)]
        new = [event for event in turn.newEvents if event.WhichOneof("eventType") not in MADE_AGAIN]
        assert new == waiting[: len(new)], f"{turn.instanceId}: events left that are not in the file"


def check_life(seed: int, folder: Path) -> None:
    """Live a random life; whatever leaves is compared with the file at that moment."""
    path = folder / "scheduler.db"
    rig = Rig(path, random.Random(seed))
    rig.commit()
    told: list[str] = []
    with closing(File(path)) as file:

        def on_sent(stream: WorkerStream) -> None:
            check_item(file, pb.WorkItem.FromString(stream.outbox[-1]))

        def on_end(instance: Instance) -> None:
            _, status = file.row(instance.id)
            assert status in TERMINAL, f"{instance.id}: an end was told that the file does not know"
            assert status is instance.status
            told.append(instance.id)

        rig.on_sent = on_sent
        rig.open_stream()
        watched: set[str] = set()
        for _ in range(STEPS):
            rig.step()
            if rig.draw.random() < 0.05:
                watched.add(terminated := rig.start("listener", 1))
                rig.hub.wait(terminated, Waiter(has_ended, on_end, lambda error: None))
                _terminate_meanwhile(rig, terminated)
            for instance_id in rig.hub.machine.resident.keys() - watched:
                watched.add(instance_id)
                rig.hub.wait(instance_id, Waiter(has_ended, on_end, lambda error: None))
        rig.commit()
    rig.store.close()
    assert len(told) > 5, "too little happened"


def _terminate_meanwhile(rig: Rig, instance_id: str) -> None:
    """End an instance while the group that creates it is being written."""
    group = rig.engine.cut()
    rig.hub.terminate(pb.TerminateRequest(instanceId=instance_id), rig.now)
    assert group.batch is not None
    rig.store.commit(group.batch)
    rig.engine.release(group)
    rig.commit()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_leaves_is_on_disk(seed: int, tmp_path: Path) -> None:
    check_life(seed, tmp_path)
