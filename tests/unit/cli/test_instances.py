"""`durakit instances` on a hub of this process: what is printed, what happens, how it exits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from durakit.history import history_from_json
from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy, when_any
from durakit.testing import InProcessTaskHub, replay

from .shell import Shell


async def order(ctx: OrchestrationContext, amount: int) -> str:
    ctx.set_custom_status("checking")
    await ctx.call_activity(check, input=amount)
    approval = ctx.wait_for_external_event("approval")
    await when_any([approval, ctx.create_timer(timedelta(hours=1))])
    return f"charged {amount}"


async def risky(ctx: OrchestrationContext, amount: int) -> bool:
    patience = RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=2)
    return await ctx.call_activity(decline, input=amount, retry_policy=patience)


async def parent(ctx: OrchestrationContext, _: None) -> str:
    return await ctx.call_sub_orchestrator(order, input=1, instance_id="child-1")


def check(ctx: ActivityContext, amount: int) -> bool:
    return True


def decline(ctx: ActivityContext, amount: int) -> bool:
    raise ValueError("card declined\nby the bank")


@pytest.fixture
def hub() -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(orchestrators=[order, risky, parent], activities=[check, decline]) as hub:
        yield hub


@pytest.fixture
def shell(
    hub: InProcessTaskHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell(hub, monkeypatch, capsys)


def begin(hub: InProcessTaskHub, *ids: str, amount: int = 5) -> None:
    """Start orders and let them come to where they wait for approval."""
    for instance_id in ids:
        hub.client.schedule_new_orchestration(order, input=amount, instance_id=instance_id)
    hub.advance(timedelta(seconds=1))


def status_of(hub: InProcessTaskHub, instance_id: str) -> str:
    state = hub.client.get_orchestration_state(instance_id)
    return "none" if state is None else state.runtime_status.name.lower()


# --- list


def test_a_list_tells_what_each_instance_waits_for(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1")

    done = shell.run("list")

    assert done.lines == [
        "STATUS   NAME   ID    NOW                         STARTED   DURATION",
        "Running  order  po-1  A timer is due at 01:00:00  00:00:00    1.00 s",
    ]


def test_the_newest_come_first_and_a_limit_says_that_there_are_more(
    shell: Shell, hub: InProcessTaskHub
) -> None:
    for instance_id in ("po-1", "po-2", "po-3"):
        begin(hub, instance_id)

    done = shell.run("list", "--limit", "2")

    assert [line.split()[2] for line in done.lines[1:]] == ["po-3", "po-2"]
    assert done.err == "There are more; see --limit, or narrow it down.\n"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--status", "failed"], ["bad"]),
        (["--status", "failed", "--status", "running"], ["bad", "po-1", "po-2"]),
        (["--name", "ord*"], ["po-1", "po-2"]),
        (["--id", "po-"], ["po-1", "po-2"]),
        (["--tag", "region=eu"], ["po-2"]),
        (["--tag", "region"], ["po-2"]),
        (["--search", "DECLINED"], ["bad"]),
        (["--waiting", "timer"], ["po-1", "po-2"]),
        (["--to", "2026-01-01T00:00:02Z", "--id", "po"], ["po-1"]),
        (["--version", "2"], []),
    ],
)
def test_filters_of_the_dashboard_narrow_the_list(
    shell: Shell, hub: InProcessTaskHub, options: list[str], found: list[str]
) -> None:
    begin(hub, "po-1")
    hub.run(risky, input=1, instance_id="bad")
    hub.client.schedule_new_orchestration(order, input=1, instance_id="po-2", tags={"region": "eu"})
    hub.advance(timedelta(seconds=1))

    done = shell.run("list", "-o", "jsonl", *options)

    assert sorted(each["id"] for each in done.objects) == found


def test_a_time_may_be_relative_to_now(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1")

    assert [each["id"] for each in shell.run("list", "--from", "-520w", "-o", "jsonl").objects] == ["po-1"]


def test_an_empty_list_is_told_on_stderr(shell: Shell, hub: InProcessTaskHub) -> None:
    assert shell.run("list").err == "There are no instances in hub default at http://localhost:8080.\n"
    begin(hub, "po-1")
    assert shell.run("list", "--status", "failed").err == (
        "Nothing matches in hub default at http://localhost:8080.\n"
    )


def test_json_is_the_dashboards_twin(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1")

    told = shell.run("list", "-o", "json").json

    assert (told["hub"], told["notices"]) == ("default", [])
    (row,) = told["instances"]
    assert (row["id"], row["status"], row["createdAt"]) == ("po-1", "running", "2026-01-01T00:00:00Z")
    assert row["waiting"]["short"] == "A timer is due at 01:00:00"


@pytest.mark.parametrize("option", [["--status", "done"], ["--from", "yesterday"], ["--limit", "0"]])
def test_a_filter_that_is_none_is_wrong_usage(shell: Shell, option: list[str]) -> None:
    code, line = shell.refused("list", *option)

    assert code == 2
    assert line.startswith("durakit instances list: Invalid value")


def test_characters_that_act_on_a_terminal_are_shown_as_escapes(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "a\x1b[2Jb\u202e")

    assert "a\\u001b[2Jb\\u202e" in shell.run("list").out
    assert "\x1b" not in shell.run("list").out


# --- show


def test_show_says_why_and_prints_payloads_as_recorded(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1")

    assert shell.run("show", "po-1").lines == [
        "Running  order  po-1",
        "A timer is due at 01:00:00. It may also wait for an event; its worker does not tell.",
        "",
        "Started        00:00:00 UTC",
        "Duration       1.00 s",
        'Custom status  "checking"',
        "Turns          2, the last at 00:00:00 UTC",
        "",
        "Input  1 B",
        "5",
    ]


def test_show_prints_the_failure_chain_cause_first(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(risky, input=1, instance_id="bad")

    done = shell.run("show", "bad")

    chain = done.lines[done.lines.index("Failure chain, cause first") :]
    assert chain[1:4] == [
        "1. builtins.ValueError: card declined",
        "   in activity decline, attempt 2 of 2",
        "   by the bank",
    ]
    assert any(line.startswith("2. durakit.task.TaskFailedError: ") for line in chain)
    assert "   in orchestrator" in chain


def test_show_as_json_has_payloads_as_texts(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(risky, input=9007199254740993, instance_id="bad")

    told = shell.run("show", "bad", "-o", "json").json

    assert (told["status"], told["input"], told["output"]) == ("failed", "9007199254740993", None)
    assert told["failures"][0]["where"] == "activity decline, attempt 2 of 2"
    assert len(shell.run("show", "bad", "-o", "jsonl").lines) == 1


def test_long_payloads_are_cut_for_people_unless_they_ask(shell: Shell, hub: InProcessTaskHub) -> None:
    text = json.dumps("x" * 5000)
    shell.run("start", "order", "--id", "long", "--input", text)

    assert "… 1,002 more characters; --full prints them." in shell.run("show", "long").lines
    assert text in shell.run("show", "long", "--full").lines


@pytest.mark.parametrize(
    "command", ["show", "history", "wait", "watch", "suspend", "purge", "rewind", "restart"]
)
def test_an_unknown_id_exits_with_4(shell: Shell, command: str) -> None:
    code, line = shell.refused(command, "nope")

    assert code == 4
    assert line.startswith(f"durakit instances {command}: ")
    assert "nope" in line


# --- history


def test_a_history_is_a_table_of_events_with_their_pairs(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(risky, input=1, instance_id="bad")

    lines = shell.run("history", "bad").lines

    assert lines[0].split() == ["#", "TIME", "EVENT", "DETAIL", "SIZE", "PAIR"]
    assert any("Activity failed" in line and "decline attempt 2" in line for line in lines)
    assert sum("Turn " in line for line in lines) == 4
    assert len(shell.run("history", "bad", "--all").lines) > len(lines)


def test_a_history_as_json_is_what_replay_takes(shell: Shell, hub: InProcessTaskHub, tmp_path: Path) -> None:
    hub.run(risky, input=1, instance_id="bad")
    file = tmp_path / "bad.history.json"
    file.write_text(shell.run("history", "bad", "-o", "json").out)

    assert replay(risky, file)
    assert history_from_json(file.read_text()).status == "FAILED"
    assert len(shell.run("history", "bad", "-o", "jsonl").objects) == len(
        hub.client.get_orchestration_history("bad")
    )


# --- start, raise


def test_start_prints_the_id_alone(shell: Shell, hub: InProcessTaskHub) -> None:
    done = shell.run("start", "order", "--id", "po-1", "--input", "5", "--tag", "region=eu", "--version", "2")

    assert (done.code, done.out, done.err) == (0, "po-1\n", "")
    state = hub.client.get_orchestration_state("po-1")
    assert state is not None
    assert (state.serialized_input, state.tags) == ("5", {"region": "eu"})
    assert status_of(hub, shell.run("start", "order").lines[0]) == "pending"


def test_input_may_come_from_a_file_or_stdin(shell: Shell, hub: InProcessTaskHub, tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text('{"item": "lamp"}\n')

    shell.run("start", "order", "--id", "a", "--input", "@order.json")
    shell.run("start", "order", "--id", "b", "--input", "-", typed='["lamp"]\n')

    assert shell.run("show", "a", "-o", "json").json["input"] == '{"item": "lamp"}'
    assert shell.run("show", "b", "-o", "json").json["input"] == '["lamp"]'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a" 1}', "Line 1, column 6: a colon is missing before 1. Nothing was sent."),
        ('{"a": 1,\n "b" 2}', "Line 2, column 6: a colon is missing before 2."),
        ("[1, 2", "Line 1, column 6: the text ends before the value does."),
        ("hello", "A text needs double quotes of its own: '\"hello\"'."),
        ("NaN", "JSON has no NaN."),
        ("@gone.json", "gone.json cannot be read: No such file or directory."),
    ],
)
def test_json_is_checked_before_it_is_sent(shell: Shell, hub: InProcessTaskHub, text: str, told: str) -> None:
    code, line = shell.refused("start", "order", "--input", text)

    assert code == 2
    assert told in line
    assert hub.client.get_all_orchestration_states() == []


def test_a_taken_id_is_one_line(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1")

    code, line = shell.refused("start", "order", "--id", "po-1")

    assert code == 1
    assert line.startswith("durakit instances start: ")
    assert "po-1" in line


def test_start_can_wait_for_the_result(shell: Shell) -> None:
    done = shell.run("start", "order", "--id", "po-1", "--input", "5", "--wait")

    assert (done.code, done.out, done.err) == (0, '"charged 5"\n', "Started order po-1\n")


def test_raise_delivers_the_event(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1")

    assert shell.run("raise", "po-1", "approval", "--data", "true").out == "Raised approval for po-1.\n"

    hub.run_until_idle()
    assert status_of(hub, "po-1") == "completed"


def test_an_event_that_comes_too_late_changes_nothing(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(order, input=5, instance_id="po-1")

    code, line = shell.refused("raise", "po-1", "approval")

    assert code == 1
    assert line == (
        "durakit instances raise: po-1 completed at 01:00:00, before your event arrived. Nothing was changed."
    )


# --- wait


def test_wait_prints_the_output_as_recorded(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1")

    done = shell.run("wait", "po-1")

    assert (done.code, done.out, done.err) == (0, '"charged 5"\n', "")


def test_wait_says_how_it_ended_by_exit_code_and_line(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(risky, input=1, instance_id="bad")
    begin(hub, "po-1")
    shell.run("terminate", "po-1", "--reason", "wrong file")
    hub.run_until_idle()

    assert shell.refused("wait", "bad") == (
        1,
        "durakit instances wait: bad failed: ValueError: card declined",
    )
    code, line = shell.refused("wait", "po-1")
    assert code == 1
    assert line.startswith("durakit instances wait: po-1 was terminated ")
    assert line.endswith(": wrong file")
    assert shell.run("wait", "bad", "-o", "json").json["status"] == "failed"


def test_when_time_is_over_the_exit_code_is_3(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "stuck")
    shell.run("suspend", "stuck")

    code, line = shell.refused("wait", "stuck", "--timeout", "10ms")

    assert code == 3
    assert "stuck" in line


@pytest.mark.parametrize("text", ["0", "soon", "-5", "5 weeks"])
def test_a_timeout_that_is_none_is_wrong_usage(shell: Shell, text: str) -> None:
    assert shell.refused("wait", "po-1", "--timeout", text)[0] == 2


# --- suspend, resume, terminate, purge


def test_acts_on_several_ids_tell_each(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1", "po-2")

    done = shell.run("suspend", "po-1", "nope", "po-2", "--reason", "stock-take")

    assert done.out == "Suspended po-1.\nSuspended po-2.\n"
    assert done.err == "durakit instances suspend: There is no instance nope in hub default.\n"
    assert done.code == 4
    assert [status_of(hub, each) for each in ("po-1", "po-2")] == ["suspended", "suspended"]
    told = shell.run("resume", "po-1", "po-2", "-o", "jsonl").objects
    assert told == [{"id": "po-1", "done": True}, {"id": "po-2", "done": True}]
    assert status_of(hub, "po-1") == "running"


def test_a_filter_without_yes_changes_nothing_where_nobody_can_be_asked(
    shell: Shell, hub: InProcessTaskHub
) -> None:
    begin(hub, "po-1", "po-2")

    code, line = shell.refused("terminate", "--name", "order")

    assert code == 2
    assert line == (
        "durakit instances terminate: This would terminate 2 instances: po-2, po-1. Say --yes to do it. "
        "Nothing was changed."
    )
    assert status_of(hub, "po-1") == "running"


def test_a_person_is_asked(shell: Shell, hub: InProcessTaskHub, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(hub, "po-1")
    asked: list[str] = []
    monkeypatch.setattr("click.confirm", lambda text, **options: asked.append(text))

    done = shell.run("terminate", "--all", on_terminal=True)

    assert asked == ["Terminate 1 instance: po-1?"]
    assert done.out == "Terminated 1 instance.\n"


def test_a_filter_leaves_alone_what_cannot_be_acted_upon(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(risky, input=1, instance_id="bad")
    begin(hub, "po-1", "po-2")

    done = shell.run("purge", "--all", "--yes")

    assert (done.code, done.out) == (0, "Purged 1 instance.\n")
    assert [status_of(hub, each) for each in ("bad", "po-1", "po-2")] == ["none", "running", "running"]
    done = shell.run("purge", "--all", "--yes")
    assert (done.code, done.err) == (0, "Nothing matches that could be purged. Nothing was changed.\n")


def test_a_running_instance_is_not_purged_and_why(shell: Shell, hub: InProcessTaskHub) -> None:
    begin(hub, "po-1")

    code, line = shell.refused("purge", "po-1")

    assert code == 1
    assert "po-1" in line
    assert status_of(hub, "po-1") == "running"


def test_purge_takes_children_along_unless_told_otherwise(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(parent, instance_id="p-1")
    assert shell.run("purge", "p-1").out == "Purged p-1, and 1 child.\n"
    assert status_of(hub, "child-1") == "none"

    hub.run(parent, instance_id="p-2")
    assert shell.run("purge", "p-2", "--no-recursive").out == "Purged p-2.\n"
    assert status_of(hub, "child-1") == "completed"


@pytest.mark.parametrize("arguments", [[], ["po-1", "--all"], ["po-1", "--status", "failed"]])
def test_ids_or_a_filter(shell: Shell, arguments: list[str]) -> None:
    code, line = shell.refused("purge", *arguments)

    assert code == 2
    assert line.endswith("See durakit instances purge --help.")


def test_a_status_in_which_it_cannot_be_done_is_wrong_usage(shell: Shell) -> None:
    code, line = shell.refused("purge", "--status", "running")

    assert code == 2
    assert (
        line
        == "durakit instances purge: Only instances that are completed, failed, terminated can be purged."
    )


# --- rewind, restart


def test_a_failed_instance_is_rewound(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(risky, input=1, instance_id="bad")
    hub.replace_activity(decline, lambda ctx, amount: True)

    assert shell.run("rewind", "bad", "--reason", "the bank is back").out == "Rewound bad.\n"

    hub.run_until_idle()
    assert status_of(hub, "bad") == "completed"


def test_restart_prints_the_id_and_takes_another_input(shell: Shell, hub: InProcessTaskHub) -> None:
    hub.run(order, input=5, instance_id="po-1")

    assert shell.run("restart", "po-1", "--input", "6").out == "po-1\n"
    assert shell.run("wait", "po-1").out == '"charged 6"\n'
    other = shell.run("restart", "po-1", "--new-id", "-o", "json").json["id"]
    assert other != "po-1"
    assert shell.run("wait", other).out == '"charged 6"\n'


# --- help


def test_every_command_documents_its_exit_codes(shell: Shell) -> None:
    commands = "list show history wait watch start raise suspend resume terminate restart rewind purge"
    for command in commands.split():
        text = shell.run(command, "--help").out
        assert "Exit codes: 0 done" in text, command


def test_a_missing_command_is_one_line(shell: Shell) -> None:
    assert shell.refused() == (2, "durakit instances: Missing command. See durakit instances --help.")
