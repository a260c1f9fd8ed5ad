"""Acts on instances as calls of the protocol, the same for every backend that can make such calls."""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from durakit.dashboard import words
from durakit.dashboard.backend import BackendError, BulkAct, BulkProgress, NewInstance
from durakit.dashboard.instances import OPEN_STATUSES, InstanceRow
from durakit.dashboard.lists import InstanceFilter, InstancePage, InstanceQuery
from durakit.wire.messages import orchestration_pb2 as pb

BATCH = 50
_REFUSALS_TOLD = 20
_ENDED = (
    pb.ORCHESTRATION_STATUS_COMPLETED,
    pb.ORCHESTRATION_STATUS_FAILED,
    pb.ORCHESTRATION_STATUS_TERMINATED,
    pb.ORCHESTRATION_STATUS_CANCELED,
)


def text(value: str | None) -> StringValue | None:
    """Wrap a text, keeping absent and empty apart."""
    return None if value is None else StringValue(value=value)


class ProtocolActs(ABC):
    """Acts by calls; a backend adds `call` and reading."""

    @abstractmethod
    async def call(self, hub: str, method: str, request: Any) -> Any:
        """Make one call of the protocol.

        Raises:
            BackendError: it was refused, or nobody answered.
        """

    @abstractmethod
    async def instances(self, hub: str, query: InstanceQuery) -> InstancePage:
        """Return a page of instances."""

    @abstractmethod
    async def rows(self, hub: str, ids: Collection[str]) -> list[InstanceRow]:
        """Return these instances."""

    async def start(self, hub: str, new: NewInstance) -> str:
        """Start an instance; return its id."""

        request = pb.CreateInstanceRequest(
            instanceId=new.id or uuid.uuid4().hex,
            name=new.name,
            version=text(new.version),
            input=text(new.input),
            tags=new.tags,
        )
        if new.start_ns is not None:
            seconds, nanos = divmod(new.start_ns, words.SECOND)
            request.scheduledStartTimestamp.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
        answer: pb.CreateInstanceResponse = await self.call(hub, "StartInstance", request)
        return answer.instanceId

    async def raise_event(self, hub: str, instance_id: str, name: str, payload: str | None) -> None:
        """Deliver an event."""
        await self._must_be_open(hub, instance_id, "event")
        request = pb.RaiseEventRequest(instanceId=instance_id, name=name, input=text(payload))
        await self.call(hub, "RaiseEvent", request)

    async def suspend(self, hub: str, instance_id: str, reason: str | None) -> None:
        """Withhold turns."""
        await self._must_be_open(hub, instance_id, "Suspend")
        await self.call(
            hub, "SuspendInstance", pb.SuspendRequest(instanceId=instance_id, reason=text(reason))
        )

    async def resume(self, hub: str, instance_id: str, reason: str | None) -> None:
        """Let it go on."""
        await self._must_be_open(hub, instance_id, "Resume")
        await self.call(hub, "ResumeInstance", pb.ResumeRequest(instanceId=instance_id, reason=text(reason)))

    async def terminate(
        self, hub: str, instance_id: str, reason: str | None, *, recursive: bool = True
    ) -> None:
        """End an instance."""
        await self._must_be_open(hub, instance_id, "Terminate")
        output = None if reason is None else text(json.dumps(reason, ensure_ascii=False))
        request = pb.TerminateRequest(instanceId=instance_id, output=output, recursive=recursive)
        await self.call(hub, "TerminateInstance", request)

    async def rewind(self, hub: str, instance_id: str, reason: str | None) -> None:
        """Run a failed instance again from its last good point."""
        request = pb.RewindInstanceRequest(instanceId=instance_id, reason=text(reason))
        await self.call(hub, "RewindInstance", request)

    async def restart(
        self, hub: str, instance_id: str, *, new_id: bool = False, input: str | None = None
    ) -> str:
        """Start an ended instance again."""
        if input is None:
            request = pb.RestartInstanceRequest(instanceId=instance_id, restartWithNewInstanceId=new_id)
            answer: pb.RestartInstanceResponse = await self.call(hub, "RestartInstance", request)
            return answer.instanceId
        row = await self._row(hub, instance_id)
        if row.is_open:
            raise BackendError("conflict", f"{instance_id} is {row.status}. Terminate it first.")
        if new_id:
            new = NewInstance(row.name, None, input, row.version, row.tags)
            return await self.start(hub, new)
        again = pb.CreateInstanceRequest(
            instanceId=instance_id, name=row.name, version=text(row.version), input=text(input), tags=row.tags
        )
        again.orchestrationIdReusePolicy.replaceableStatus.extend(_ENDED)
        started: pb.CreateInstanceResponse = await self.call(hub, "StartInstance", again)
        return started.instanceId

    async def purge(self, hub: str, instance_id: str, *, recursive: bool = True) -> int:
        """Delete an ended instance."""
        request = pb.PurgeInstancesRequest(instanceId=instance_id, recursive=recursive, isOrchestration=True)
        answer: pb.PurgeInstancesResponse = await self.call(hub, "PurgeInstances", request)
        if answer.deletedInstanceCount == 0:
            await self._row(hub, instance_id)
        return answer.deletedInstanceCount

    async def _row(self, hub: str, instance_id: str) -> InstanceRow:
        found = await self.rows(hub, [instance_id])
        if not found:
            raise BackendError("not_found", f"There is no instance {instance_id} in hub {hub}.")
        return found[0]

    async def _must_be_open(self, hub: str, instance_id: str, act: str) -> None:
        """Tell in words that an act came too late; the protocol itself lets it pass in silence."""
        row = await self._row(hub, instance_id)
        if row.is_open:
            return
        when = f" at {words.utc(row.completed_ns):%H:%M:%S}" if row.completed_ns is not None else ""
        verb = "was terminated" if row.status == "terminated" else row.status
        raise BackendError(
            "conflict", f"{instance_id} {verb}{when}, before your {act} arrived. Nothing was changed."
        )

    # --- many

    async def bulk(
        self,
        hub: str,
        act: BulkAct,
        chosen: Collection[str] | InstanceFilter,
        reason: str | None = None,
    ) -> AsyncIterator[BulkProgress]:
        """Act on ids or on all that match, in batches; yield progress after each."""
        done = left_alone = 0
        refused: list[tuple[str, str]] = []
        total = None if isinstance(chosen, InstanceFilter) else len(chosen)
        yield BulkProgress(act, total=total)
        async for batch in self._batches(hub, chosen):
            for row in batch:
                if not can(act, row):
                    left_alone += 1
                    continue
                try:
                    await self._act(hub, act, row.id, reason)
                    done += 1
                except BackendError as error:
                    if error.trouble in ("unavailable", "denied"):
                        raise
                    if error.trouble in ("conflict", "not_found"):
                        left_alone += 1
                    elif len(refused) < _REFUSALS_TOLD:
                        refused.append((row.id, error.message))
            yield BulkProgress(act, done, left_alone, tuple(refused), total)
        yield BulkProgress(act, done, left_alone, tuple(refused), total, is_finished=True)

    async def _batches(
        self, hub: str, chosen: Collection[str] | InstanceFilter
    ) -> AsyncIterator[list[InstanceRow]]:
        if not isinstance(chosen, InstanceFilter):
            ids = list(chosen)
            for at in range(0, len(ids), BATCH):
                yield await self.rows(hub, ids[at : at + BATCH])
            return
        # The order of creation stays whatever is done to the instances of earlier pages.
        query = InstanceQuery(chosen, "-started", size=BATCH)
        while True:
            page = await self.instances(hub, query)
            yield page.rows
            following = page.after or (page.searched.further if page.searched is not None else None)
            if following is None:
                return
            query = InstanceQuery(chosen, "-started", after=following, size=BATCH)

    async def _act(self, hub: str, act: BulkAct, instance_id: str, reason: str | None) -> None:
        if act == "terminate":
            await self.terminate(hub, instance_id, reason)
        elif act == "suspend":
            await self.suspend(hub, instance_id, reason)
        elif act == "resume":
            await self.resume(hub, instance_id, reason)
        else:
            await self.purge(hub, instance_id)


def can(act: BulkAct, row: InstanceRow) -> bool:
    """Return whether an instance is in a state in which that can be done."""
    if act == "purge":
        return row.status not in OPEN_STATUSES
    if act == "suspend":
        return row.status in ("pending", "running")
    return row.status in OPEN_STATUSES if act == "terminate" else row.status == "suspended"
