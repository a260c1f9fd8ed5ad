"""Clients of the random interleavings: requests about any instance, granted or refused as the model says."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.waiters import Waiter, has_ended
from durakit.wire.messages import orchestration_pb2 as pb

from . import rig as build
from .model import Model
from .rig import Rig

IDS = "abcd"
REQUESTS = ["start"] * 5 + ["raise"] * 5 + ["terminate"] * 2
REQUESTS += ["suspend", "resume", "purge", "restart", "replace"]


class ActsForClients:
    """What the interleavings know of clients."""

    rig: Rig
    model: Model
    numbers: itertools.count[int]
    chance: random.Random

    def ask(self) -> None:
        """Send a client's request."""
        what, instance_id = self.chance.choice(REQUESTS), self.chance.choice(IDS)
        if what == "raise":
            self.raise_event(instance_id)
        elif what == "terminate":
            self.terminate(instance_id, recurse=self.chance.random() < 0.5)
        else:
            getattr(self, what)(instance_id)

    def start(self, instance_id: str) -> None:
        request = pb.CreateInstanceRequest(instanceId=instance_id, name="flow")
        if self.model.live(instance_id) is not None:
            with pytest.raises(Refusal, match="already exists"):
                self.rig.request("StartInstance", request)
            return
        policy = request.orchestrationIdReusePolicy
        policy.replaceableStatus.extend([build.COMPLETED, build.FAILED, build.TERMINATED])
        self.rig.request("StartInstance", request)
        self.model.create(instance_id)

    def replace(self, instance_id: str) -> None:
        """Start an instance in the place of one that may still run, which is terminated first."""
        request = pb.CreateInstanceRequest(instanceId=instance_id, name="flow")
        statuses = [build.PENDING, build.RUNNING, build.SUSPENDED]
        statuses += [build.COMPLETED, build.FAILED, build.TERMINATED]
        request.orchestrationIdReusePolicy.replaceableStatus.extend(statuses)
        self.rig.request("StartInstance", request)
        self.model.terminate(instance_id, recurse=True)
        self.model.create(instance_id)

    def wait_for_an_end(self) -> None:
        def told(instance: Instance) -> None:
            stored = self.rig.store.find(instance.hub_row, instance.id)
            assert stored is None or stored.row != instance.row or stored.is_terminal

        instance_id = self.chance.choice(IDS)
        self.rig.hub.wait(instance_id, Waiter(has_ended, told, lambda error: None))

    def restart(self, instance_id: str) -> None:
        request = pb.RestartInstanceRequest(instanceId=instance_id)
        known = self.model.instances.get(instance_id)
        if known is None or not known.ended:
            with pytest.raises(Refusal):
                self.rig.request("RestartInstance", request)
            return
        self.rig.request("RestartInstance", request)
        self.model.create(instance_id)

    def about(self, method: str, request: Any) -> bool:
        """Send a request about an instance; return whether it exists. If not, it must be refused."""
        if request.instanceId not in self.model.instances:
            with pytest.raises(Refusal, match="There is no orchestration instance"):
                self.rig.request(method, request)
            return False
        self.rig.request(method, request)
        return True

    def raise_event(self, instance_id: str) -> None:
        data = f"event {next(self.numbers)}"
        request = pb.RaiseEventRequest(instanceId=instance_id, name="e", input=build.text(data))
        if self.about("RaiseEvent", request):
            self.model.raise_event(instance_id, data)

    def suspend(self, instance_id: str) -> None:
        if self.about("SuspendInstance", pb.SuspendRequest(instanceId=instance_id)):
            self.model.suspend(instance_id)

    def resume(self, instance_id: str) -> None:
        if self.about("ResumeInstance", pb.ResumeRequest(instanceId=instance_id)):
            self.model.resume(instance_id)

    def terminate(self, instance_id: str, *, recurse: bool) -> None:
        request = pb.TerminateRequest(instanceId=instance_id, recursive=recurse)
        if self.about("TerminateInstance", request):
            self.model.terminate(instance_id, recurse=recurse)

    def purge(self, instance_id: str) -> None:
        request = pb.PurgeInstancesRequest(instanceId=instance_id)
        if self.model.live(instance_id) is not None:
            with pytest.raises(Refusal, match="only instances that have ended can be purged"):
                self.rig.request("PurgeInstances", request)
            return
        exists = instance_id in self.model.instances
        assert self.rig.request("PurgeInstances", request).deletedInstanceCount == exists
        if exists:
            self.model.purge(instance_id)
