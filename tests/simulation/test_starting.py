"""Starting: later, again, in place of another (semantics.md 1.3, 1.8, 5)."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.client import OrchestrationStatus
from durakit.errors import AlreadyExistsError, InvalidRequestError, InvalidStateError
from durakit.testing import InProcessTaskHub

from .reading import end, history, kinds, output, register, state, status

Steps = Generator[Any, Any, Any]


def waiting(ctx: task.OrchestrationContext, given: Any) -> Steps:
    if given == "end":
        return given
    if given == "fail":
        raise ValueError(given)
    heard = yield ctx.wait_for_external_event("go")
    return [given, heard]


def brought_to(hub: InProcessTaskHub, wanted: OrchestrationStatus, instance_id: str) -> None:
    """Make an instance of that status."""
    given = {OrchestrationStatus.COMPLETED: "end", OrchestrationStatus.FAILED: "fail"}.get(wanted, "wait")
    hub.client.schedule_new_orchestration(
        waiting, input=given, instance_id=instance_id, tags={"first": "yes"}
    )
    if wanted is not OrchestrationStatus.PENDING:
        hub.run_until_idle()
    if wanted is OrchestrationStatus.SUSPENDED:
        hub.client.suspend_orchestration(instance_id)
    if wanted is OrchestrationStatus.TERMINATED:
        hub.client.terminate_orchestration(instance_id)
    assert status(hub, instance_id) == wanted.name


EVERY = [
    OrchestrationStatus.PENDING,
    OrchestrationStatus.RUNNING,
    OrchestrationStatus.SUSPENDED,
    OrchestrationStatus.COMPLETED,
    OrchestrationStatus.FAILED,
    OrchestrationStatus.TERMINATED,
]


@pytest.mark.parametrize("present", EVERY, ids=lambda status: status.name)
def test_an_id_is_taken_whatever_the_status_unless_the_policy_names_it(
    hub: InProcessTaskHub, present: OrchestrationStatus
) -> None:
    """Semantics 1.3 rule 8, for an absent, an empty and a full policy."""
    register(hub, waiting)
    brought_to(hub, present, "one")
    text = f"Orchestration instance 'one' already exists with status {present.name}."
    others = [other for other in EVERY if other is not present and other.is_terminal]

    for policy in (None, [], others):
        with pytest.raises(AlreadyExistsError, match=re.escape(text)):
            hub.client.schedule_new_orchestration(waiting, instance_id="one", reuse_id_policy=policy)
    hub.client.schedule_new_orchestration(
        waiting, input="end", instance_id="one", reuse_id_policy=[present, OrchestrationStatus.TERMINATED]
    )

    assert output(hub, "one") == "end"
    assert state(hub, "one").tags == {}


def test_a_policy_for_running_instances_must_allow_terminated_ones(hub: InProcessTaskHub) -> None:
    register(hub, waiting)
    brought_to(hub, OrchestrationStatus.RUNNING, "one")

    with pytest.raises(InvalidRequestError, match="leaves out TERMINATED"):
        hub.client.schedule_new_orchestration(
            waiting, instance_id="one", reuse_id_policy=[OrchestrationStatus.RUNNING]
        )

    assert status(hub, "one") == "RUNNING"


def test_nothing_of_the_replaced_instance_reaches_its_successor(hub: InProcessTaskHub) -> None:
    """Semantics 1.3 rule 9: events, timers, children and activities of the former life are gone."""
    answers: list[str] = []

    def work(ctx: task.ActivityContext, word: str) -> str:
        answers.append(word)
        return word

    def child(ctx: task.OrchestrationContext, word: str) -> Steps:
        yield ctx.create_timer(timedelta(hours=1))
        return word

    def flow(ctx: task.OrchestrationContext, word: str) -> Steps:
        hours = 1 if word == "old" else 9
        parts = [
            ctx.create_timer(timedelta(hours=hours)),
            ctx.call_sub_orchestrator(child, input=word, instance_id=f"child-{word}"),
            ctx.call_activity(work, input=word),
        ]
        yield task.when_all(parts)
        return [parts[1].get_result(), parts[2].get_result(), str(ctx.current_utc_datetime)]

    register(hub, flow, child, activities=(work,))
    hub.client.schedule_new_orchestration(flow, input="old", instance_id="one")
    hub.run_until_idle()
    hub.client.raise_orchestration_event("one", "unread", data=1)
    hub.client.schedule_new_orchestration(
        flow,
        input="new",
        instance_id="one",
        reuse_id_policy=[OrchestrationStatus.RUNNING, OrchestrationStatus.TERMINATED],
    )

    assert output(hub, "one") == ["new", "new", "2026-01-01 09:00:00"]
    assert status(hub, "child-old") == "TERMINATED"
    assert "eventRaised" not in kinds(hub, "one")


def test_a_scheduled_start_waits_and_what_arrives_meanwhile_is_kept(hub: InProcessTaskHub) -> None:
    """Semantics 1.3 rule 5 and 1.7 rule 1."""
    register(hub, waiting)
    due = hub.now + timedelta(days=90)
    hub.client.schedule_new_orchestration(waiting, input="x", instance_id="one", start_at=due)
    hub.client.raise_orchestration_event("one", "go", data="early")
    hub.advance(timedelta(days=89))
    assert status(hub, "one") == "PENDING"

    assert output(hub, "one") == ["x", "early"]

    first = history(hub, "one")[0]
    assert first.timestamp.ToDatetime() == due.replace(tzinfo=None)
    assert state(hub, "one").scheduled_start_at == due.replace(tzinfo=None)
    assert hub.now == due


def test_a_scheduled_start_can_be_suspended_resumed_and_terminated(hub: InProcessTaskHub) -> None:
    """Semantics 1.7 rule 3."""
    register(hub, waiting)
    for instance_id in ("goes-on", "ends"):
        hub.client.schedule_new_orchestration(
            waiting, input="end", instance_id=instance_id, start_at=hub.now + timedelta(hours=1)
        )
        hub.client.suspend_orchestration(instance_id)
        hub.advance(timedelta(hours=1))
        assert status(hub, instance_id) == "SUSPENDED"

    hub.client.resume_orchestration("goes-on")
    hub.client.terminate_orchestration("ends")

    assert output(hub, "goes-on") == "end"
    assert kinds(hub, "ends")[-2:] == ["orchestratorCompleted", "executionCompleted"]


@pytest.mark.parametrize("anew", [False, True], ids=["same id", "new id"])
def test_a_restart_keeps_name_input_version_and_tags_and_nothing_else(
    hub: InProcessTaskHub, anew: bool
) -> None:
    def child(ctx: task.OrchestrationContext, given: Any) -> Steps:
        ctx.set_custom_status("set")
        heard = yield ctx.wait_for_external_event("go")
        return [given, heard, ctx.version, ctx.parent_instance_id]

    def parent(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield ctx.call_sub_orchestrator(
            child, input=[0], instance_id="child", version="1.5", tags={"team": "blue"}
        )

    register(hub, parent, child)
    hub.client.schedule_new_orchestration(parent, instance_id="parent")
    hub.run_until_idle()
    hub.client.raise_orchestration_event("child", "go", data="first")
    assert output(hub, "child") == [[0], "first", "1.5", "parent"]

    restarted = hub.client.restart_orchestration("child", restart_with_new_instance_id=anew)
    assert (restarted == "child") is not anew
    assert state(hub, restarted).get_custom_status() is None
    hub.client.raise_orchestration_event(restarted, "go", data="second")

    assert output(hub, restarted) == [[0], "second", "1.5", None]
    assert state(hub, restarted).tags == {"team": "blue"}
    assert len(kinds(hub, restarted)) == len(kinds(hub, "child"))


@pytest.mark.parametrize("present", EVERY, ids=lambda status: status.name)
def test_what_has_ended_can_be_restarted_and_nothing_else(
    hub: InProcessTaskHub, present: OrchestrationStatus
) -> None:
    register(hub, waiting)
    brought_to(hub, present, "one")

    if present.is_terminal:
        assert hub.client.restart_orchestration("one") == "one"
        assert status(hub, "one") == "PENDING"
        return
    text = f"Orchestration instance 'one' is {present.name}, not in a terminal state. Terminate it first"
    with pytest.raises(InvalidStateError, match=text):
        hub.client.restart_orchestration("one")


def test_an_activity_of_a_former_life_answers_into_the_void(hub: InProcessTaskHub) -> None:
    """Trap 29: ended, purged and begun anew while its activity ran; the old result is dropped."""
    lives: list[str] = []

    def work(ctx: task.ActivityContext, _: Any) -> str:
        lives.append("run")
        if len(lives) == 1:
            hub.client.terminate_orchestration("one")
            hub.client.purge_orchestration("one")
            hub.client.schedule_new_orchestration(flow, instance_id="one")
            return "old"
        return "new"

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        result = yield ctx.call_activity(work)
        return result

    register(hub, flow, activities=(work,))
    hub.client.schedule_new_orchestration(flow, instance_id="one")
    end(hub, "one")

    assert output(hub, "one") == "new"
    assert kinds(hub, "one").count("taskCompleted") == 1
