"""Those who wait for instances to reach a state, and are told once that state is on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from durakit.scheduler.machine.instance import Instance, Status

Satisfied = Callable[[Instance], bool]


def has_ended(instance: Instance) -> bool:
    """What WaitForInstanceCompletion waits for."""
    return instance.is_terminal


def has_begun(instance: Instance) -> bool:
    """What WaitForInstanceStart waits for; an end counts as well."""
    return instance.status is not Status.PENDING


WAITS: dict[str, Satisfied] = {
    "WaitForInstanceStart": has_begun,
    "WaitForInstanceCompletion": has_ended,
}
"""By method, what a call waits for."""


@dataclass(eq=False)
class Waiter:
    """Somebody who waits for an instance to reach a state.

    Attributes:
        satisfied: whether this is the state.
        resolve: called once with the instance, after that state is on disk.
        fail: called instead when the scheduler cannot tell any more.
    """

    satisfied: Satisfied
    resolve: Callable[[Instance], None]
    fail: Callable[[Exception], None]


class Waiters:
    """Everybody who waits for instances of one hub."""

    def __init__(self) -> None:
        self._by_instance: dict[str, list[Waiter]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_instance.values()))

    def add(self, instance_id: str, waiter: Waiter) -> None:
        """Let somebody wait, for an instance that exists or one that may come (semantics.md 1.4 rule 7)."""
        self._by_instance.setdefault(instance_id, []).append(waiter)

    def remove(self, instance_id: str, waiter: Waiter) -> None:
        """Forget a waiter that gave up."""
        waiters = self._by_instance.get(instance_id)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._by_instance[instance_id]

    def tell(self, instance: Instance) -> None:
        """The instance's present state is on disk: answer those whom it satisfies."""
        waiters = self._by_instance.get(instance.id)
        if waiters:
            for waiter in [waiter for waiter in waiters if waiter.satisfied(instance)]:
                self.remove(instance.id, waiter)
                waiter.resolve(instance)

    def fail(self, error: Exception) -> None:
        """Nobody can be told any more."""
        waiting, self._by_instance = self._by_instance, {}
        for waiters in waiting.values():
            for waiter in waiters:
                waiter.fail(error)
