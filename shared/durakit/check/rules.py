"""The rules of `durakit check`: what orchestrators must not do, why, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One thing that an orchestrator must not do."""

    name: str
    why: str
    """Follows the code in question: `datetime.now() reads the clock, ...`."""
    instead: str
    """A sentence: what to write."""


_IN_ACTIVITY = "do it in an activity and call that with ctx.call_activity"

RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "clock",
            "reads the clock, which has gone on when the orchestrator is replayed",
            "Use ctx.current_utc_datetime.",
        ),
        Rule(
            "random",
            "is different each time the orchestrator is replayed",
            "Use ctx.new_uuid(), random.Random(ctx.new_uuid()) or an activity.",
        ),
        Rule("uuid", "makes another id each time the orchestrator is replayed", "Use ctx.new_uuid()."),
        Rule(
            "sleep",
            "blocks the worker and is lost in a crash",
            "Use ctx.create_timer(timedelta(...)).",
        ),
        Rule(
            "asyncio",
            "needs an event loop, and orchestrators run without one",
            "Use when_all, when_any, ctx.create_timer, or an activity.",
        ),
        Rule(
            "thread",
            "runs beside the orchestrator, in an order that no replay repeats",
            "Use activities with when_all or when_any.",
        ),
        Rule(
            "network",
            "reaches out to another system, again with each replay",
            f"Instead, {_IN_ACTIVITY}.",
        ),
        Rule(
            "database",
            "talks to a database, again with each replay",
            f"Instead, {_IN_ACTIVITY}.",
        ),
        Rule(
            "file",
            "depends on or changes files, again with each replay",
            f"Instead, {_IN_ACTIVITY}.",
        ),
        Rule(
            "process",
            "runs another program, again with each replay",
            f"Instead, {_IN_ACTIVITY}.",
        ),
        Rule(
            "environment",
            "depends on the machine and process that happen to run the orchestrator",
            "Let the client pass it as input, or read it in an activity.",
        ),
        Rule(
            "global-state",
            "outlives the instance and is lost in a crash, so a replay finds another value",
            "Keep it in local variables, the input, or the results of activities.",
        ),
        Rule(
            "unawaited-task",
            "starts something whose result and failure nobody waits for",
            "Write await (or yield) before it, or keep the task and pass it to when_all.",
        ),
        Rule(
            "foreign-await",
            "waits for something that is not a durable task, so nothing can wake the orchestrator",
            "Await only what the context, when_all and when_any return.",
        ),
        Rule(
            "activity-call",
            "runs the activity inside the orchestrator, again with each replay",
            "Pass the function itself: ctx.call_activity(activity, input=...).",
        ),
        Rule(
            "set-order",
            "goes through a set, whose order differs from process to process",
            "Use sorted(...), a list or a dict.",
        ),
        Rule(
            "print",
            "writes the same line again with each replay",
            "Use ctx.create_replay_safe_logger(logger), or look at ctx.is_replaying first.",
        ),
        Rule(
            "logging",
            "logs the same line again with each replay",
            "Use the logger that ctx.create_replay_safe_logger(logger) returns.",
        ),
        Rule(
            "unknown-ignore",
            "is no rule of durakit check, so this comment ignores nothing",
            "Name one of the rules that `durakit check --help` lists.",
        ),
    )
}
