"""Faults that a test injects: failing activities, crashing workers, answers twice or late.

Which delivery a fault meets is told by the name of an activity and the number of its call, or by the name of
an orchestrator and the number of its turn. Numbers count from 1 in the whole hub; a retry is a new call, a
redelivery is the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Literal

from durakit.testing.stage import Delivery, Named, name_of

Calls = int | Collection[int] | None
"""One number, several of them (a range, too), or None for every call."""

Moment = Literal["before", "after"]


class InjectedFault(Exception):
    """What `faults.fail` raises in an activity when the test names no error of its own."""


class WorkerCrash(BaseException):
    """Raise it inside an activity to have the worker crash right there; the hub starts a new one."""


class FaultNotReached(AssertionError):
    """A test ended before a fault that it had injected; what it meant to show, it did not show."""


class Kind(Enum):
    """What happens."""

    FAIL = "fail"
    CRASH_BEFORE = "crash_worker before"
    CRASH_AFTER = "crash_worker after"
    TWICE = "deliver_twice"
    DELAY = "delay"
    LOSE_SESSION = "lose_session"


@dataclass(eq=False)
class Fault:
    """One thing that is to go wrong. `times`: on how many deliveries of each call, None on all."""

    kind: Kind
    name: str
    calls: Calls
    times: int | None = None
    error: BaseException | type[BaseException] | None = None
    by: timedelta = timedelta()
    hits: int = 0

    def meets(self, delivery: Delivery) -> bool:
        """Whether it happens at this delivery."""
        if self.name != delivery.name or (self.times is not None and delivery.run > self.times):
            return False
        if self.calls is None:
            return True
        return delivery.call == self.calls if isinstance(self.calls, int) else delivery.call in self.calls

    def __str__(self) -> str:
        which = "every call" if self.calls is None else f"call {self.calls}"
        return f"{self.kind.value} '{self.name}', {which}"


class Faults:
    """The faults of one hub, in the order in which they were injected.

    Args:
        calls_so_far: how many calls or turns a name has had, to explain what was not reached.
    """

    def __init__(self, calls_so_far: Callable[[str], int]) -> None:
        self._calls_so_far = calls_so_far
        self._faults: list[Fault] = []
        self._crash_item: tuple[int, Moment] | None = None
        self._items = 0
        self.crashed_at: Delivery | None = None
        """Where `crash_worker_at_item` struck; None as long as it has not."""

    # --- what a test says

    def fail(
        self,
        activity: Named,
        *,
        call: Calls = None,
        error: BaseException | type[BaseException] | None = None,
    ) -> None:
        """Let calls of an activity raise `error` instead of running; by default every call."""
        self._add(Fault(Kind.FAIL, name_of(activity), call, error=error))

    def crash_worker(
        self,
        *,
        before: Named | None = None,
        after: Named | None = None,
        call: Calls = 1,
        times: int = 1,
    ) -> None:
        """Crash the worker before it runs a call, or after it ran and before its answer counts.

        `before` or `after` names an activity or an orchestrator (then a turn is meant). The hub starts a new
        worker at once, which gets the turn again at once and an activity after the scheduler's grace of five
        seconds; on `times` deliveries of the same call it crashes again.
        """
        if (before is None) == (after is None):
            raise TypeError("crash_worker needs either before= or after=, the name of what it runs then.")
        if before is not None:
            self._add(Fault(Kind.CRASH_BEFORE, name_of(before), call, times=times))
        elif after is not None:
            self._add(Fault(Kind.CRASH_AFTER, name_of(after), call, times=times))

    def crash_worker_at_item(self, number: int, moment: Moment = "after") -> None:
        """Crash the worker once, before or after the `number`-th work item of the hub, from 1, whatever it
        is. `every_crash` tries all of them.
        """
        self._crash_item = (number, moment)

    def deliver_twice(self, named: Named, *, call: Calls = None) -> None:
        """Run an activity twice for one call, and let both answers arrive; of an orchestrator's turn, let the
        answer arrive twice. The first answer counts.
        """
        self._add(Fault(Kind.TWICE, name_of(named), call, times=1))

    def delay(self, activity: Named, by: timedelta, *, call: Calls = None) -> None:
        """Let the answers of an activity arrive `by` later, in virtual time; it runs when it is called.

        An answer under way is lost when its worker crashes.
        """
        if by <= timedelta():
            raise ValueError(f"by is {by}; expected a duration above zero.")
        self._add(Fault(Kind.DELAY, name_of(activity), call, by=by))

    def lose_session(self, orchestrator: Named, *, call: Calls = None) -> None:
        """Let the worker forget its live executions before a turn, so that it must replay from history."""
        self._add(Fault(Kind.LOSE_SESSION, name_of(orchestrator), call, times=1))

    def _add(self, fault: Fault) -> None:
        numbers = fault.calls if isinstance(fault.calls, Collection) else [fault.calls]
        wrong = [number for number in numbers if number is not None and number < 1]
        if wrong or not numbers:
            raise ValueError(f"call is {fault.calls!r}; expected numbers from 1, or None for every call.")
        self._faults.append(fault)

    @property
    def not_reached(self) -> list[str]:
        """The faults that have not happened so far, each with how often its name was called."""
        sentences = []
        for fault in self._faults:
            if not fault.hits:
                calls = self._calls_so_far(fault.name)
                times = (
                    f"was called {calls} times" if calls > 1 else "was called once" if calls else "never was"
                )
                sentences.append(f"{fault} (it {times})")
        return sentences

    def check_all_reached(self) -> None:
        """Raise `FaultNotReached` when a fault has not happened; the hub does so when it is closed."""
        sentences = self.not_reached
        if sentences:
            raise FaultNotReached(
                "These faults were never reached, so the test did not show what it was to show: "
                + "; ".join(sentences)
                + "."
            )

    # --- what the hub asks

    def begin(self, delivery: Delivery) -> bool:
        """Count a work item; return whether the worker crashes before it runs."""
        self._items += 1
        return self._at_item("before", delivery) or self._happens(Kind.CRASH_BEFORE, delivery)

    def crashes_after(self, delivery: Delivery) -> bool:
        """Whether the worker crashes before its answer to this delivery counts."""
        return self._at_item("after", delivery) or self._happens(Kind.CRASH_AFTER, delivery)

    def error_for(self, delivery: Delivery) -> BaseException | None:
        """What the activity is to raise instead of running."""
        for fault in self._met(Kind.FAIL, delivery):
            error = fault.error or InjectedFault(f"{delivery} fails because the test says so")
            return error() if isinstance(error, type) else error
        return None

    def is_delivered_twice(self, delivery: Delivery) -> bool:
        """Whether the answer to this delivery arrives twice."""
        return self._happens(Kind.TWICE, delivery)

    def delay_of(self, delivery: Delivery) -> timedelta:
        """How much later the answer arrives."""
        return sum((fault.by for fault in self._met(Kind.DELAY, delivery)), timedelta())

    def loses_session(self, delivery: Delivery) -> bool:
        """Whether the worker has forgotten its executions."""
        return self._happens(Kind.LOSE_SESSION, delivery)

    def _at_item(self, moment: Moment, delivery: Delivery) -> bool:
        if self._crash_item != (self._items, moment) or self.crashed_at is not None:
            return False
        self.crashed_at = delivery
        return True

    def _happens(self, kind: Kind, delivery: Delivery) -> bool:
        return any([*self._met(kind, delivery)])

    def _met(self, kind: Kind, delivery: Delivery) -> Iterator[Fault]:
        for fault in self._faults:
            if fault.kind is kind and fault.meets(delivery):
                fault.hits += 1
                yield fault
