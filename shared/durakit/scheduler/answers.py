"""Answers of workers before they are applied: whether one still counts, whose it is, its parts as one."""

from __future__ import annotations

import logging

from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.refusal import invalid, stale
from durakit.wire.messages import orchestration_pb2 as pb

logger = logging.getLogger(__name__)


def refuse_late(kind: str, token: str) -> None:
    """Refuse a late answer if it came with a token; else drop it.

    Workers that send no tokens cannot use a refusal. The Java SDK's 1.5 takes it for a broken connection: it
    opens a second stream and never again reads the first, on which work would then be lost.
    """
    if token:
        raise stale(kind)
    logger.debug("A late answer without a token was dropped (%s).", kind)


def check_addressee(instance_id: str, instance: Instance) -> None:
    """Refuse an answer that names another instance than its token; some SDKs name none (trap 19)."""
    if instance_id and instance_id != instance.id:
        raise invalid(
            f"The answer is for instance '{instance_id}', but its completion token was given with work of "
            f"'{instance.id}'. Send back the token that came with the work item."
        )


def joined(
    chunks: dict[int, pb.OrchestratorResponse], last: pb.OrchestratorResponse
) -> pb.OrchestratorResponse:
    """Put a split answer together; the first part speaks for all but the actions (semantics.md 2.6)."""
    if last.chunkIndex.value > len(chunks):
        raise invalid(
            f"The last part of the answer has number {last.chunkIndex.value}, so that many were expected "
            f"before it, but {len(chunks)} came. Send all parts again."
        )
    if not chunks:
        return last
    whole = pb.OrchestratorResponse()
    whole.CopyFrom(chunks[min(chunks)])
    del whole.actions[:]
    for part in [*(chunks[number] for number in sorted(chunks)), last]:
        whole.actions.extend(part.actions)
    return whole
