"""What holds for every test of the repository.

Under DURAKIT_REQUIRE_ALL=1, which `scripts/test.py --all` sets, nothing may be skipped: a test that would be
is reported as failed, with the reason it gave. So CI cannot be green because a tool was missing.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def skip_as_failure(report: Report) -> Report:
    """Return the report, failed if it was a skip; expected failures (xfail) stay what they are."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{reason}\nDURAKIT_REQUIRE_ALL=1 allows no skips: install what is missing."
    return report


if os.environ.get("DURAKIT_REQUIRE_ALL") == "1":

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
        return skip_as_failure((yield))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        return skip_as_failure((yield))
