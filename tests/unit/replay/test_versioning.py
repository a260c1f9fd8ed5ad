from __future__ import annotations

import pytest
from durakit.replay.versioning import VersioningOptions, VersionMatchStrategy, compare_versions, mismatch

STRICT = VersionMatchStrategy.STRICT
CURRENT_OR_OLDER = VersionMatchStrategy.CURRENT_OR_OLDER


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        (None, "0"),
        ("", "1"),
        ("1.9", "1.10"),
        ("1.0", "1.0.1"),
        ("2", "10"),
        ("1.0rc1", "1.0"),
        ("1.0-beta", "1.0-beta2"),
        ("1.0-alpha", "1.0-beta"),
        ("1.0", "1.0.post1"),
        ("v1.2", "V1.3"),
        ("apricot", "banana"),
        ("1.0", "banana"),
    ],
)
def test_versions_are_ordered(lower: str | None, higher: str | None) -> None:
    assert compare_versions(lower, higher) == -1
    assert compare_versions(higher, lower) == 1


@pytest.mark.parametrize(("left", "right"), [("1.0", "1"), ("v1.0", "1.0.0"), (None, ""), ("x", "x")])
def test_versions_are_equal(left: str | None, right: str | None) -> None:
    assert compare_versions(left, right) == 0


@pytest.mark.parametrize(
    ("strategy", "version", "runs"),
    [
        (None, "9", True),
        (VersionMatchStrategy.NONE, "9", True),
        (STRICT, "1.5", True),
        (STRICT, "1.4", False),
        (STRICT, None, False),
        (CURRENT_OR_OLDER, "1.5", True),
        (CURRENT_OR_OLDER, "1.4", True),
        (CURRENT_OR_OLDER, None, True),
        (CURRENT_OR_OLDER, "1.6", False),
    ],
)
def test_the_strategy_says_which_versions_run(
    strategy: VersionMatchStrategy | None, version: str | None, runs: bool
) -> None:
    options = VersioningOptions("1.5", match_strategy=strategy)

    assert (mismatch(options, version) is None) is runs


def test_a_missing_version_is_named_as_such() -> None:
    assert mismatch(VersioningOptions("1.5", match_strategy=STRICT), None) == (
        "The orchestration has no version, the worker has version '1.5' and runs only the same version; "
        "start a worker whose version matches."
    )
