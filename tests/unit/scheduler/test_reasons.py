"""What the scheduler says when work waits for a worker that is not there."""

from __future__ import annotations

from durakit.scheduler.reasons import nobody_offers
from durakit.scheduler.streams import Offer, WorkerStream
from durakit.wire.messages import orchestration_pb2 as pb


def worker(name: str, *activities: str, filters: bool = True) -> WorkerStream:
    request = pb.GetWorkItemsRequest()
    if filters:
        request.workItemFilters.SetInParent()
        request.workItemFilters.activities.extend(pb.ActivityFilter(name=activity) for activity in activities)
    return WorkerStream(Offer(name, "", 0, request), lambda: None)


def test_without_any_worker_that_is_the_reason() -> None:
    assert nobody_offers(("ship", ""), [], turn=False) == "No worker is connected."


def test_the_reason_names_what_is_missing_and_what_the_connected_workers_offer() -> None:
    streams = [worker("build-7:4121", "pay", "pack"), worker("laptop:9")]

    assert nobody_offers(("ship", "1.4"), streams, turn=False) == (
        "No connected worker offers activity 'ship' (version 1.4). "
        "Connected: build-7:4121 offers pack, pay; laptop:9 offers none."
    )


def test_long_lists_of_names_are_cut() -> None:
    stream = worker("build-7", *[f"step-{number}" for number in range(7)])

    sentence = nobody_offers(("ship", ""), [stream], turn=False)

    assert sentence is not None
    assert sentence.endswith("build-7 offers step-0, step-1, step-2, step-3, step-4 and 2 more.")


def test_a_worker_without_filters_is_given_everything() -> None:
    assert nobody_offers(("ship", ""), [worker("old", filters=False)], turn=False) is None
