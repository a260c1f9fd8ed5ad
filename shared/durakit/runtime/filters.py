"""What a worker asks the scheduler for: all that is registered with it, in the versions it may run."""

from __future__ import annotations

from durakit.registry import Registry
from durakit.replay.versioning import VersioningOptions, VersionMatchStrategy
from durakit.wire.messages import orchestration_pb2 as pb


def filters_of(registry: Registry, versioning: VersioningOptions | None) -> pb.WorkItemFilters:
    """Return filters that let through what is registered; a strict worker's own version only."""
    versions = _strict_versions(versioning)
    return pb.WorkItemFilters(
        orchestrations=[
            pb.OrchestrationFilter(name=name, versions=versions) for name in registry.orchestrator_names
        ],
        activities=[pb.ActivityFilter(name=name) for name in registry.activity_names],
    )


def _strict_versions(versioning: VersioningOptions | None) -> list[str]:
    if versioning is None or versioning.match_strategy is not VersionMatchStrategy.STRICT:
        return []
    return [versioning.version] if versioning.version else []
