"""Workers of the in-process hub: several side by side, stopped and started."""

from __future__ import annotations

from datetime import timedelta

from durakit.replay import VersionFailureStrategy, VersioningOptions, VersionMatchStrategy
from durakit.task import ActivityContext, OrchestrationContext
from durakit.testing import InProcessTaskHub
from durakit.testing.task_hub import BEGINNING


def version_of(said: str) -> VersioningOptions:
    return VersioningOptions(
        said,
        match_strategy=VersionMatchStrategy.STRICT,
        failure_strategy=VersionFailureStrategy.REJECT,
    )


async def old(ctx: OrchestrationContext) -> str:
    await ctx.wait_for_external_event("go")
    return "old"


async def new(ctx: OrchestrationContext) -> str:
    await ctx.wait_for_external_event("go")
    return "new"


old.__name__ = new.__name__ = "greet"


def test_instances_of_two_versions_run_on_the_worker_of_their_version() -> None:
    with InProcessTaskHub() as hub:
        hub.worker.stop()
        hub.add_worker(orchestrators=[old], versioning=version_of("1"))
        hub.add_worker(orchestrators=[new], versioning=version_of("2"))
        for version in ("1", "2"):
            hub.client.schedule_new_orchestration("greet", version=version, instance_id=version)
            hub.client.raise_orchestration_event(version, "go")

        states = [hub.client.wait_for_orchestration_completion(version) for version in ("1", "2")]

    assert [state.get_output() for state in states if state is not None] == ["old", "new"]


def test_a_version_that_no_worker_takes_waits_for_one_that_does() -> None:
    with InProcessTaskHub() as hub:
        hub.worker.stop()
        worker = hub.add_worker(orchestrators=[old], versioning=version_of("1"))
        hub.client.schedule_new_orchestration("greet", version="2", instance_id="g")
        hub.advance(timedelta(hours=1))
        before = hub.client.get_orchestration_state("g")
        worker.stop()
        hub.add_worker(orchestrators=[new], versioning=version_of("2"))
        hub.client.raise_orchestration_event("g", "go")
        after = hub.client.wait_for_orchestration_completion("g")

    assert before is not None
    assert after is not None
    assert (before.runtime_status.name, after.get_output()) == ("PENDING", "new")


def test_a_worker_gets_what_is_registered_with_it_later() -> None:
    def shout(_: ActivityContext, text: str) -> str:
        return text.upper()

    async def call(ctx: OrchestrationContext, text: str) -> str:
        return await ctx.call_activity(shout, input=text)

    with InProcessTaskHub() as hub:
        hub.worker.stop()
        worker = hub.add_worker()
        assert worker.add_orchestrator(call) == "call"
        assert worker.add_activity(shout, "loudly") == "loudly"
        assert worker.add_activity(shout) == "shout"

        assert hub.run(call, input="a").get_output() == "A"


def test_work_waits_while_the_worker_is_stopped() -> None:
    async def slow(ctx: OrchestrationContext) -> str:
        await ctx.create_timer(timedelta(hours=1))
        return ctx.current_utc_datetime.isoformat()

    with InProcessTaskHub(orchestrators=[slow]) as hub:
        hub.client.schedule_new_orchestration(slow, instance_id="s")
        hub.run_until_idle()
        hub.worker.stop()
        hub.advance(timedelta(days=1))
        hub.worker.start()
        state = hub.client.wait_for_orchestration_completion("s")

    assert state is not None
    assert hub.now == BEGINNING + timedelta(days=1)
    assert state.get_output() == (BEGINNING + timedelta(days=1)).replace(tzinfo=None).isoformat()


def test_a_rejected_version_is_given_back_and_taken_by_another_worker() -> None:
    with InProcessTaskHub() as hub:
        hub.worker.stop()
        older = VersioningOptions("1", match_strategy=VersionMatchStrategy.CURRENT_OR_OLDER)
        newer = VersioningOptions("2", match_strategy=VersionMatchStrategy.CURRENT_OR_OLDER)
        hub.add_worker(orchestrators=[old], versioning=older)
        hub.add_worker(orchestrators=[new], versioning=newer)
        hub.client.schedule_new_orchestration("greet", version="2", instance_id="g")
        hub.client.raise_orchestration_event("g", "go")
        state = hub.client.wait_for_orchestration_completion("g")

    assert state is not None
    assert state.get_output() == "new"
