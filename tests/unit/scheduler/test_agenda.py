from __future__ import annotations

from durakit.scheduler.agenda import Agenda


def test_actions_run_when_they_are_due_in_order_of_time_then_of_entry() -> None:
    agenda = Agenda()
    ran: list[str] = []
    agenda.add(20, lambda now: ran.append(f"late at {now}"))
    agenda.add(10, lambda now: ran.append("first"))
    agenda.add(10, lambda now: ran.append("second"))

    early = agenda.run(9)
    next_due = agenda.next_due_ns
    on_time = agenda.run(10)

    assert (early, on_time) == (False, True)
    assert next_due == 10
    assert ran == ["first", "second"]
    assert agenda.next_due_ns == 20


def test_an_action_may_add_another_that_is_due_too() -> None:
    agenda = Agenda()
    ran: list[int] = []
    agenda.add(1, lambda now: agenda.add(2, ran.append))

    agenda.run(5)

    assert ran == [5]


def test_an_empty_agenda_has_no_next_time() -> None:
    assert Agenda().next_due_ns is None
