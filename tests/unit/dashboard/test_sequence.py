from __future__ import annotations

import re

from durakit.dashboard import mermaid, sequence, sequence_svg
from durakit.dashboard.sequence import Message

from .histories import Script
from .scenes import fan_out, ns, purchase_order, scene


def said(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message.style, message.text) for message in messages]


def test_messages_stand_in_the_order_of_the_history() -> None:
    drawn = sequence.build(scene(purchase_order(), awaited=("approval",)), ns(207))

    assert said(drawn.messages) == [
        ("call", "start"),
        ("call", '{"amount": 4820.0}'),
        ("back", "true"),
        ("call", "attempt 1"),
        ("failed", "ConnectionError"),
        ("loop", "timer 1.00 s"),
        ("call", "attempt 2"),
        ("back", '{"left": 20000}'),
        ("call", '"dana"'),
        ("back", '"mail-88213"'),
        ("loop", "timer 15 min"),
        ("wait", "waiting for event approval, or timer 14:02:11"),
    ]


def test_columns_come_in_order_of_first_use() -> None:
    drawn = sequence.build(scene(purchase_order()), ns(207))

    assert [(column.name, column.note) for column in drawn.columns] == [
        ("Outside", ""),
        ("purchase_order", "po-1042"),
        ("validate_order", "activity"),
        ("check_budget", "activity"),
        ("request_approval", "activity"),
    ]


def test_parallel_calls_of_one_name_are_one_arrow_each_way() -> None:
    drawn = sequence.build(scene(fan_out(24, 24)), ns(9))

    assert said(drawn.messages)[1:3] == [("call", "24 calls"), ("back", "24 results, 0.1 to 2.4 s")]


def test_calls_can_be_told_apart() -> None:
    drawn = sequence.build(scene(fan_out(3, 3)), ns(9), join=False)

    assert [style for style, _ in said(drawn.messages)] == ["call"] * 4 + ["back"] * 3


def test_failures_among_joined_calls_are_told_one_by_one() -> None:
    script = fan_out(3, 2)
    script.at(9).turn().failed(3, "OSError").end_turn()

    drawn = sequence.build(scene(script), ns(10))

    assert ("failed", "OSError") in said(drawn.messages)
    assert ("back", "2 results, 100 ms to 200 ms") in said(drawn.messages)


def test_an_event_comes_from_outside() -> None:
    drawn = sequence.build(scene(purchase_order().at(120).turn().raised("approval").end_turn()), ns(207))

    (event,) = [message for message in drawn.messages if message.text == "approval"]
    assert (event.source, event.target, event.style) == ("outside", "self", "call")


def test_the_end_goes_outside() -> None:
    drawn = sequence.build(scene(fan_out(1, 1).ended(1), "completed"), ns(9))

    assert (drawn.messages[-1].source, drawn.messages[-1].target) == ("self", "outside")
    assert drawn.messages[-1].text == "completed"
    assert drawn.activations[0].last == len(drawn.messages) - 1


def test_the_least_used_columns_join() -> None:
    script = Script()
    for number in range(12):
        for _ in range(1 if number > 6 else 2):
            script.call(f"step_{number}")
            script.end_turn().turn()

    drawn = sequence.build(scene(script), ns(1))

    assert drawn.columns[-1].name == "5 more activities"
    assert len(drawn.columns) == 2 + sequence.MOST_COLUMNS
    assert {message.target for message in drawn.messages} <= {column.key for column in drawn.columns}


def test_a_long_history_keeps_its_beginning_and_its_end() -> None:
    script = Script()
    for number in range(500):
        task_id = script.call("poll")
        script.end_turn().at(number + 1).turn().completed(task_id, str(number))

    drawn = sequence.build(scene(script), ns(501))

    assert drawn.left_out == 701
    assert len(drawn.messages) == sequence.MOST_MESSAGES + 1
    assert ("gap", "701 messages left out") in said(drawn.messages)
    assert drawn.messages[-1].text == "499"


def test_a_child_that_is_told_has_its_own_calls() -> None:
    script = Script("process_orders")
    script.child("ship_order", "c1")
    inner = Script("ship_order")
    inner.at(1).call("print_label")
    child = scene(inner.end_turn(), instance_id="c1", name="ship_order")

    drawn = sequence.build(scene(script.end_turn(), children={3: child}), ns(2))

    calls = [(message.source, message.target) for message in drawn.messages if message.style == "call"]
    assert calls == [
        ("outside", "self"),
        ("self", "child:c1"),
        ("child:c1", "child:c1/activity:print_label"),
    ]


def test_mermaid_says_the_same() -> None:
    told = mermaid.text(sequence.build(scene(purchase_order()), ns(207))).splitlines()

    assert told[0] == "sequenceDiagram"
    assert "    participant p3 as check_budget" in told
    assert "    p3--xp1: ConnectionError" in told
    assert "    Note over p1: timer 1.00 s" in told


def test_mermaid_says_what_was_left_out_in_a_comment() -> None:
    script = Script()
    for number in range(500):
        script.at(number).turn().raised("tick")

    told = mermaid.text(sequence.build(scene(script), ns(501)))

    assert "    %% 201 messages left out" in told


def test_nothing_that_users_wrote_is_syntax_for_mermaid() -> None:
    hostile = 'a; b #1 "q"\nend : %%{init} <script>'

    told = mermaid.escaped(hostile)

    assert not re.search(r"[;\"\n<>%{}:]", re.sub(r"#\d+;", "", told))
    assert "\n" not in told


def test_nothing_that_users_wrote_becomes_markup() -> None:
    script = Script()
    script.call("</svg><script>alert(1)</script>", "<img src=x>")

    picture = sequence_svg.document(sequence.build(scene(script.end_turn(), name="<b>"), ns(1)))

    assert not re.search(r"<(script|img|b)\b", picture)
