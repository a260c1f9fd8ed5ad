"""Which worker is given what: filters, credit, sessions (semantics 2.1, 2.2, 2.7)."""

from __future__ import annotations

import pytest
from durakit.wire.messages import orchestration_pb2 as pb

from .rig import Rig, complete, schedule, text


def only(
    orchestrations: list[tuple[str, list[str]]] | None = None,
    activities: list[tuple[str, list[str]]] | None = None,
) -> pb.WorkItemFilters:
    return pb.WorkItemFilters(
        orchestrations=[pb.OrchestrationFilter(name=n, versions=v) for n, v in orchestrations or []],
        activities=[pb.ActivityFilter(name=n, versions=v) for n, v in activities or []],
    )


# --- filters


def test_a_filter_lets_only_its_names_through() -> None:
    rig = Rig()
    red = rig.worker("red", filters=only([("red", [])]))
    blue = rig.worker("blue", filters=only([("blue", [])]))

    rig.start("1", "blue")
    rig.start("2", "red")

    assert red.item().orchestratorRequest.instanceId == "2"
    assert blue.item().orchestratorRequest.instanceId == "1"


def test_names_are_compared_exactly() -> None:
    rig = Rig()
    worker = rig.worker(filters=only([("Flow", [])]))

    rig.start(name="flow")

    assert worker.items() == []


def test_an_empty_list_in_a_filter_means_none_of_that_kind() -> None:
    rig = Rig()
    rig.start()

    assert rig.worker(filters=only(activities=[("work", [])])).items() == []


@pytest.mark.parametrize(
    ("accepted", "version", "given"),
    [([], None, True), ([], "1", True), (["1"], "1", True), (["1"], "2", False), (["1"], None, False)],
)
def test_versions_are_compared_exactly_and_no_version_means_any(
    accepted: list[str], version: str | None, given: bool
) -> None:
    rig = Rig()
    worker = rig.worker(filters=only([("flow", accepted)]))

    rig.start(version=text(version))

    assert bool(worker.items()) == given


def test_a_missing_version_counts_as_the_empty_one() -> None:
    rig = Rig()
    worker = rig.worker(filters=only([("flow", [""])]))

    rig.start()

    assert len(worker.items()) == 1


def test_several_filters_of_one_name_add_up() -> None:
    rig = Rig()
    worker = rig.worker(filters=only([("flow", ["1"]), ("flow", ["2"])]))

    for version in "123":
        rig.start(version, version=text(version))

    assert [item.orchestratorRequest.instanceId for item in worker.items()] == ["1", "2"]


def test_activities_wait_for_a_worker_that_takes_them() -> None:
    rig = Rig()
    orchestrators = rig.worker("o", filters=only([("flow", [])]))
    rig.start()
    orchestrators.do(schedule(1))
    nothing = orchestrators.items()

    activities = rig.worker("a", filters=only(activities=[("work", [])]))

    assert nothing == []
    assert activities.item().HasField("activityRequest")


# --- credit


def test_a_worker_holds_no_more_turns_than_it_wants() -> None:
    rig = Rig()
    worker = rig.worker(turns=2)
    for instance_id in "abc":
        rig.start(instance_id)
    held = worker.items()

    worker.answer(held[0], complete())

    assert len(held) == 2
    assert worker.item().orchestratorRequest.instanceId == "c"


def test_a_worker_holds_no_more_activities_than_it_wants() -> None:
    rig = Rig()
    worker = rig.worker(tasks=1)
    rig.start()
    worker.do(schedule(1), schedule(2))
    first = worker.item()

    worker.finish(first)

    activities = [item for item in worker.items() if item.HasField("activityRequest")]
    assert [item.activityRequest.taskId for item in activities] == [2]


def test_work_is_spread_over_workers() -> None:
    rig = Rig()
    workers = [rig.worker(name) for name in "abc"]

    for number in range(9):
        rig.start(str(number))

    assert [len(worker.items()) for worker in workers] == [3, 3, 3]


def test_a_busy_worker_does_not_hold_others_back() -> None:
    rig = Rig()
    busy, free = rig.worker("busy", turns=1), rig.worker("free")

    for number in range(4):
        rig.start(str(number))

    assert (len(busy.items()), len(free.items())) == (1, 3)


# --- sessions


def test_a_worker_without_sessions_is_always_sent_the_history() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do()
    rig.raise_event("e")

    request = worker.item().orchestratorRequest

    assert list(request.pastEvents) == rig.history()
    assert not request.properties


def test_a_worker_with_sessions_is_told_how_much_it_must_know() -> None:
    rig = Rig()
    worker = rig.worker(sessions=10)
    rig.start()
    worker.do(schedule(1))
    worker.finish(worker.item(), "1")

    request = worker.item().orchestratorRequest

    assert not request.pastEvents
    assert request.properties["IsExtendedSession"].bool_value is True
    assert request.properties["IncludeState"].bool_value is False
    assert request.properties["durakit.committedEvents"].number_value == len(rig.history())


def test_turns_return_to_the_worker_that_keeps_the_session() -> None:
    rig = Rig()
    first, second = rig.worker("1", sessions=10), rig.worker("2", sessions=10)
    rig.start()
    keeper = first if first.stream.outbox else second
    keeper.do()

    for _ in range(3):
        rig.raise_event("e")
        keeper.do()

    assert first.items() == second.items() == []


def test_another_worker_is_sent_the_whole_history_when_the_keeper_has_no_room() -> None:
    rig = Rig()
    keeper = rig.worker("keeper", sessions=10, turns=1)
    rig.start("a")
    keeper.do()
    rig.start("b")
    other = rig.worker("other", sessions=10)

    rig.raise_event("e")

    request = other.item().orchestratorRequest
    assert request.instanceId == "a"
    assert list(request.pastEvents) == rig.history()


def test_another_worker_is_sent_the_whole_history_when_the_keeper_left() -> None:
    rig = Rig()
    keeper = rig.worker("keeper", sessions=10)
    rig.start()
    keeper.do()
    keeper.leave()

    rig.raise_event("e")

    assert list(rig.worker("other", sessions=10).item().orchestratorRequest.pastEvents) == rig.history()


def test_after_a_crash_every_worker_is_sent_the_whole_history() -> None:
    rig = Rig()
    rig.start()
    rig.worker(sessions=10).do()
    rig.raise_event("e")

    rig.crash()

    assert list(rig.worker(sessions=10).item().orchestratorRequest.pastEvents) == rig.history()


# --- large histories


@pytest.mark.parametrize("streams", [True, False])
def test_a_large_history_is_streamed_only_to_workers_that_can(streams: bool) -> None:
    """Semantics 2.1 rule 1 and 2.7 rule 1."""
    rig = Rig()
    worker = rig.worker(capabilities=[pb.WORKER_CAPABILITY_HISTORY_STREAMING] if streams else [])
    rig.start()
    worker.do(*[schedule(n, input=text("x" * 600_000)) for n in (1, 2)], complete_later())
    rig.raise_event("e")

    request = next(
        item.orchestratorRequest for item in worker.items() if item.HasField("orchestratorRequest")
    )

    assert request.requiresHistoryStreaming == streams
    assert bool(request.pastEvents) != streams


def complete_later() -> pb.OrchestratorAction:
    """An action of no effect."""
    return pb.OrchestratorAction(id=50)
