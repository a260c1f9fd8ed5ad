"""What a client or worker leaves behind when it is closed."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

DEADLINE_SECONDS = 20.0


@contextmanager
def no_stream_left() -> Iterator[None]:
    """Fail if a stream that is opened inside is still there at the end, for the garbage collector to find.

    It may not come before the process ends, and freeing a stream then waits for ever if one of gRPC's threads
    was stopped while it had the stream's lock.
    """
    gc.collect()
    gc.disable()
    try:
        known = {id(stream) for stream in _streams()}
        yield
        deadline = time.monotonic() + DEADLINE_SECONDS
        while left := [repr(stream) for stream in _streams() if id(stream) not in known]:
            assert time.monotonic() < deadline, left
            # The threads that still see to its end.
            time.sleep(0.01)
    finally:
        gc.enable()


def _streams() -> list[grpc.Call]:
    # A look at the type only: some objects here do not like to be asked for their class.
    return [found for found in gc.get_objects() if type(found).__name__ == "_MultiThreadedRendezvous"]
