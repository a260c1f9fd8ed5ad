"""Scheduler, worker and client in one process, by direct calls: durable functions without a server.

`durakit.embedded` is all that programs need of it; docs/embedded.md shows how. `core` is the scheduler's
half, `answers` the worker's, `channels` the client's; `task_hub` puts them together.
"""

from __future__ import annotations

from durakit.embedding.task_hub import EmbeddedTaskHub, embedded

__all__ = ["EmbeddedTaskHub", "embedded"]
