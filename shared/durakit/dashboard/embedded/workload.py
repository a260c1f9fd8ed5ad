"""What queues and streams tell. Everything here runs on the scheduler's loop and must be quick."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

from durakit.dashboard import words
from durakit.dashboard.facts import Facts, Hints, Offering, QueueFacts, Suspended, TaskState, TurnState
from durakit.dashboard.workforce import OfferedName, Queue, Worker, Workforce
from durakit.scheduler.deliveries import TaskDelivery, TurnDelivery
from durakit.scheduler.hub import Departure, TaskHub
from durakit.scheduler.machine.instance import Instance, OpenTask
from durakit.scheduler.queues import WorkQueue
from durakit.scheduler.streams import Key, WorkerStream
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

_UNIQUE = re.compile(r":[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")
GONE_NS = 10 * words.MINUTE
SAMPLE_SECONDS = 60.0
_DEPTHS = 30
_DONE_SAMPLES = 5
_TASKS_TOLD = 2_000
_LOOKED_AT = 10_000
_LOOKED_AT_ONCE = 500


class InFlight:
    """What workers have in their hands, by instance; made once for all instances of a page."""

    def __init__(self, hub: TaskHub) -> None:
        self.turns = {delivery.turn.instance: delivery for delivery in hub.deliveries.open_turns()}
        self.tasks: dict[Instance, dict[int, TaskDelivery]] = {}
        for delivery in hub.deliveries.open_tasks():
            self.tasks.setdefault(delivery.task.instance, {})[delivery.task.task_id] = delivery
        self.offerings = tuple(_offering(stream) for stream in hub.streams)


def facts_of(hub: TaskHub, instance: Instance | None, in_flight: InFlight | None) -> Facts:
    """Return what queues and streams tell of an instance; None: it has ended."""
    if instance is None or in_flight is None or instance.is_terminal:
        return Facts(queue=QueueFacts())
    kept = 0
    suspended = None
    if instance.is_suspended:
        suspended, kept = _suspension(instance)
    facts = QueueFacts(
        in_flight.offerings,
        _turn_state(hub, instance, in_flight),
        _task_states(hub, instance, in_flight),
        {},
        kept,
    )
    return Facts(queue=facts, suspended=suspended, hints=_hints(instance))


def _hints(instance: Instance) -> Hints | None:
    given = instance.hints
    if not isinstance(given, link.TurnHints):
        return None
    return Hints(tuple(given.events), frozenset(given.timers), attempts=dict(given.attempts))


def name_of(stream: WorkerStream) -> str:
    """Return a worker's name as people know it: `host:pid`, without what makes it unique."""
    return _UNIQUE.sub("", stream.offer.worker) or stream.offer.worker


def _offering(stream: WorkerStream) -> Offering:
    if not stream.has_filter:
        return Offering(name_of(stream), None, None)
    return Offering(name_of(stream), stream.versions(turn=True), stream.versions(turn=False))


def _suspension(instance: Instance) -> tuple[Suspended, int]:
    """The event waits in the inbox until the resume, with what came since."""
    kept = sum(arrival.kind == "eventRaised" for arrival in instance.inbox)
    for arrival in reversed(instance.inbox):
        if arrival.kind == "executionSuspended":
            event = pb.HistoryEvent.FromString(arrival.event)
            reason = event.executionSuspended
            text = reason.input.value if reason.HasField("input") else None
            return Suspended(_time_of(event), text), kept
    return Suspended(instance.updated_ns, None), kept


def _time_of(event: pb.HistoryEvent) -> int:
    return event.timestamp.seconds * words.SECOND + event.timestamp.nanos


def _turn_state(hub: TaskHub, instance: Instance, in_flight: InFlight) -> TurnState | None:
    key = (instance.name, instance.version or "")
    deliveries = instance.offers
    if instance.turn is not None:
        held = in_flight.turns.get(instance)
        if held is None:
            return TurnState("running", None, None, deliveries)
        return TurnState("running", held.given_ns, name_of(held.stream), deliveries)
    if not instance.queued:
        return None
    since = _oldest_arrival(instance)
    if not any(stream.accepts(key, turn=True) for stream in hub.streams):
        return TurnState("unserved", since, None, deliveries)
    ahead = 0
    for other in hub.waiting_turns.first(key, _LOOKED_AT):
        if other is instance:
            break
        ahead += 1
    return TurnState("queued", since, None, deliveries, ahead)


def _oldest_arrival(instance: Instance) -> int | None:
    first = next((arrival for arrival in instance.inbox if arrival.event), None)
    return None if first is None else _time_of(pb.HistoryEvent.FromString(first.event))


def _task_states(hub: TaskHub, instance: Instance, in_flight: InFlight) -> dict[int, TaskState]:
    if not instance.tasks:
        return {}
    held = in_flight.tasks.get(instance, {})
    accepted: dict[Key, bool] = {}
    states = {}
    for task in islice(list(instance.tasks.values()), _TASKS_TOLD):
        delivery = held.get(task.task_id)
        key = (task.name, task.version)
        if delivery is not None:
            worker = name_of(delivery.stream)
            states[task.task_id] = TaskState(task.name, "running", delivery.given_ns, worker, task.version)
            continue
        if key not in accepted:
            accepted[key] = any(stream.accepts(key, turn=False) for stream in hub.streams)
        state: Literal["queued", "unserved"] = "queued" if accepted[key] else "unserved"
        # Since its scheduling, which history knows; here only the turn in which that was.
        states[task.task_id] = TaskState(task.name, state, instance.clock_ns, None, task.version)
    return states


# --- which instances wait for what, without their histories


def waiting_rows(hub: TaskHub, waiting: str | None, on: str | None, attention: bool) -> Iterator[list[int]]:
    """Yield row numbers of instances that fit, some at a time, so that others can run in between."""
    instances = list(hub.machine.resident.values())
    for at in range(0, len(instances), _LOOKED_AT_ONCE):
        some = instances[at : at + _LOOKED_AT_ONCE]
        yield [each.row for each in some if _fits(hub, each, waiting, on, attention)]


def _fits(hub: TaskHub, instance: Instance, waiting: str | None, on: str | None, attention: bool) -> bool:
    if instance.is_terminal or (attention and not needs_attention(hub, instance)):
        return False
    if waiting is not None and waiting not in _waits_for(hub, instance):
        return False
    return on is None or on in _names_waited_for(instance)


def needs_attention(hub: TaskHub, instance: Instance) -> bool:
    """Whether it cannot go on without a person, as far as queues tell."""
    if instance.is_suspended:
        return False
    if instance.offers > 3:
        return True
    return _is_unserved(hub, instance)


def lacks_workers(hub: TaskHub) -> bool:
    """Return whether work waits that no connected worker accepts."""
    for key, _ in hub.waiting_turns.waiting():
        if not any(stream.accepts(key, turn=True) for stream in hub.streams):
            return True
    for key, _ in hub.waiting_tasks.waiting():
        if not any(stream.accepts(key, turn=False) for stream in hub.streams):
            return True
    return False


def attention(hub: TaskHub) -> int:
    """Count instances whose work nobody accepts. They all stand in a line that nobody serves."""
    found: set[int] = set()
    for key, _ in hub.waiting_turns.waiting():
        if not any(stream.accepts(key, turn=True) for stream in hub.streams):
            found |= {instance.row for instance in hub.waiting_turns.first(key, _LOOKED_AT)}
    for key, _ in hub.waiting_tasks.waiting():
        if not any(stream.accepts(key, turn=False) for stream in hub.streams):
            found |= {task.instance.row for task in hub.waiting_tasks.first(key, _LOOKED_AT)}
    return len(found)


def _is_unserved(hub: TaskHub, instance: Instance) -> bool:
    if instance.queued:
        key = (instance.name, instance.version or "")
        if not any(stream.accepts(key, turn=True) for stream in hub.streams):
            return True
    keys = {(task.name, task.version) for task in islice(list(instance.tasks.values()), 100)}
    return any(not any(stream.accepts(key, turn=False) for stream in hub.streams) for key in keys)


def _waits_for(hub: TaskHub, instance: Instance) -> set[str]:
    kinds: set[str] = set()
    hints = _hints(instance)
    if instance.is_suspended:
        return kinds
    if _is_unserved(hub, instance):
        kinds.add("worker")
    if instance.queued or instance.turn is not None:
        kinds.add("turn")
    if instance.tasks:
        kinds.add("activity")
    if instance.children:
        kinds.add("child")
    if hints is not None and hints.events:
        kinds.add("event")
    elif instance.timers and not instance.tasks:
        kinds |= {"timer", "retry"} if not instance.children else {"timer"}
    if not kinds:
        kinds |= {"event", "unknown"}
    return kinds


def _names_waited_for(instance: Instance) -> set[str]:
    hints = _hints(instance)
    names = {task.name for task in islice(list(instance.tasks.values()), _TASKS_TOLD)}
    names |= set(islice(list(instance.children.values()), _TASKS_TOLD))
    names |= set(hints.events) if hints is not None else set()
    return names


# --- workers and queues


class Sampler:
    """Remembers, once a minute, how deep queues were and how much each worker had answered."""

    def __init__(self) -> None:
        self._depths: deque[Counter[tuple[str, Key]]] = deque(maxlen=_DEPTHS)
        self._answered: deque[dict[int, int]] = deque(maxlen=_DONE_SAMPLES)

    def sample(self, hub: TaskHub) -> None:
        """Look once."""
        depths: Counter[tuple[str, Key]] = Counter()
        for kind, queue in _queues(hub):
            for key, count in queue.waiting():
                depths[kind, key] = count
        self._depths.append(depths)
        self._answered.append({id(stream): stream.answered for stream in hub.streams})

    def depths(self, kind: str, key: Key, now: int) -> tuple[int, ...]:
        """Return the depths of a queue, oldest first, up to now."""
        return (*(sample[kind, key] for sample in self._depths), now)

    def done(self, stream: WorkerStream, now_ns: int) -> int:
        """Return how many items a worker answered in the last five minutes, as far as that was watched."""
        if not self._answered or now_ns - stream.offer.opened_ns < _DONE_SAMPLES * words.MINUTE:
            return stream.answered
        return stream.answered - self._answered[0].get(id(stream), 0)


def _queues(hub: TaskHub) -> Iterator[tuple[Literal["orchestration", "activity"], WorkQueue[Any]]]:
    yield "orchestration", hub.waiting_turns
    yield "activity", hub.waiting_tasks


def workforce(hub: TaskHub, sampler: Sampler, now_ns: int) -> Workforce:
    """Return workers and queues of a hub."""
    workers = list(_workers(hub, sampler, now_ns))
    workers += [
        _gone(departure) for departure in reversed(hub.departures) if now_ns - departure.left_ns < GONE_NS
    ]
    queues = _queue_rows(hub, sampler)
    return Workforce(workers, queues, tuple(_warnings(hub, queues, now_ns)))


def _workers(hub: TaskHub, sampler: Sampler, now_ns: int) -> Iterator[Worker]:
    oldest: dict[WorkerStream, int] = {}
    held: list[TurnDelivery | TaskDelivery] = [*hub.deliveries.open_turns(), *hub.deliveries.open_tasks()]
    for delivery in held:
        oldest[delivery.stream] = min(delivery.given_ns, oldest.get(delivery.stream, delivery.given_ns))
    numbers: Counter[str] = Counter()
    for stream in sorted(hub.streams, key=lambda each: (each.offer.worker, each.offer.opened_ns)):
        numbers[name_of(stream)] += 1
        yield _worker(stream, numbers[name_of(stream)], oldest.get(stream), sampler.done(stream, now_ns))


def _worker(stream: WorkerStream, number: int, oldest_ns: int | None, done: int) -> Worker:
    offer = stream.offer
    return Worker(
        name=name_of(stream),
        stream=number,
        sdk=offer.sdk,
        offers=_offered_names(stream) if stream.has_filter else None,
        in_flight_turns=stream.turns_held,
        in_flight_activities=stream.tasks_held,
        turn_limit=stream.turn_credit,
        activity_limit=stream.task_credit,
        oldest_ns=oldest_ns,
        done=done,
        connected_ns=offer.opened_ns,
        seen_ns=max(stream.seen_ns, offer.opened_ns),
    )


def _offered_names(stream: WorkerStream) -> tuple[OfferedName, ...]:
    names = [
        OfferedName("orchestration", name, tuple(sorted(versions)))
        for name, versions in sorted(stream.versions(turn=True).items())
    ]
    names += [
        OfferedName("activity", name, tuple(sorted(versions)))
        for name, versions in sorted(stream.versions(turn=False).items())
    ]
    return tuple(names)


def _gone(departure: Departure) -> Worker:
    stream, offer = departure.stream, departure.stream.offer
    return Worker(
        name_of(stream), 1, offer.sdk, None, 0, 0, stream.turn_credit, stream.task_credit, None,
        stream.answered, offer.opened_ns, departure.left_ns, departure.left_ns, departure.handed_over,
    )  # fmt: skip


def _queue_rows(hub: TaskHub, sampler: Sampler) -> list[Queue]:
    flying: Counter[tuple[str, Key]] = Counter()
    for turn in hub.deliveries.open_turns():
        instance = turn.turn.instance
        flying["orchestration", (instance.name, instance.version or "")] += 1
    for task in hub.deliveries.open_tasks():
        flying["activity", (task.task.name, task.task.version)] += 1
    waiting: dict[tuple[str, Key], tuple[int, Instance | OpenTask]] = {}
    for key, count, head in hub.waiting_turns.oldest():
        waiting["orchestration", key] = count, head
    for key, count, task_head in hub.waiting_tasks.oldest():
        waiting["activity", key] = count, task_head
    rows = []
    for kind, key in sorted({*waiting, *flying, *_offered_keys(hub)}):
        found = waiting.get((kind, key))
        count, oldest, example = 0, None, None
        if found is not None:
            count, item = found
            instance = item if isinstance(item, Instance) else item.instance
            oldest = _oldest_arrival(instance) if isinstance(item, Instance) else instance.clock_ns
            example = instance.name, instance.id
        turn_kind = kind == "orchestration"
        offered_by = dict.fromkeys(
            name_of(stream) for stream in hub.streams if stream.accepts(key, turn=turn_kind)
        )
        rows.append(
            Queue(
                "orchestration" if turn_kind else "activity", key[0], key[1], count, oldest,
                flying[kind, key], tuple(offered_by), sampler.depths(kind, key, count), example,
            )
        )  # fmt: skip
    return sorted(rows, key=lambda queue: (not (queue.waiting and not queue.offered_by), -queue.waiting))


def _offered_keys(hub: TaskHub) -> Iterator[tuple[str, Key]]:
    for stream in hub.streams:
        for turn, kind in ((True, "orchestration"), (False, "activity")):
            for name, versions in stream.versions(turn=turn).items():
                for version in versions or ("",):
                    yield kind, (name, version)


def _warnings(hub: TaskHub, queues: list[Queue], now_ns: int) -> Iterator[str]:
    for queue in queues:
        if queue.waiting and not queue.offered_by:
            waited = "" if queue.oldest_ns is None else f" for {words.duration(now_ns - queue.oldest_ns)}"
            verb = "has" if queue.waiting == 1 else "have"
            where = f", the oldest in {queue.example[0]} {queue.example[1]}" if queue.example else ""
            version = f" (version {queue.version})" if queue.version else ""
            yield (
                f"Nobody offers {queue.kind} {queue.name}{version}. "
                f"{words.counted(queue.waiting, 'item')} {verb} waited{waited}{where}. "
                f"Start a worker that registers this name, or add it to one."
            )
    for name in dict.fromkeys(name_of(stream) for stream in hub.streams if not stream.has_filter):
        yield f"{name} sent no filter: it is given every kind of work, and fails what it does not know."
    for instance in islice(hub.machine.resident.values(), _LOOKED_AT):
        if instance.offers > 3:
            yield (f"The turn of {instance.id} was delivered {instance.offers} times and never answered.")
