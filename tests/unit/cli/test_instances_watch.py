"""`durakit instances watch`: a drawing on a terminal, lines when piped, JSON for programs."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
from durakit.cli.instances import following, waiting
from durakit.cli.instances.drawing import bar_of, draw
from durakit.cli.instances.following import LineFollower
from durakit.cli.instances.telling import tell
from durakit.cli.output import Cell, Column, Output
from durakit.dashboard.instances import Instance
from durakit.dashboard.steps import digest
from durakit.dashboard.timeline_rows import Mark
from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy
from durakit.testing import InProcessTaskHub
from rich.console import Console

from ..dashboard.histories import Script
from ..dashboard.scenes import fan_out, ns, purchase_order, scene
from .shell import Shell


async def report(ctx: OrchestrationContext, _: None) -> str:
    patience = RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=2)
    await ctx.call_activity(read, retry_policy=patience)
    await ctx.create_timer(timedelta(minutes=5))
    return "done"


def read(ctx: ActivityContext) -> None:
    """Read something."""


@pytest.fixture
def hub() -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(orchestrators=[report], activities=[read]) as hub:
        yield hub


@pytest.fixture
def shell(
    hub: InProcessTaskHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    async def pass_time(seconds: float) -> None:
        hub.advance(timedelta(seconds=seconds))

    monkeypatch.setattr("asyncio.sleep", pass_time)
    return Shell(hub, monkeypatch, capsys)


def pieces(script: Script, status: str = "running") -> tuple[Instance, Script]:
    return Instance(scene(script, status).row), script


def picture(script: Script, at: float, *, status: str = "running", height: int = 40) -> list[str]:
    """Return the drawing as lines, so many seconds after the start."""
    instance, _ = pieces(script, status)
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(draw(instance, digest(script.events), ns(at), 100, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_piped_each_step_is_a_line_until_it_ends(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.faults.fail("read", call=1, error=ConnectionError("disk away"))
    hub.client.schedule_new_orchestration(report, instance_id="r-1")

    done = shell.run("watch", "r-1")

    assert (done.code, done.err) == (0, "")
    said = [line.partition("  ")[2] for line in done.lines if "Waiting for its first turn" not in line]
    assert said == [
        "report began",
        "activity read scheduled",
        "activity read failed: ConnectionError: disk away; next try at 00:00:01.000",
        "activity read scheduled, attempt 2",
        "activity read completed in 0 ms",
        "timer of 5 min set, due 00:05:01.000",
        "A timer is due at 00:05:01. It may also wait for an event; its worker does not tell.",
        "timer of 5 min fired",
        "Completed in 5 min 1 s.",
    ]


def test_ctrl_c_says_that_only_the_waiting_has_ended() -> None:
    stderr = io.StringIO()

    with pytest.raises(asyncio.CancelledError), waiting._interrupted(Output(stderr=stderr), "r-1"):
        raise asyncio.CancelledError

    assert stderr.getvalue() == "No longer waiting; r-1 goes on.\n"


def test_json_is_a_line_for_each_change(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.client.schedule_new_orchestration(report, instance_id="r-1")

    told = shell.run("watch", "r-1", "-o", "jsonl").objects

    assert [each["status"] for each in told] == ["pending", "running", "completed"]


def test_a_failed_instance_exits_with_1(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.faults.fail("read", error=ValueError("no such file"))
    hub.client.schedule_new_orchestration(report, instance_id="r-1")

    done = shell.run("watch", "r-1")

    assert done.code == 1
    assert done.err == "durakit instances watch: r-1 failed: ValueError: no such file\n"


def test_each_event_is_told_once_however_often_one_looks() -> None:
    script = purchase_order()
    steps = digest(script.events)
    everything = tell(steps)

    assert [told.number for told in everything] == sorted({told.number for told in everything})
    half = everything[3].number
    assert tell(steps, after=half) == everything[4:]
    assert tell(steps, after=everything[-1].number) == []


def test_a_new_generation_is_told_from_its_beginning() -> None:
    stdout = io.StringIO()
    follower = LineFollower(Output(stdout=stdout))
    instance, script = pieces(purchase_order())
    steps, again = digest(script.events), digest(script.events)
    steps.execution_id, again.execution_id = "first", "second"

    follower.see(instance, steps, ns(3))
    follower.see(instance, again, ns(3))

    lines = stdout.getvalue().splitlines()
    assert lines.index("              continued as new") == len(tell(steps))
    assert len(lines) == 2 * len(tell(steps)) + 1


def test_the_drawing_has_a_row_for_each_step_its_length_and_what_is_special() -> None:
    lines = picture(purchase_order(), at=218)

    assert lines[0] == "Running  purchase_order  po-1042"
    rows = {line.split("  ")[0].strip(): line for line in lines[1:] if line.strip()}
    assert "━" in rows["validate_order"]
    assert "·" in rows["check_budget"]
    assert rows["check_budget"].rstrip().endswith("2nd attempt worked")
    assert "◇" in rows["timer of 15 min"]
    assert "in 11 min" in rows["timer of 15 min"]


def test_a_low_terminal_shows_the_newest_rows_and_says_so() -> None:
    lines = picture(purchase_order(), at=218, height=12)

    assert "validate_order" not in "\n".join(lines)
    assert any("timer of 15 min" in line for line in lines)
    assert lines[-1] == "2 earlier rows not shown"


def test_thousands_of_calls_are_a_few_rows() -> None:
    lines = picture(fan_out(5000, 1200), at=130)

    assert len(lines) < 15
    assert any(set(line) & set("▁▂▃▄▅▆▇█") for line in lines)


def test_no_line_is_wider_than_the_terminal() -> None:
    assert max(map(len, picture(purchase_order(), at=218))) <= 100


def test_marks_keep_inside_the_bar() -> None:
    marks = [Mark("bar", 99.9, 5.0, "running"), Mark("cross", 100.0), Mark("life", 0.0, 0.0)]

    assert bar_of(marks, 10).plain == "─        ✗"


# --- output


def test_a_terminal_gets_colours_unless_it_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def printed() -> str:
        stdout = io.StringIO()
        out = Output(stdout=stdout, is_terminal=True)
        out.table([Column("Status"), Column("Now", may_shrink=True)], [[Cell("Failed", "failed"), "[red]x"]])
        return stdout.getvalue()

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31mFailed\x1b[0m" in printed()
    assert "[red]x" in printed()  # names are no markup
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in printed()


def test_on_a_terminal_the_timeline_is_drawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stdout = io.StringIO()
    instance, script = pieces(purchase_order())

    with following._live(Output(stdout=stdout, is_terminal=True)) as follower:
        follower.see(instance, digest(script.events), ns(3))
        follower.see(instance, digest(script.events), ns(4))

    assert stdout.getvalue().count("purchase_order") >= 2
    assert "\x1b[" in stdout.getvalue()


def test_numbers_stand_to_the_right_when_piped() -> None:
    stdout = io.StringIO()
    out = Output(stdout=stdout, is_terminal=False)

    out.table([Column("Hub"), Column("Size", is_number=True)], [["a", "12"], ["longer", "3"]])

    assert stdout.getvalue() == "HUB     SIZE\na         12\nlonger     3\n"
