"""The scheduler's memory, asked on its own event loop in short steps from wherever pages are made.

Everything of the scheduler runs on one loop. Pages are made on another one, in a thread of its own, so that
no page holds up a turn: what they need of memory is copied in one step there, and worked on here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from durakit.dashboard.backend import BackendError

T = TypeVar("T")


class Home:
    """Where the scheduler runs.

    Args:
        loop: its event loop; None: the loop that asks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop

    @property
    def _elsewhere(self) -> asyncio.AbstractEventLoop | None:
        return None if self._loop is asyncio.get_running_loop() else self._loop

    async def ask(self, question: Callable[[], T]) -> T:
        """Return what `question` returns there. It must be quick: no turn is decided meanwhile.

        Raises:
            BackendError: unavailable, the scheduler has stopped.
        """
        loop = self._elsewhere
        if loop is None:
            return question()
        told: Future[T] = Future()

        def answer() -> None:
            if not told.set_running_or_notify_cancel():
                return
            try:
                told.set_result(question())
            except BaseException as error:
                told.set_exception(error)

        _hand_over(loop, answer)
        return await asyncio.wrap_future(told)

    async def do(self, act: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the coroutine of `act` returns there.

        Raises:
            BackendError: unavailable, the scheduler has stopped.
        """
        loop = self._elsewhere
        if loop is None:
            return await act()
        coroutine = act()
        try:
            told = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError as error:
            coroutine.close()
            raise BackendError("unavailable", "The scheduler has stopped.") from error
        # Who asked may leave; what was begun is finished all the same.
        return await asyncio.shield(asyncio.wrap_future(told))

    def tell(self, notice: Callable[[], None]) -> None:
        """Have something done there, now or soon; nothing when the scheduler has stopped."""
        loop = self._elsewhere
        if loop is None:
            notice()
            return
        with contextlib.suppress(BackendError):
            _hand_over(loop, notice)


def _hand_over(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(act)
    except RuntimeError as error:
        raise BackendError("unavailable", "The scheduler has stopped.") from error
