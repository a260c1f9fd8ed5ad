"""Which delivery an answer without a token is for."""

from __future__ import annotations

from durakit.scheduler.deliveries import Deliveries
from durakit.scheduler.machine.instance import Instance, OpenTask, Status
from durakit.scheduler.streams import Offer, WorkerStream
from durakit.wire.messages import orchestration_pb2 as pb


def stream() -> WorkerStream:
    return WorkerStream(Offer("java", "", 0, pb.GetWorkItemsRequest()), lambda: None)


def test_of_two_runs_with_the_same_id_an_answer_is_for_the_one_still_awaited() -> None:
    instance = Instance(1, 1, "loop", "second", "loop", None, Status.RUNNING, 0, 0)
    before, now = (OpenTask(instance, 0, "step", "", b"") for _ in range(2))
    deliveries, worker = Deliveries("1", 1), stream()
    deliveries.open_task(worker, before, 0)
    awaited = deliveries.open_task(worker, now, 0)

    instance.tasks[0] = now

    assert deliveries.task_of("loop", 0) is awaited


def test_an_answer_nobody_awaits_still_frees_its_worker() -> None:
    instance = Instance(1, 1, "done", "only", "done", None, Status.COMPLETED, 0, 0)
    deliveries, worker = Deliveries("1", 1), stream()
    left_over = deliveries.open_task(worker, OpenTask(instance, 0, "step", "", b""), 0)

    assert deliveries.task_of("done", 0) is left_over
