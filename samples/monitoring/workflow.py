"""A monitor: look at a job of another system until it is done, less and less often, and alert if it is not.

Between two looks there is only a durable timer. After some looks the monitor continues as new, so that its
history stays short however long the job takes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy, TaskFailedError

from jobs import Look, look_at, post
from notes import write_note

log = logging.getLogger("job_monitor")

LOOKS_PER_EXECUTION = 20
"""After so many looks the monitor begins anew, with what it knows as its input."""

WEBHOOK_RETRY = RetryPolicy(
    first_retry_interval=timedelta(seconds=1), max_number_of_attempts=4, backoff_coefficient=2.0
)


@dataclass(frozen=True)
class Watch:
    """What to watch and how."""

    job: str
    """URL of the job; a GET answers with JSON that has a `status`."""
    output: str
    """Folder for alerts; workers on several machines must share it."""
    webhook: str | None = None
    """URL that alerts are posted to, besides."""
    within_seconds: float = 3600
    first_wait_seconds: float = 1
    longest_wait_seconds: float = 60
    backoff: float = 2


@dataclass(frozen=True)
class Monitor:
    """The input of an execution: what to watch, and what those before have seen."""

    watch: Watch
    deadline: datetime | None = None
    wait_seconds: float | None = None
    looks: int = 0
    sentence: str = ""


@dataclass(frozen=True)
class Progress:
    """The custom status."""

    looks: int
    sentence: str
    next_look: datetime
    deadline: datetime


@dataclass(frozen=True)
class Alert:
    monitor: str
    output: str
    webhook: str | None
    job: str
    problem: str
    raised_at: datetime


@dataclass(frozen=True)
class Report:
    """How it ended: done, or with an alert."""

    done: bool
    sentence: str
    looks: int
    alert: str | None = None
    """File with the alert."""
    webhook_problem: str | None = None
    """Why the webhook could not be told; the file is there nevertheless."""


async def job_monitor(ctx: OrchestrationContext, monitor: Monitor) -> Report | None:
    """Look until the job has ended or its time is over; return None when continuing as new."""
    watch = monitor.watch
    began = now(ctx)
    deadline = monitor.deadline or began + timedelta(seconds=watch.within_seconds)
    wait_seconds = monitor.wait_seconds or watch.first_wait_seconds
    logger = ctx.create_replay_safe_logger(log)
    looks, sentence = monitor.looks, monitor.sentence
    for _ in range(LOOKS_PER_EXECUTION):
        look = await ctx.call_activity(monitor_look_at_job, input=watch.job)
        looks, sentence = looks + 1, look.sentence
        logger.info("look %d: %s", looks, sentence)
        if look.status == "done":
            return Report(True, sentence, looks)
        if look.status == "failed":
            return await alert(ctx, watch, sentence, looks)
        if now(ctx) >= deadline:
            late = f"not done within {watch.within_seconds:g} s; the last look: {sentence}"
            return await alert(ctx, watch, late, looks)
        # The last look is at the deadline, not some time before or after it.
        next_look = min(now(ctx) + timedelta(seconds=wait_seconds), deadline)
        ctx.set_custom_status(Progress(looks, sentence, next_look, deadline))
        await ctx.create_timer(next_look)
        wait_seconds = min(wait_seconds * watch.backoff, watch.longest_wait_seconds)
    ctx.continue_as_new(Monitor(watch, deadline, wait_seconds, looks, sentence))
    return None


async def alert(ctx: OrchestrationContext, watch: Watch, problem: str, looks: int) -> Report:
    """Write the alert, tell the webhook, and return how it ended."""
    raised = Alert(ctx.instance_id, watch.output, watch.webhook, watch.job, problem, now(ctx))
    report = Report(False, problem, looks, await ctx.call_activity(monitor_write_alert, input=raised))
    if watch.webhook is None:
        return report
    try:
        await ctx.call_activity(monitor_post_alert, input=raised, retry_policy=WEBHOOK_RETRY)
    except TaskFailedError as failure:
        # Most likely the system that is in trouble is also the one that should have been told.
        return replace(report, webhook_problem=failure.details.message)
    return report


def now(ctx: OrchestrationContext) -> datetime:
    """Return the time at which the present step was taken, the same on replay; with its time zone."""
    return ctx.current_utc_datetime.replace(tzinfo=timezone.utc)


# The activities.


def monitor_look_at_job(_: ActivityContext, job: str) -> Look:
    """Ask once how the job is; a service that does not answer is an observation, not a failure."""
    return look_at(job)


def monitor_write_alert(_: ActivityContext, alert: Alert) -> str:
    """Write the alert and return its path; a second run writes the same file."""
    facts = {"job": alert.job, "problem": alert.problem, "raised_at": alert.raised_at.isoformat()}
    return str(write_note(Path(alert.output), alert.monitor, facts))


def monitor_post_alert(_: ActivityContext, alert: Alert) -> None:
    """Tell the webhook; the key lets it see that a second run brings the same alert."""
    assert alert.webhook is not None, "an alert without a webhook is not posted"
    facts = {"key": alert.monitor, "job": alert.job, "problem": alert.problem}
    post(alert.webhook, {**facts, "raised_at": alert.raised_at.isoformat()})


ACTIVITIES: list[Callable[..., object]] = [monitor_look_at_job, monitor_write_alert, monitor_post_alert]
