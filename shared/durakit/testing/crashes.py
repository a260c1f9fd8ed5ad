"""Crash the worker at every step of an orchestration, one step in each run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from durakit.testing.faults import Moment
from durakit.testing.task_hub import InProcessTaskHub

MOMENTS: tuple[Moment, ...] = ("before", "after")


class CrashRun:
    """One run of a test, whose worker crashes at one work item; `with` gives its hub.

    Attributes:
        number: which work item of the run, from 1.
        moment: whether it crashes before the item is run, or after and before its answer counts.
    """

    def __init__(self, number: int, moment: Moment, options: dict[str, Any]) -> None:
        self.number = number
        self.moment: Moment = moment
        self.has_ended = False
        self._options = options
        self._hub: InProcessTaskHub | None = None

    def __enter__(self) -> InProcessTaskHub:
        self._hub = InProcessTaskHub(**self._options)
        self._hub.faults.crash_worker_at_item(self.number, self.moment)
        return self._hub

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        assert self._hub is not None
        self.has_ended = True
        if error is not None:
            _tell(error, f"This happened in the run whose worker crashed {self}.")
        self._hub.__exit__(kind, error)

    @property
    def has_crashed(self) -> bool:
        """Whether the run had that many work items."""
        return self._hub is not None and self._hub.faults.crashed_at is not None

    def __str__(self) -> str:
        """Where it crashes: `after work item 3 (call 1 of activity 'charge')`."""
        delivery = self._hub.faults.crashed_at if self._hub is not None else None
        what = f" ({delivery})" if delivery is not None else ""
        return f"{self.moment} work item {self.number}{what}"


def every_crash(*, moments: Sequence[Moment] = MOMENTS, **options: Any) -> Iterator[CrashRun]:
    """Yield runs that crash at work item 1, 2, 3, ..., until one has ended without reaching its crash.

        for crash in every_crash(orchestrators=[trip], activities=ACTIVITIES):
            with crash as hub:
                state = hub.run(trip, input=...)
                assert books_balance()

    The last run is one without a crash. Each must start from the same data, so make what the activities write
    to anew inside the loop (`tmp_path / f"{crash.number}-{crash.moment}"`). A failure says where the worker
    had crashed. `options` are those of `InProcessTaskHub`.

    Raises:
        AssertionError: the test ran no work item at all, or left out the `with`.
    """
    number = 0
    while True:
        number += 1
        for moment in moments:
            run = CrashRun(number, moment, options)
            yield run
            if not run.has_ended:
                raise AssertionError("Each run of every_crash must be entered: `with crash as hub:`.")
            if not run.has_crashed:
                if number == 1:
                    raise AssertionError("No work item was run, so there was no step to crash at.")
                return


def _tell(error: BaseException, sentence: str) -> None:
    """Add the sentence to the error's traceback; before Python 3.11 print it, pytest shows that too."""
    if sys.version_info >= (3, 11):
        error.add_note(sentence)
    else:
        sys.stderr.write(f"{sentence}\n")
