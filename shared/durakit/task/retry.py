"""When a failed activity or sub-orchestration is tried again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta

from durakit.task.failures import FailureDetails

# Far beyond any sane policy; keeps exponential growth from overflowing a timedelta.
_LONGEST_DELAY = timedelta(days=36500)


class RetryPolicy:
    """How often, and after which delays, a failed call is made again.

    The delay before attempt n + 1 is `first_retry_interval * backoff_coefficient ** (n - 1)`, at most
    `max_retry_interval`. There are at most `max_number_of_attempts` attempts, the first one included, and
    none begins once `retry_timeout` of orchestration time has passed since the first was scheduled.

    `non_retryable_error_types` lists exception types (subclasses match too) or type names whose failures
    are final. `handler` is asked last, with the failure, and answers True to try again; it must be
    deterministic. A failure recorded as non-retriable is always final.

    Raises ValueError or TypeError for arguments outside these meanings.
    """

    def __init__(
        self,
        *,
        first_retry_interval: timedelta,
        max_number_of_attempts: int,
        backoff_coefficient: float | None = 1.0,
        max_retry_interval: timedelta | None = None,
        retry_timeout: timedelta | None = None,
        non_retryable_error_types: Sequence[type[BaseException] | str] = (),
        handler: Callable[[FailureDetails], bool] | None = None,
    ) -> None:
        _refuse_negative("first_retry_interval", first_retry_interval)
        _refuse_negative("max_retry_interval", max_retry_interval)
        _refuse_negative("retry_timeout", retry_timeout)
        if max_number_of_attempts < 1:
            raise ValueError(
                f"max_number_of_attempts is {max_number_of_attempts}; at least 1 is needed, "
                "which means one attempt and no retry."
            )
        if backoff_coefficient is not None and not (1 <= backoff_coefficient < math.inf):
            raise ValueError(f"backoff_coefficient is {backoff_coefficient}; expected a finite number >= 1.")
        if isinstance(non_retryable_error_types, str):
            raise TypeError(
                f"non_retryable_error_types is the text {non_retryable_error_types!r}; expected a list."
            )
        for item in non_retryable_error_types:
            if not isinstance(item, str) and not (isinstance(item, type) and issubclass(item, BaseException)):
                raise TypeError(
                    f"non_retryable_error_types holds {item!r}; expected exception types or their names."
                )
        if handler is not None and not callable(handler):
            raise TypeError(
                f"handler is {handler!r}; expected a function of the failure that returns a bool."
            )

        self._first_retry_interval = first_retry_interval
        self._max_number_of_attempts = max_number_of_attempts
        self._backoff_coefficient = backoff_coefficient
        self._max_retry_interval = max_retry_interval
        self._retry_timeout = retry_timeout
        self._non_retryable_error_types = tuple(non_retryable_error_types)
        self._handler = handler

    @property
    def first_retry_interval(self) -> timedelta:
        """The delay before the second attempt."""
        return self._first_retry_interval

    @property
    def max_number_of_attempts(self) -> int:
        """The number of attempts, the first one included."""
        return self._max_number_of_attempts

    @property
    def backoff_coefficient(self) -> float | None:
        """The factor between one delay and the next; None means 1."""
        return self._backoff_coefficient

    @property
    def max_retry_interval(self) -> timedelta | None:
        """The longest delay, or None for no limit."""
        return self._max_retry_interval

    @property
    def retry_timeout(self) -> timedelta | None:
        """The orchestration time after which no attempt begins, or None."""
        return self._retry_timeout

    @property
    def non_retryable_error_types(self) -> tuple[type[BaseException] | str, ...]:
        """The failures that are final at once."""
        return self._non_retryable_error_types

    @property
    def handler(self) -> Callable[[FailureDetails], bool] | None:
        """The function that decides from the failure, or None."""
        return self._handler

    def delay_after(self, failed_attempts: int) -> timedelta:
        """The delay after so many failed attempts (1 or more)."""
        longest = _LONGEST_DELAY if self._max_retry_interval is None else self._max_retry_interval
        try:
            delay = self._first_retry_interval * (self._backoff_coefficient or 1.0) ** (failed_attempts - 1)
        except OverflowError:
            return longest
        return min(delay, longest)

    def allows(self, failure: FailureDetails) -> bool:
        """Whether a failure of this kind may be tried again; the handler's exceptions come through.

        Raises TypeError when the handler answers something that is not a bool.
        """
        if any(failure.is_caused_by(kind) for kind in self._non_retryable_error_types):
            return False
        if self._handler is None:
            return True
        answer = self._handler(failure)
        if not isinstance(answer, bool):
            raise TypeError(f"The retry handler returned {answer!r}; expected True or False.")
        return answer


def _refuse_negative(name: str, value: timedelta | None) -> None:
    if value is not None and value < timedelta(0):
        raise ValueError(f"{name} is {value}; it must not be negative.")
