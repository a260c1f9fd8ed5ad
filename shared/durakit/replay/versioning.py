"""Which versions of an orchestration a worker runs, and what it does with others (semantics 3.15.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class VersionMatchStrategy(Enum):
    """Which orchestration versions match the worker's."""

    NONE = 1  # all
    STRICT = 2  # the same only
    CURRENT_OR_OLDER = 3  # the same and lower ones


class VersionFailureStrategy(Enum):
    """What happens to an orchestration whose version does not match."""

    REJECT = 1  # left to another worker
    FAIL = 2  # ends as failed


@dataclass
class VersioningOptions:
    """The worker's version, the version its sub-orchestrations get when none is given, and the strategies.

    Without strategies nothing is checked (NONE), and a mismatch means REJECT.
    """

    version: str | None = None
    default_version: str | None = None
    match_strategy: VersionMatchStrategy | None = None
    failure_strategy: VersionFailureStrategy | None = None


class VersionMismatchReject(Exception):
    """This worker must not run the orchestration; give the work item back for another one."""


def mismatch(options: VersioningOptions, version: str | None) -> str | None:
    """Why a version is not to be run, as a sentence; None when it is."""
    strategy = options.match_strategy
    order = compare_versions(version, options.version)
    if strategy is VersionMatchStrategy.STRICT and order != 0:
        wanted = "only the same version"
    elif strategy is VersionMatchStrategy.CURRENT_OR_OLDER and order > 0:
        wanted = "only the same or a lower version"
    else:
        return None
    return (
        f"The orchestration has {_spelt(version)}, the worker has {_spelt(options.version)} and runs "
        f"{wanted}; start a worker whose version matches."
    )


def compare_versions(left: str | None, right: str | None) -> int:
    """-1, 0 or 1 as `left` is lower than, equal to or higher than `right`.

    A missing version is the lowest. Dotted numbers compare as numbers, and what follows them counts as a
    pre-release (`1.0rc1` < `1.0`); where either side has no such form, both compare as texts.
    """
    if not left or not right:
        return bool(left) - bool(right)
    left_key, right_key = _key(left), _key(right)
    if left_key is None or right_key is None:
        return (left > right) - (left < right)
    return (left_key > right_key) - (left_key < right_key)


_FORM = re.compile(r"v?(\d+(?:\.\d+)*)(.*)", re.IGNORECASE | re.DOTALL)
_SUFFIX_PARTS = re.compile(r"\d+|[a-z]+", re.IGNORECASE)


def _key(version: str) -> tuple[list[int], int, list[tuple[int, int, str]]] | None:
    form = _FORM.fullmatch(version.strip())
    if form is None:
        return None
    numbers = [int(part) for part in form[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    suffix = form[2].lower()
    parts = [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in _SUFFIX_PARTS.findall(suffix)]
    if not suffix:
        return numbers, 1, []
    return numbers, 2 if suffix.startswith(("+", ".post", "post", "-post")) else 0, parts


def _spelt(version: str | None) -> str:
    return f"version '{version}'" if version else "no version"
