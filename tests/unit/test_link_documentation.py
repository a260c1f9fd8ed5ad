"""docs/link.md gives the figures that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest
from durakit.runtime import link as workers_end
from durakit.runtime import turns
from durakit.scheduler import eager
from durakit.scheduler import link as schedulers_end
from durakit.wire.methods import LINK_HEADER, LINK_METHOD, LINK_SERVICE

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "link.md").read_text("utf-8")
MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    "figure",
    [
        f"`{LINK_HEADER}: 1`",
        f"`/{LINK_SERVICE}/{LINK_METHOD}`",
        f"| an Up | {workers_end.MOST_ANSWERS} answers, {workers_end.MOST_BYTES // MEBIBYTE} MiB;",
        f"answers above {turns.MAX_RESPONSE_BYTES / 1e6:.1f} MB go by calls",
        f"| a Down | {schedulers_end.MOST_ITEMS} items, {schedulers_end.MOST_BYTES // MEBIBYTE} MiB;",
        f"| answers that are not acknowledged | {workers_end.MOST_UNACKNOWLEDGED:,};",
        f"| replies that a client has not taken | {schedulers_end.MOST_REPLIES:,};",
        f"took less than {turns.QUICK_TURN_SECONDS * 1000:.0f} ms",
        f"after {workers_end.STALLED_SECONDS * 1000:.0f} ms, what waits behind it leaves by calls",
        f"after {workers_end.MOST_REFUSALS} refusals in a row",
        f"only one in {workers_end.TRIED_AFTERWARDS} is tried",
        f"within {eager.CLOCK_TOLERANCE_NS / 1e9:.0f} s of the scheduler's clock",
    ],
)
def test_the_specification_of_the_link_names(figure: str) -> None:
    assert figure in TEXT


@pytest.mark.parametrize(
    "field",
    [
        "`session`",
        "`execution_id`",
        "`committed_events`",
        "`started_ns`",
        "`Down.durable_through",
        "`Down.refused`",
    ],
)
def test_the_specification_explains(field: str) -> None:
    assert field in TEXT
