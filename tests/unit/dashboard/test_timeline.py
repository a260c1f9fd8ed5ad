from __future__ import annotations

import re

from durakit.dashboard import timeline, timeline_svg
from durakit.dashboard.timeline_rows import Row

from .histories import Script
from .scenes import fan_out, ns, purchase_order, scene


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.name: row for row in rows}


def shapes(row: Row) -> list[str]:
    return [mark.shape for mark in row.marks]


def test_rows_stand_in_the_order_of_scheduling_below_the_orchestrations_own() -> None:
    drawn = timeline.build(scene(purchase_order()), ns(207))

    assert [row.name for row in drawn.rows] == [
        "purchase_order",
        "validate_order",
        "check_budget",
        "request_approval",
        "timer of 15 min",
    ]


def test_a_retried_call_is_one_row_with_its_attempts() -> None:
    check = by_name(timeline.build(scene(purchase_order()), ns(207)).rows)["check_budget"]

    assert shapes(check) == ["bar", "cross", "dots", "bar"]
    assert [mark.tone for mark in check.marks if mark.shape == "bar"] == ["failed", "completed"]
    assert check.label is not None
    assert check.label.text == "2nd attempt worked"


def test_a_pending_retry_counts_down() -> None:
    script = Script()
    task_id = script.call("charge_card", "1")
    script.end_turn().at(1).turn().failed(task_id)
    script.timer(6)
    script.end_turn()

    charge = by_name(timeline.build(scene(script), ns(3)).rows)["charge_card"]

    assert charge.label is not None
    assert (charge.label.text, charge.label.due_ns) == ("attempt 2 in 3 s", ns(6))
    assert charge.status == "running"


def test_a_call_that_failed_for_good_names_its_error() -> None:
    script = Script()
    task_id = script.call("charge_card")
    script.end_turn().at(1).turn().failed(task_id, "billing.CardDeclined", "no funds").end_turn().ended(3)

    charge = by_name(timeline.build(scene(script, "failed"), ns(9)).rows)["charge_card"]

    assert charge.label is not None
    assert (charge.label.text, charge.label.tone) == ("CardDeclined", "failed")
    assert charge.error == "billing.CardDeclined: no funds"
    assert shapes(charge) == ["bar", "cross"]


def test_queue_time_is_an_outline_before_the_bar() -> None:
    script = Script()
    script.call("ship")
    script.end_turn()

    ship = by_name(timeline.build(scene(script, taken={1: 2.0}), ns(4)).rows)["ship"]

    assert shapes(ship) == ["queued", "bar", "end"]


def test_an_activity_that_nobody_took_is_queued_where_that_is_known() -> None:
    script = Script()
    for name in ("ship", "print_label"):
        script.call(name)
    script.end_turn()

    label = by_name(timeline.build(scene(script, taken={1: 0.5}), ns(4)).rows)["print_label"]

    assert (shapes(label), label.status) == (["queued"], "pending")


def test_an_open_timer_is_dotted_from_now_on_and_ends_in_a_hollow_diamond() -> None:
    timer = by_name(timeline.build(scene(purchase_order()), ns(207)).rows)["timer of 15 min"]

    assert shapes(timer) == ["line", "dots", "due"]
    assert timer.label is not None
    assert timer.label.text == "in 11 min 35 s"


def test_a_timer_that_an_ended_orchestration_left_open_is_cut() -> None:
    script = purchase_order().at(10).turn().raised("approval").end_turn().ended(1)

    timer = by_name(timeline.build(scene(script, "completed"), ns(207)).rows)["timer of 15 min"]

    assert (shapes(timer)[-1], timer.status) == ("stop", "cancelled")


def test_an_awaited_event_is_dotted_up_to_now() -> None:
    drawn = timeline.build(scene(purchase_order(), awaited=("approval",)), ns(207))

    approval = by_name(drawn.rows)["approval"]

    assert shapes(approval) == ["dots", "open"]
    assert approval.label is not None
    assert approval.label.text == "waiting"


def test_waiting_for_minutes_leaves_the_seconds_of_work_visible() -> None:
    drawn = timeline.build(scene(purchase_order()), ns(207))

    assert len(drawn.gaps) == 2
    check = by_name(drawn.rows)["check_budget"]
    assert sum(mark.width for mark in check.marks) > 20


def test_one_to_one_shows_idle_time_in_full() -> None:
    assert timeline.build(scene(purchase_order()), ns(207), leave_out_idle=False).gaps == []


def test_a_chosen_range_fills_the_width_and_counts_what_it_leaves_out() -> None:
    drawn = timeline.build(scene(purchase_order()), ns(207), from_ns=ns(0.5), to_ns=ns(2.5))

    assert drawn.is_zoomed
    assert "validate_order" not in by_name(drawn.rows)
    assert drawn.outside == 2
    assert timeline.build(scene(purchase_order()), ns(207), from_ns=ns(9), to_ns=ns(1)).outside == 0


def test_a_failed_child_is_red_and_leads_to_itself() -> None:
    script = Script()
    task_id = script.child("charge_order", "batch-77:0003")
    script.end_turn().at(2).turn().child_failed(task_id).end_turn()

    child = by_name(timeline.build(scene(script), ns(9)).rows)["charge_order"]

    assert (child.status, child.instance_id, child.note) == ("failed", "batch-77:0003", "batch-77:0003")
    assert child.marks[0].tone == "failed"


def test_steps_of_children_stand_below_their_callers() -> None:
    script = Script("process_orders")
    script.child("ship_order", "c1")
    script.call("notify")
    script.end_turn()
    inner = Script("ship_order")
    inner.call("print_label")
    child = scene(inner.end_turn(), instance_id="c1", name="ship_order")
    parent = scene(script, children={3: child})

    drawn = timeline.build(parent, ns(2), chosen="3.3")

    assert [(row.name, row.key, row.depth) for row in drawn.rows[1:]] == [
        ("ship_order", "3", 0),
        ("print_label", "3.3", 1),
        ("notify", "4", 0),
    ]
    assert drawn.chosen is not None
    assert drawn.chosen.name == "print_label"
    assert drawn.steps == 3


def test_twenty_calls_of_one_name_keep_their_rows_and_twenty_one_join() -> None:
    assert len(timeline.build(scene(fan_out(20, 0)), ns(1)).rows) == 21

    joined = timeline.build(scene(fan_out(21, 0)), ns(1)).rows
    assert [f"{row.name} {row.note}" for row in joined[1:]] == ["hash_file × 21", "21 running oldest 1 s: #3"]


def test_a_joined_row_shows_how_many_are_in_flight() -> None:
    drawn = timeline.build(scene(fan_out(100, 60)), ns(9))

    crowd = drawn.rows[1]
    (area,) = crowd.marks
    assert area.shape == "area"
    assert crowd.label is not None
    assert crowd.label.text == "40 in flight, peak 100"
    assert max(height for _, height in area.points) == 1.0


def test_failures_among_thousands_are_rows_of_their_own() -> None:
    script = fan_out(100, 98)
    script.at(20).turn().failed(99, "OSError", "disk full").end_turn()

    rows = timeline.build(scene(script), ns(30)).rows

    failed = [row for row in rows if row.status == "failed"]
    assert [(row.name, row.depth, row.error) for row in failed] == [("hash_file", 1, "OSError: disk full")]


def test_the_slowest_of_a_crowd_are_rows_when_they_are_wanted() -> None:
    script = fan_out(100, 60)
    script.at(20).turn().completed(61).end_turn()
    plain = timeline.build(scene(script), ns(30)).rows
    crowd = plain[1]

    rows = timeline.build(scene(script), ns(30), slow=crowd.key).rows
    other = timeline.build(scene(script), ns(30), slow="all-nobody").rows

    slowest = rows[len(plain) :]
    assert len(slowest) == 20
    assert len({row.key for row in rows}) == len(rows)
    lengths = [row.length_ns(ns(30)) for row in slowest]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == max(row.length_ns(ns(30)) for row in rows[1:])
    assert len(other) == len(plain)


def test_the_slowest_do_not_repeat_what_failed() -> None:
    script = fan_out(100, 98)
    script.at(20).turn().failed(99, "OSError", "disk full").end_turn()
    crowd = timeline.build(scene(script), ns(30)).rows[1]

    rows = timeline.build(scene(script), ns(30), slow=crowd.key).rows

    assert len({row.key for row in rows}) == len(rows)


def test_no_history_makes_more_than_two_hundred_rows() -> None:
    script = Script()
    for number in range(600):
        script.call(f"step_{number % 300}")
    script.end_turn()

    drawn = timeline.build(scene(script), ns(1))

    assert len(drawn.rows) == timeline.MOST_ROWS
    assert drawn.left_out == 401


def test_twenty_thousand_events_make_a_small_page() -> None:
    drawn = timeline.build(scene(fan_out(5000, 4990)), ns(600))

    assert drawn.steps == 5000
    assert len(timeline_svg.document(drawn, "x")) < 150_000


def test_a_suspension_is_a_band_over_all_rows() -> None:
    script = purchase_order().at(150).turn()
    script._add().executionSuspended.input.value = "stock-take"

    (held,) = timeline.build(scene(script, "suspended"), ns(207)).held

    assert held.title == "suspended: stock-take"


def test_only_what_failed_is_drawn_for_a_failing_path() -> None:
    drawn = timeline.build(scene(purchase_order()), ns(207), only_failed=True)

    assert [row.name for row in drawn.rows] == ["purchase_order"]


def test_the_twin_has_stable_names() -> None:
    twin = timeline.build(scene(purchase_order()), ns(207)).as_json()

    assert twin["rows"][2] == {
        "key": "7",
        "kind": "activity",
        "name": "check_budget",
        "status": "completed",
        "depth": 0,
        "began": "2026-11-21T13:47:09.2Z",
        "ended": "2026-11-21T13:47:11.1Z",
        "durationMs": 1900.0,
        "attempts": 2,
        "error": None,
        "instanceId": None,
        "event": 7,
        "note": "",
        "text": "started 2026-11-21T13:47:09.2Z, completed, 2 attempts, took 1.90 s",
    }


def test_nothing_that_users_wrote_becomes_markup() -> None:
    script = Script()
    task_id = script.call("</text><script>alert(1)</script>")
    script.end_turn().at(1).turn().failed(task_id, "<b>&", "x").end_turn()
    drawn = timeline.build(scene(script, name="<i>"), ns(2))

    picture = timeline_svg.document(drawn, "<title>")

    assert not re.search(r"<(script|b|i)>", picture)
    assert "&lt;script&gt;" in picture


def test_an_instance_without_history_has_its_own_row() -> None:
    empty = Script()
    empty.events.clear()

    drawn = timeline.build(scene(empty, "pending"), ns(3))

    assert [row.kind for row in drawn.rows] == ["orchestration"]
