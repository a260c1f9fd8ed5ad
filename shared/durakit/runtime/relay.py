"""Reading a stream and doing short work on the same thread: whoever takes long over an item is relieved.

To hand an item to another thread costs more than most turns of an orchestrator take. So the thread that reads
an item also works on it. If that lasts, because user code computes or waits, another thread goes on reading;
the first one ends with its work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

#: How long an item may take, once to twice, before its reader is relieved.
PATIENCE_SECONDS = 0.01
#: So many looks without a new item, and nobody looks any more until there is one.
QUIET_LOOKS = 100


class Relay(Generic[T]):
    """Calls `take` with each of `items`, one after the other as long as `take` is quick."""

    def __init__(self, items: Iterator[T], take: Callable[[T], None], name: str) -> None:
        self._items = items
        self._take = take
        self._name = name
        self._lock = threading.Lock()
        #: Number of the reader whose turn it is; what follows is written by that one only.
        self._turn = 0
        self._begun = 0
        self._is_taking = False
        self._is_watched = False
        self._needs_watch = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Return when the items have ended; raises what reading them or `take` raised.

        The calling thread only watches. Readers that were relieved may still be at work afterwards.
        """
        self._start_reader()
        while not self._ended.is_set():
            self._needs_watch.wait()
            self._needs_watch.clear()
            self._watch()
        if self._error is not None:
            raise self._error

    def _watch(self) -> None:
        """Relieve readers that take long; return when the items pause or have ended."""
        seen, quiet = self._begun, 0
        while quiet < QUIET_LOOKS and not self._ended.wait(PATIENCE_SECONDS):
            if self._begun != seen:
                seen, quiet = self._begun, 0
            elif self._is_taking:
                self._relieve(seen)
                quiet = 0
            else:
                quiet += 1
        self._is_watched = False
        if self._begun != seen:
            # That one was begun before it could see that nobody looks.
            self._needs_watch.set()

    def _relieve(self, begun: int) -> None:
        with self._lock:
            if self._begun != begun or not self._is_taking:
                return
            self._turn += 1
            self._is_taking = False
        self._start_reader()

    def _start_reader(self) -> None:
        turn = self._turn
        threading.Thread(target=self._read, args=(turn,), name=f"{self._name}-{turn}", daemon=True).start()

    def _read(self, turn: int) -> None:
        try:
            for item in self._items:
                self._begun += 1
                self._is_taking = True
                if not self._is_watched:
                    self._is_watched = True
                    self._needs_watch.set()
                self._take(item)
                with self._lock:
                    if self._turn != turn:
                        return
                    self._is_taking = False
        except BaseException as error:
            self._error = error
            if self._turn != turn:
                # Somebody else is reading; `run` raises this when that ends.
                return
        self._ended.set()
        self._needs_watch.set()
