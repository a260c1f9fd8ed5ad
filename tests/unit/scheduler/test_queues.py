from __future__ import annotations

from collections.abc import Callable

from durakit.scheduler.queues import WorkQueue
from durakit.scheduler.streams import Key

RED, BLUE = ("red", ""), ("blue", "")


def queue_of(*items: tuple[Key, int]) -> WorkQueue[int]:
    """Each item has an owner of its own."""
    queue: WorkQueue[int] = WorkQueue()
    for key, item in items:
        queue.push(key, item, owner=item)
    return queue


def drained(queue: WorkQueue[int], accepted: Callable[[Key], bool]) -> list[int]:
    """Take all that is accepted, in the order in which it was offered."""
    taken: list[int] = []

    def place(key: Key, item: int) -> bool:
        if accepted(key):
            taken.append(item)
        return accepted(key)

    queue.drain(place)
    return taken


def test_whoever_waits_longest_goes_first_across_names() -> None:
    queue = queue_of((RED, 1), (BLUE, 2), (RED, 3), (BLUE, 4))

    assert drained(queue, lambda key: True) == [1, 2, 3, 4]


def test_what_nobody_takes_stays_and_does_not_block_others() -> None:
    """Semantics 2.2 rule 5."""
    queue = queue_of((RED, 1), (BLUE, 2), (RED, 3), (BLUE, 4))

    assert drained(queue, lambda key: key == BLUE) == [2, 4]
    assert list(queue.waiting()) == [(RED, 2)]


def test_a_line_whose_head_is_not_taken_is_left_alone_for_the_round() -> None:
    queue = queue_of((RED, 1), (RED, 2))
    offered: list[int] = []

    def refuse(key: Key, item: int) -> bool:
        offered.append(item)
        return False

    queue.drain(refuse)

    assert offered == [1]


def test_versions_of_one_name_wait_in_lines_of_their_own() -> None:
    queue = queue_of((("red", "1"), 1), (("red", "2"), 2))

    assert drained(queue, lambda key: key[1] == "2") == [2]


def everything(queue: WorkQueue[str]) -> str:
    taken: list[str] = []

    def place(key: Key, item: str) -> bool:
        taken.append(item)
        return True

    queue.drain(place)
    return " ".join(taken)


def test_owners_take_turns_and_items_of_one_keep_their_order() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for item in ("a1", "a2", "a3", "b1", "b2", "c1"):
        queue.push(RED, item, owner=item[0])

    assert everything(queue) == "a1 b1 c1 a2 b2 a3"


def test_owners_take_turns_across_names() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for number in range(3):
        queue.push(RED, f"a{number}", owner="a")
    queue.push(BLUE, "b0", owner="b")

    assert everything(queue) == "a0 b0 a1 a2"


def test_a_newcomer_waits_for_nobody_however_many_came_before() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for number in range(10):
        queue.push(RED, f"a{number}", owner="a")
    room = 4

    def place(key: Key, item: str) -> bool:
        nonlocal room
        room -= 1
        return room >= 0

    queue.drain(place)
    queue.push(RED, "b0", owner="b")

    assert everything(queue) == "b0 a4 a5 a6 a7 a8 a9"


def test_an_owner_that_was_served_often_before_is_not_held_back_for_it() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(5):
        queue.push(RED, "a", owner="a")
        everything(queue)
    queue.push(RED, "a", owner="a")
    queue.push(RED, "b", owner="b")

    assert everything(queue) == "a b"


def test_owners_that_have_nothing_here_any_more_are_forgotten() -> None:
    queue: WorkQueue[int] = WorkQueue()
    for number in range(5):
        queue.push(BLUE, number, owner="stays")
    for number in range(10_000):
        queue.push(RED, number, owner=number)
        queue.drain(lambda key, item: key == RED)
        if number % 100 == 0:
            queue.push(RED, 0, owner="comes back")
            queue.push(RED, 0, owner="comes back")

    assert len(queue._next) <= 2 * 1024


def test_who_has_waited_longest_is_told_though_others_may_leave_first() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for number in range(3):
        queue.push(RED, f"a{number}", owner="a")
    queue.drain(lambda key, item: item == "a0")
    queue.push(RED, "b0", owner="b")

    assert queue.first(RED, 10) == ["b0", "a1", "a2"]
    assert queue.oldest() == [(RED, 3, "a1")]


def test_an_empty_queue_offers_nothing() -> None:
    assert drained(queue_of(), lambda key: True) == []
