"""Testing orchestrations: the real scheduler and the real worker, without sockets and without waiting.

`InProcessTaskHub` runs everything in the calling thread on a virtual clock; `create_test_backend` serves
an in-memory scheduler on a port, for tests that want real workers and clients.
"""

from durakit.testing.in_memory_backend import InMemoryBackend, create_test_backend
from durakit.testing.task_hub import InProcessTaskHub

__all__ = ["InMemoryBackend", "InProcessTaskHub", "create_test_backend"]
