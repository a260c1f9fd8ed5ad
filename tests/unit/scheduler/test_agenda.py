"""What is due later, and what need not be kept that long."""

from __future__ import annotations

from durakit.scheduler.agenda import SMALLEST_SWEEP, Agenda


def test_actions_run_when_due_in_order_of_time_then_of_adding() -> None:
    agenda = Agenda()
    ran: list[str] = []
    agenda.add(20, lambda now: ran.append(f"late at {now}"))
    agenda.add(10, lambda now: ran.append("first"))
    agenda.add(10, lambda now: ran.append("second"))

    assert agenda.run(9) is False
    assert agenda.run(15) is True
    assert ran == ["first", "second"]
    assert agenda.next_due_ns == 20


def test_what_no_longer_means_anything_is_dropped_before_it_is_due() -> None:
    agenda = Agenda()
    for round_number in range(20 * SMALLEST_SWEEP):
        agenda.add(10**18 + round_number, lambda now: None, lambda: False)

    assert len(agenda) < SMALLEST_SWEEP


def test_a_sweep_drops_nothing_that_still_means_something() -> None:
    agenda = Agenda()
    ran: list[int] = []
    for number in range(3 * SMALLEST_SWEEP):
        alive = number % 2 == 0
        agenda.add(number, lambda now, n=number: ran.append(n), lambda alive=alive: alive)  # type: ignore[misc]

    agenda.run(10 * SMALLEST_SWEEP)

    assert [number for number in ran if number % 2 == 0] == list(range(0, 3 * SMALLEST_SWEEP, 2))
