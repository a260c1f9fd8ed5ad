"""The releases that have workers, by version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from durakit.worker import VersionFailureStrategy, VersioningOptions, VersionMatchStrategy

import workflow
import workflow_1_0


@dataclass(frozen=True)
class Release:
    """What a worker of this release runs; all releases have the same orchestrator names."""

    version: str
    orchestrators: list[Callable[..., object]]
    activities: list[Callable[..., object]]

    @property
    def versioning(self) -> VersioningOptions:
        """Run orchestrations of this version and no other; leave those to their own worker."""
        return VersioningOptions(
            version=self.version,
            default_version=self.version,  # of sub-orchestrations, should there be some one day
            match_strategy=VersionMatchStrategy.STRICT,
            failure_strategy=VersionFailureStrategy.REJECT,
        )


RELEASES = {
    release.version: release
    for release in (
        Release(workflow_1_0.RELEASE, [workflow_1_0.offer_contract], workflow_1_0.ACTIVITIES),
        Release(workflow.RELEASE, [workflow.offer_contract], workflow.ACTIVITIES),
    )
}
TODAY = workflow.RELEASE
