"""Where the worker's answers go: into the engine of this process, each turn and result in a commit with what
follows from it.

Results of one instance that come while others of it are being committed wait and then go together, with the
turn that follows from them (scheduler/eager.py), as in a message of a link.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from durakit.embedding.core import Core, Job
from durakit.runtime.threads import WorkerThreads
from durakit.runtime.turns import AheadTurn
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.runtime.dispatch import Answers


MAX_RESULT_THREADS = 4
"""Threads for results that their own threads do not see to: of async activities, and those that came while
others of their instance were being committed."""


class DirectAnswers:
    """The worker's answers to `core`; called on threads of the worker.

    Args:
        drop_session: told the instance of a turn, run ahead of being asked for, that did not count.

    Attributes:
        core: set before the first answer.
        go_ahead: runs a turn ahead of being asked for; set by whoever runs turns.
    """

    core: Core
    is_immediate = True

    def __init__(self, drop_session: Callable[[str], None], logger: logging.Logger) -> None:
        self._drop_session = drop_session
        self._logger = logger
        self._changed = threading.Condition()
        self._lines: dict[str, list[pb.ActivityResponse]] = {}
        self._threads: WorkerThreads[str] = WorkerThreads(
            "durakit-results", MAX_RESULT_THREADS, self._commit_line, logger=logger
        )
        self.go_ahead: Callable[[Sequence[pb.ActivityResponse]], AheadTurn | None] = lambda results: None

    def complete_turn(self, response: pb.OrchestratorResponse, done: Callable[[bool], None]) -> None:
        """Commit a turn; `done` is told whether it counts, before what follows from it is handed out."""
        self.core.do(
            Job(
                lambda hub: hub.complete_turn(response, self.core.engine.now()),
                lambda job: self._turn_done(job, response, done),
            )
        )

    def _turn_done(self, job: Job, response: pb.OrchestratorResponse, done: Callable[[bool], None]) -> None:
        if job.error is not None:
            self._logger.info("A turn of %s does not count: %s", response.instanceId, job.error)
        done(job.error is None)

    def complete_activity(self, request: pb.ActivityRequest, response: pb.ActivityResponse) -> None:
        """Commit an activity's result, soon and together with others of its instance."""
        instance_id = response.instanceId
        with self._changed:
            line = self._lines.get(instance_id)
            if line is not None:
                line.append(response)
                return
            self._lines[instance_id] = [response]
        if _is_on_event_loop():
            # There, a commit would hold up all other activities.
            self._threads.submit(instance_id)
        else:
            self._commit_line(instance_id)

    def _commit_line(self, instance_id: str) -> None:
        """Commit what is in the instance's line; what comes meanwhile is taken up when that is done."""
        with self._changed:
            results, self._lines[instance_id] = self._lines[instance_id], []
        turn = None
        if not any(result.HasField("failureDetails") for result in results):
            turn = self._try_ahead(results)
        if turn is None:
            self.core.do(Job(partial(self._take_results, results), lambda job: self._line_done(instance_id)))
            return
        eager_turn = link.EagerTurn(
            instance_id=instance_id,
            session=turn.session,
            execution_id=turn.execution_id,
            committed_events=turn.committed_events,
            started_ns=turn.started_ns,
            results=results,
            response=turn.response,
        )
        self.core.do(
            Job(
                lambda hub: self._take_eager_turn(hub, eager_turn),
                lambda job: self._eager_turn_done(job, instance_id),
            )
        )

    def _line_done(self, instance_id: str) -> None:
        with self._changed:
            is_more = bool(self._lines[instance_id])
            if not is_more:
                del self._lines[instance_id]
                self._changed.notify_all()
        if is_more:
            self._threads.submit(instance_id)

    def _try_ahead(self, results: list[pb.ActivityResponse]) -> AheadTurn | None:
        try:
            return self.go_ahead(results)
        except Exception:
            self._logger.exception("A turn of %s could not be run ahead", results[0].instanceId)
            return None

    def _take_results(self, results: list[pb.ActivityResponse], hub: TaskHub) -> None:
        now = self.core.engine.now()
        for result in results:
            try:
                hub.complete_task(result, now)
            except Refusal as refusal:
                self._logger.info("A result for %s does not count: %s", result.instanceId, refusal.message)

    def _take_eager_turn(self, hub: TaskHub, eager_turn: link.EagerTurn) -> None:
        stream = self.core.stream
        if stream is None:
            raise Refusal("FAILED_PRECONDITION", "Work is not handed out now.")
        hub.complete_eager_turn(stream, eager_turn, self.core.engine.now())

    def _eager_turn_done(self, job: Job, instance_id: str) -> None:
        if job.error is not None:
            self._logger.debug("A turn of %s was run ahead in vain: %s", instance_id, job.error)
            self._drop_session(instance_id)
        self._line_done(instance_id)

    def complete_entity(self, instance_id: str, result: pb.EntityBatchResult) -> None:
        """Nothing: an embedded hub hands out no entity batches."""

    def abandon_turn(self, token: str, instance_id: str) -> None:
        """Give an orchestrator item back."""
        self._give_back(lambda hub: hub.abandon_turn(token, self.core.engine.now()))

    def abandon_activity(self, token: str, instance_id: str) -> None:
        """Give an activity item back."""
        self._give_back(lambda hub: hub.abandon_task(token, self.core.engine.now()))

    def abandon_entity(self, token: str, instance_id: str) -> None:
        """Nothing: an embedded hub hands out no entity batches."""

    def _give_back(self, work: Callable[[TaskHub], None]) -> None:
        self.core.submit(Job(work))

    def join(self, deadline: float) -> bool:
        """Commit what waits, at most until `time.monotonic()` is `deadline`; True if nothing is left."""
        with self._changed:
            left = max(0.0, deadline - time.monotonic())
            is_empty = self._changed.wait_for(lambda: not self._lines, left)
        self._threads.stop()
        return self._threads.join(deadline) and is_empty

    def close(self) -> None:
        """Nothing: no answer waits here."""


def _is_on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


if TYPE_CHECKING:

    def _is_what_a_dispatcher_needs(answers: DirectAnswers) -> Answers:
        return answers
