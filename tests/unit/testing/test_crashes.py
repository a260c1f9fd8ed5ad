"""Every step of an orchestration is crashed at once, before and after it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from durakit.task import ActivityContext, OrchestrationContext
from durakit.testing import InProcessTaskHub, every_crash


async def transfer(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(withdraw, input=ctx.new_uuid())
    await ctx.call_activity(deposit, input=ctx.new_uuid())


ACCOUNTS: dict[str, dict[str, int]] = {}


def withdraw(_: ActivityContext, key: str) -> None:
    ACCOUNTS["from"][key] = -100


def deposit(_: ActivityContext, key: str) -> None:
    ACCOUNTS["to"][key] = 100


def careless_deposit(ctx: ActivityContext, _: str) -> None:
    ACCOUNTS["to"][f"without a key, {len(ACCOUNTS['to'])}"] = 100


def transfer_once(hub: InProcessTaskHub) -> list[int]:
    ACCOUNTS.update({"from": {}, "to": {}})
    assert hub.run(transfer).runtime_status.name == "COMPLETED"
    return [sum(account.values()) for account in ACCOUNTS.values()]


OPTIONS: dict[str, Any] = {"orchestrators": [transfer], "activities": [withdraw, deposit]}


def test_the_worker_crashes_before_and_after_each_work_item_and_at_last_not_at_all() -> None:
    crashes = []
    for crash in every_crash(**OPTIONS):
        with crash as hub:
            assert transfer_once(hub) == [-100, 100]
        crashes.append(str(crash))

    assert crashes == [
        "before work item 1 (turn 1 of orchestrator 'transfer')",
        "after work item 1 (turn 1 of orchestrator 'transfer')",
        "before work item 2 (call 1 of activity 'withdraw')",
        "after work item 2 (call 1 of activity 'withdraw')",
        "before work item 3 (turn 2 of orchestrator 'transfer')",
        "after work item 3 (turn 2 of orchestrator 'transfer')",
        "before work item 4 (call 1 of activity 'deposit')",
        "after work item 4 (call 1 of activity 'deposit')",
        "before work item 5 (turn 3 of orchestrator 'transfer')",
        "after work item 5 (turn 3 of orchestrator 'transfer')",
        "before work item 6",
    ]


def test_an_activity_that_is_not_idempotent_is_found_and_the_failure_says_where(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run_all() -> None:
        for crash in every_crash(moments=["after"], **OPTIONS):
            with crash as hub:
                hub.replace_activity(deposit, careless_deposit)
                assert transfer_once(hub) == [-100, 100]

    with pytest.raises(AssertionError) as caught:
        run_all()

    told = (
        "\n".join(getattr(caught.value, "__notes__", ()))
        if sys.version_info >= (3, 11)
        else (capsys.readouterr().err)
    )
    assert "whose worker crashed after work item 4 (call 1 of activity 'deposit')." in told


def test_runs_that_are_not_entered_are_refused() -> None:
    with pytest.raises(AssertionError, match="must be entered: `with crash as hub:`"):
        list(every_crash())


def test_a_test_that_runs_nothing_is_refused() -> None:
    def run_all() -> None:
        for crash in every_crash(**OPTIONS):
            with crash:
                pass

    with pytest.raises(AssertionError, match="No work item was run"):
        run_all()
