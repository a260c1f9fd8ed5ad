"""The activities of a test: which of them are replaced, and a record of every run.

A worker of the in-process hub looks its activities up here. What it gets is the real function, or its
replacement, behind a wrapper that lets injected failures through and writes down what went in and came out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durakit.registry import ActivityEntry, Registry
from durakit.task import ActivityContext, get_name

Named = Callable[..., Any] | str
"""A function that is registered under its own name, or the name."""


def name_of(named: Named) -> str:
    """Return the name. Raises ValueError for a function that has none."""
    return named if isinstance(named, str) else get_name(named)


@dataclass(frozen=True)
class Delivery:
    """One work item in the hands of a worker."""

    name: str
    """Of the activity; of the orchestrator, when it is a turn."""
    call: int
    """Which call of that activity, or turn of that orchestrator, from 1; a redelivery has the same."""
    run: int
    """How often this call has been delivered, from 1."""
    is_turn: bool = False

    def __str__(self) -> str:
        kind = f"turn {self.call} of orchestrator" if self.is_turn else f"call {self.call} of activity"
        return f"{kind} '{self.name}'" + (f", delivery {self.run}" if self.run > 1 else "")


@dataclass(frozen=True)
class ActivityCall:
    """One run of an activity. A call that was delivered twice has run twice."""

    name: str
    input: Any
    """What the function was given, converted by its annotation."""
    call: int
    """Which call of this activity in the hub, from 1; a retry is a new call, a redelivery is not."""
    run: int
    """Which run of that call, from 1."""
    instance_id: str
    task_id: int
    at: datetime
    """Virtual time, in UTC."""
    result: Any = None
    error: BaseException | None = None


class Numbers:
    """Counts calls by name, and runs of each call that was not answered yet."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}
        self._seen: dict[tuple[Any, ...], tuple[int, int]] = {}

    def deliver(self, name: str, key: tuple[Any, ...], *, is_turn: bool = False) -> Delivery:
        """Return the delivery of the item that `key` identifies, which may be a repetition."""
        call, runs = self._seen.get(key, (0, 0))
        if not call:
            call = self._calls[name] = self._calls.get(name, 0) + 1
        self._seen[key] = (call, runs + 1)
        return Delivery(name, call, runs + 1, is_turn)

    def answered(self, key: tuple[Any, ...]) -> None:
        """The item's answer counts, so it is not delivered again."""
        self._seen.pop(key, None)

    def calls(self, name: str) -> int:
        """Return how many calls, or turns, that name has had."""
        return self._calls.get(name, 0)


class Stage:
    """Replacements and records, shared by all workers of a hub.

    Attributes:
        calls: all runs of activities, in order.
        error_for: asked before each run; what it returns is raised instead of running the activity.
    """

    def __init__(
        self, now: Callable[[], datetime], error_for: Callable[[Delivery], BaseException | None]
    ) -> None:
        self.calls: list[ActivityCall] = []
        self._now = now
        self._error_for = error_for
        self._replacements = Registry()
        self._replaced: dict[str, str] = {}
        self.delivery = Delivery("", 0, 0)

    def replace(self, activity: Named, fake: Callable[..., Any]) -> None:
        """Run `fake` wherever `activity` is called from now on; a second replacement counts."""
        name = name_of(activity)
        # The registry refuses a name twice, so each replacement gets one of its own.
        key = f"{name}#{len(self._replacements.activity_names)}"
        self._replacements.add_activity(fake, key)
        self._replaced[name] = key

    def entry(self, name: str, real: ActivityEntry | None) -> ActivityEntry | None:
        """Return what runs under that name, or None when there is neither a real one nor a replacement."""
        entry = real
        if name in self._replaced:
            entry = self._replacements.get_activity(self._replaced[name])
            if entry is not None and entry.input_type is None and real is not None:
                entry = dataclasses.replace(entry, input_type=real.input_type)
        if entry is None:
            return None
        wrapped = self._async_wrapper(entry) if entry.is_async else self._wrapper(entry)
        return dataclasses.replace(entry, fn=wrapped, takes_input=True)

    def _wrapper(self, entry: ActivityEntry) -> Callable[..., Any]:
        def run(context: ActivityContext, value: Any) -> Any:
            try:
                self._raise_injected()
                result = entry.fn(context, value) if entry.takes_input else entry.fn(context)
            except BaseException as error:
                self._record(context, value, error=error)
                raise
            self._record(context, value, result=result)
            return result

        return run

    def _async_wrapper(self, entry: ActivityEntry) -> Callable[..., Any]:
        async def run(context: ActivityContext, value: Any) -> Any:
            try:
                self._raise_injected()
                result = await (entry.fn(context, value) if entry.takes_input else entry.fn(context))
            except BaseException as error:
                self._record(context, value, error=error)
                raise
            self._record(context, value, result=result)
            return result

        return run

    def _raise_injected(self) -> None:
        error = self._error_for(self.delivery)
        if error is not None:
            raise error

    def _record(self, context: ActivityContext, value: Any, **outcome: Any) -> None:
        now = self.delivery
        self.calls.append(
            ActivityCall(
                now.name,
                value,
                now.call,
                now.run,
                context.orchestration_id,
                context.task_id,
                self._now(),
                **outcome,
            )
        )


class StagedRegistry(Registry):
    """A worker's registry whose activities go over the stage."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def get_activity(self, name: str) -> ActivityEntry | None:
        """The activity of that name, replaced and recorded, if any."""
        return self._stage.entry(name, super().get_activity(name))
