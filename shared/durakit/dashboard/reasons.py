"""Why an instance is where it is, in words: the one function that pages, commands and logs use. Pure.

Rules in order; the first that applies leads, others follow as "also". What no source tells is not said, or
said weaker: without hints of its worker nobody knows which event an orchestration waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from durakit.dashboard import resting, words
from durakit.dashboard.cases import WAITING, Case, Reason, WaitingKind, cut
from durakit.dashboard.facts import Facts, QueueFacts, TaskState
from durakit.dashboard.phrases import Phrase, Piece, code, listed, phrase
from durakit.dashboard.steps import Digest, Step

if TYPE_CHECKING:
    from durakit.dashboard.instances import InstanceRow

__all__ = ["WAITING", "Reason", "WaitingKind", "explain"]

UNSERVED_NS = 10 * words.SECOND
"""How long work may wait for a worker that offers it before somebody must act."""
BLOCKED_NS = 60 * words.SECOND
LONG_TURN_NS = 2 * words.SECOND
SILENT_NS = 24 * words.HOUR
SUSPICIOUS_DELIVERIES = 3
MANY = 20
_ALSO = 3


def explain(row: InstanceRow, digest: Digest | None, facts: Facts, now_ns: int) -> Reason:
    """Return why an instance is where it is.

    Args:
        digest: of its history, or None when nobody looked; then what history tells is left out.
    """
    case = Case(row, digest, facts, now_ns, [] if digest is None else digest.open)
    told = [reason for rule in _RULES if (reason := rule(case)) is not None]
    if not told:
        return _unknown(case)
    lead = told[0]
    # An end, a suspension or a lack of workers says all; the rest would only distract.
    if lead.waiting is None:
        return lead
    others = tuple(
        other.short
        for other in told[1:]
        if other.waiting != lead.waiting
        and not (lead.kind == "event" and other.kind == "timer" and lead.due_ns is not None)
        and not (other.on and set(other.on) <= set(lead.on))
    )
    return replace(lead, also=others[:_ALSO])


# --- workers


def _nobody(case: Case) -> Reason | None:
    """No worker is connected, or none offers what it needs."""
    queue = case.queue
    if queue is None:
        return None
    turn = queue.turn
    unserved = [task for task in queue.tasks.values() if task.state == "unserved"]
    is_turn = turn is not None and turn.state == "unserved"
    if not is_turn and not unserved:
        return None
    if is_turn:
        name, since, what = case.row.name, turn.since_ns if turn else None, "orchestration"
    else:
        first = min(unserved, key=lambda task: task.since_ns or case.now_ns)
        name, since, what = first.name, first.since_ns, "activity"
    waited = case.now_ns - since if since is not None else 0
    attention = waited >= UNSERVED_NS
    waits: list[str | Piece] = [] if since is None else ["Waits for ", case.lasting(since), ". "]
    if not queue.offerings:
        short = phrase("No worker is connected")
        detail = phrase(*waits, f"It needs {what} ", code(name), ".")
        sentence = phrase("No worker is connected.")
    else:
        version = f" (version {case.row.version})" if is_turn and case.row.version else ""
        short = phrase(f"No connected worker offers {what} ", code(name), version)
        sentence = phrase(*short, ".")
        detail = phrase(*waits, "Connected: ", *_offered(queue, name, is_turn), ".")
    return Reason(
        "no-worker", sentence, short, detail, (), "worker", (name,), since, attention=attention,
        acts=(("workers", ""),),
    )  # fmt: skip


def _offered(queue: QueueFacts, name: str, is_turn: bool) -> Iterator[str | Piece]:
    for at, offering in enumerate(queue.offerings[:3]):
        offers = (offering.orchestrations if is_turn else offering.activities) or {}
        yield "; " if at else ""
        yield Piece(offering.worker, "worker")
        kind = "orchestration" if is_turn else "activity"
        yield f" offers {words.counted(len(offers), kind, kind.replace('y', 'ies') if not is_turn else None)}"
        if name in offers:
            yield f", among them {name} {', '.join(sorted(offers[name]))}"
    if len(queue.offerings) > 3:
        yield f"; and {len(queue.offerings) - 3} more"


def _turn(case: Case) -> Reason | None:
    turn = case.queue.turn if case.queue is not None else None
    if turn is None or turn.state == "unserved":
        return None
    worker = Piece(turn.worker or "a worker", "worker")
    if turn.deliveries > SUSPICIOUS_DELIVERIES:
        short = phrase(f"Its turn was delivered {turn.deliveries} times and never answered")
        detail = phrase("Last to ", worker, ".") if turn.worker else ()
        return Reason("redelivered", phrase(*short, "."), short, detail, (), "worker", attention=True)
    if turn.state == "queued":
        ahead = f", {turn.ahead:,} are ahead" if turn.ahead else ""
        short = phrase(f"Ready; waits for a free worker slot{ahead}")
        return Reason("ready", phrase(*short, "."), short, (), (), "turn", since_ns=turn.since_ns)
    ran = 0 if turn.since_ns is None else case.now_ns - turn.since_ns
    if ran < LONG_TURN_NS or turn.since_ns is None:
        return None
    short = phrase(worker, " runs its orchestrator since ", case.clock(turn.since_ns))
    blocked = ran > BLOCKED_NS
    detail = phrase("Orchestrators should not block; see ", code("durakit check"), ".") if blocked else ()
    return Reason(
        "turn", phrase(*short, "."), short, detail, (), "turn", since_ns=turn.since_ns, attention=blocked
    )


# --- what history and hints tell


def _retry(case: Case) -> Reason | None:
    retrying = [step for step in case.kinds("activity", "child") if step.is_retrying]
    if not retrying:
        return None
    step = min(retrying, key=lambda each: each.last.retry_due_ns or 0)
    due = step.last.retry_due_ns or case.now_ns
    number = len(step.attempts)
    most = None
    if case.facts.hints is not None:
        attempts = case.facts.hints.attempts.get(step.last.task_id)
        most = attempts - 1 if attempts is not None else None
    which = f"Retry {number} of {most} of " if most is not None else f"Retry {number} of "
    failure = step.last.failure
    error = failure.error_type if failure is not None else ""
    after = [f", after {error.rpartition('.')[2]}"] if error else []
    short = phrase(which, code(step.name), " at ", case.clock(due), *after)
    sentence = phrase(which, code(step.name), " ", case.countdown(due), *after, ".")
    detail = phrase(Piece(cut(failure.short_line), "error")) if failure is not None else ()
    return Reason(
        "retry", sentence, short, detail, (), "retry", (step.name,), step.last.ended_ns, due,
        attention=most is not None and number >= most,
    )  # fmt: skip


def _activities(case: Case) -> Reason | None:
    running = [step for step in case.kinds("activity") if not step.is_retrying]
    if not running:
        return _activities_in_queues(case) if case.digest is None else None
    if len(running) > 1:
        return _many(case, running)
    step = running[0]
    state = case.queue.tasks.get(step.last.task_id) if case.queue is not None else None
    name, since = code(step.name), step.last.scheduled_ns
    on = (step.name,)
    if state is None:
        said: list[str | Piece] = ["Activity ", name, " was scheduled ", case.ago(since)]
        sentence = phrase(*said, " and has not finished.")
        return Reason("activity", sentence, phrase("Activity ", name, " has not finished"), (), (),
                      "activity", on, since)  # fmt: skip
    if state.state == "running":
        began = state.since_ns if state.since_ns is not None else since
        on_worker: list[str | Piece] = [" on ", Piece(state.worker, "worker")] if state.worker else []
        sentence = phrase("Running activity ", name, " for ", case.lasting(began), *on_worker, ".")
        short = phrase("Running activity ", name)
        return Reason("activity", sentence, short, _attempt(step), (), "activity", on, began)
    sentence = phrase("Activity ", name, " is queued for ", case.lasting(since), ".")
    return Reason("activity", sentence, phrase("Activity ", name, " is queued"), _attempt(step), (),
                  "activity", on, since)  # fmt: skip


def _activities_in_queues(case: Case) -> Reason | None:
    """Tell open activities by the queues alone; nobody has read the history."""
    tasks = list(case.queue.tasks.values()) if case.queue is not None else []
    if not tasks:
        return None
    names = tuple(dict.fromkeys(task.name for task in tasks))
    if len(tasks) > 1:
        short = phrase(f"{len(tasks):,} activities are open")
    elif tasks[0].state == "running":
        short = phrase("Running activity ", code(names[0]))
    else:
        short = phrase("Activity ", code(names[0]), " is queued")
    return Reason("activity", phrase(*short, "."), short, (), (), "activity", names)


def _attempt(step: Step) -> Phrase:
    number = len(step.attempts)
    if number == 1:
        return ()
    failure = step.attempts[-2].failure
    after = f", after {failure.error_type.rpartition('.')[2]}" if failure is not None else ""
    return phrase(f"Attempt {number}{after}.")


def _many(case: Case, running: list[Step]) -> Reason:
    names = list(dict.fromkeys(step.name for step in running))
    digest, left = case.digest, len(running)
    since = min(step.last.scheduled_ns for step in running)
    if len(names) == 1 and digest is not None:
        total = sum(step.kind == "activity" and step.name == names[0] for step in digest.steps)
        verb = "is" if left == 1 else "are"
        sentence: list[str | Piece] = [f"{left:,} of {total:,} ", code(names[0]), f" {verb} left."]
        short: list[str | Piece] = [code(names[0]), f": {total - left:,} of {total:,} done"]
    else:
        sentence = [f"{left:,} activities are open: ", *listed(names[:3])]
        sentence.append(f" and {len(names) - 3} others." if len(names) > 3 else ".")
        short = [f"{left:,} activities are open"]
    states = _states(case, running)
    if states:
        sentence.append(f" {states}.")
        if len(names) == 1:
            short.append(f", {states.partition(',')[0].replace(' now', '')}")
    oldest = min(running, key=lambda step: step.last.scheduled_ns)
    detail = phrase("The oldest, ", code(oldest.name), ", for ", case.lasting(since), ".")
    return Reason(
        "activities", phrase(*sentence), phrase(*short), detail, (), "activity", tuple(names), since
    )


def _states(case: Case, running: list[Step]) -> str:
    if case.queue is None:
        return ""
    tasks = case.queue.tasks
    counted: dict[str, int] = {}
    for step in running:
        state: TaskState | None = tasks.get(step.last.task_id)
        if state is not None:
            counted[state.state] = counted.get(state.state, 0) + 1
    retrying = sum(step.is_retrying for step in case.kinds("activity"))
    parts = []
    if counted.get("running"):
        parts.append(f"{counted['running']:,} run now")
    if counted.get("queued"):
        parts.append(f"{counted['queued']:,} are queued")
    if counted.get("unserved"):
        parts.append(f"{counted['unserved']:,} wait for a worker that offers them")
    if retrying:
        parts.append(f"{retrying:,} wait to be retried")
    return ", ".join(parts)


def _events(case: Case) -> Reason | None:
    hints = case.facts.hints
    if hints is None or not hints.events:
        return None
    names = list(dict.fromkeys(hints.events))
    said: list[str | Piece] = ["Waiting for event ", *listed(names[:4], "or")]
    timers = [step for step in case.kinds("timer") if step.last.task_id in hints.timers]
    due = min((step.due_ns for step in timers if step.due_ns is not None), default=None)
    since, detail = _since(case)
    sentence, short = phrase(*said, "."), phrase(*said)
    if due is not None:
        sentence = phrase(*said, " until ", case.clock(due), ", ", case.countdown(due), ".")
        short = phrase(*said, " until ", case.clock(due))
    return Reason(
        "event", sentence, short, detail, (), "event", tuple(names), since, due,
        acts=tuple(("raise", name) for name in names[:2]),
    )  # fmt: skip


def _since(case: Case) -> tuple[int | None, Phrase]:
    """Return since when it waits, and the line that says after what."""
    digest = case.digest
    if digest is None or not digest.turns:
        return None, ()
    since = digest.turns[-1].at_ns
    done = [step for step in digest.steps if step.ended_ns is not None and step.kind != "sent"]
    last = max(done, key=lambda step: step.last.end_number or 0, default=None)
    parts: list[str | Piece] = ["Since ", case.clock(since)]
    if last is not None:
        what = {"activity": "activity ", "child": "child ", "event": "event ", "entity": "call of "}
        verb = {"completed": "completed", "failed": "failed"}.get(last.status, "ended")
        if last.kind == "event":
            verb = "arrived"
        if last.kind == "timer":
            parts.append(", after a timer fired")
        else:
            parts += [f", after {what.get(last.kind, '')}", code(last.name), f" {verb}"]
    return since, phrase(*parts, ".")


def _children(case: Case) -> Reason | None:
    waiting = [step for step in case.kinds("child") if not step.is_retrying]
    if not waiting or case.digest is None:
        return None
    total = sum(step.kind == "child" for step in case.digest.steps)
    ids = tuple(step.instance_id or "" for step in waiting)
    if total == 1:
        child = waiting[0]
        link = Piece(child.instance_id or child.name, "instance", instance_id=child.instance_id)
        said: list[str | Piece] = ["Waiting for child ", code(child.name), " ", link]
    else:
        said = [f"Waiting for {len(waiting):,} of {total:,} children"]
    known = case.facts.children or ()
    stuck = next((child for child in known if child.attention), None)
    failed = [child for child in known if child.status == "failed"]
    sentence, short = [*said, "."], list(said)
    detail: list[str | Piece] = []
    if failed:
        first = failed[0]
        link = Piece(first.id, "instance", instance_id=first.id)
        detail += [
            code(first.name),
            " ",
            link,
            " failed",
            f": {cut(first.error or '')}." if first.error else ".",
        ]
        if total > 1:
            count = Piece(f"{len(failed)} of {total:,} children failed", "error")
            short = [count, f", waiting for {len(waiting):,}"]
    if stuck is not None:
        sentence.append(f" One of them cannot go on: {stuck.attention}.")
        if not failed:
            short.append("; one cannot go on")
    since = min(step.last.scheduled_ns for step in waiting)
    acts = (("open", stuck.id),) if stuck is not None else ()
    return Reason(
        "children", phrase(*sentence), phrase(*short), phrase(*detail), (), "child", ids[:20], since,
        attention=stuck is not None, acts=acts,
    )  # fmt: skip


def _entities(case: Case) -> Reason | None:
    waiting = case.kinds("lock", "entity")
    if not waiting:
        return None
    step = waiting[0]
    since = step.last.scheduled_ns
    if step.kind == "lock":
        said: list[str | Piece] = ["Waiting for the lock on ", code(step.instance_id or step.name)]
        kind: WaitingKind = "lock"
    else:
        said = ["Waiting for ", code(f"{step.instance_id or 'an entity'}.{step.name}")]
        kind = "entity"
    name = step.instance_id or step.name
    return Reason(kind, phrase(*said, "."), phrase(*said), (), (), kind, (name,), since)


def _timer(case: Case) -> Reason | None:
    hints = case.facts.hints
    # A timer that was given up stays open for the scheduler; only the worker knows.
    timers = [step for step in case.kinds("timer") if hints is None or step.last.task_id in hints.timers]
    if not timers:
        return None
    step = min(timers, key=lambda each: each.due_ns or 0)
    due = step.due_ns or case.now_ns
    if hints is not None:
        said: list[str | Piece] = ["Waiting for a timer, due ", case.clock(due)]
        sentence = phrase(*said, ", ", case.countdown(due), ".")
        return Reason("timer", sentence, phrase(*said), (), (), "timer", (), step.started_ns, due)
    short = phrase("A timer is due at ", case.clock(due))
    sentence = phrase(*short, ". It may also wait for an event; its worker does not tell.")
    return Reason(
        "timer-only", sentence, short, _seen_before(case), (), "timer", (), step.started_ns, due,
        acts=(("raise", ""),),
    )  # fmt: skip


def _seen_before(case: Case) -> Phrase:
    names = case.facts.raised_before
    return phrase("Raised in earlier runs: ", *listed(list(names[:5])), ".") if names else ()


def _unknown(case: Case) -> Reason:
    """Nothing is open that history knows."""
    digest, hints = case.digest, case.facts.hints
    since = digest.turns[-1].at_ns if digest is not None and digest.turns else case.row.updated_ns
    if case.row.status == "pending" or (digest is not None and not digest.turns):
        short = phrase("Waiting for its first turn")
        return Reason("turn", phrase(*short, "."), short, (), (), "turn", (), case.row.created_ns)
    if digest is None:
        short = phrase("Running")
        return Reason("unknown", phrase("Running."), short, (), (), "unknown", (), since)
    if digest.open == [] and case.queue is not None and case.queue.turn is not None:
        short = phrase("Running its orchestrator")
        return Reason("turn", phrase(*short, "."), short, (), (), "turn", (), since)
    if hints is not None and not hints.is_waiting:
        short = phrase("Waits for nothing that can arrive")
        detail = phrase("It awaited something that is not a durable task.")
        return Reason("nothing", phrase(*short, "."), short, detail, (), "unknown", (), since, attention=True)
    short = phrase("Waiting for an event; its worker does not tell which")
    return Reason(
        "unknown", phrase(*short, "."), short, _seen_before(case), (), "event", (), since,
        attention=case.now_ns - since > SILENT_NS, acts=(("raise", ""),),
    )  # fmt: skip


_RULES: tuple[Callable[[Case], Reason | None], ...] = (
    *resting.RULES,
    _nobody,
    _turn,
    _retry,
    _activities,
    _events,
    _children,
    _entities,
    _timer,
)
