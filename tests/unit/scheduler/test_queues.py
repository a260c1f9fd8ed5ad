from __future__ import annotations

from collections.abc import Callable

from durakit.scheduler.queues import WorkQueue
from durakit.scheduler.streams import Key

RED, BLUE = ("red", ""), ("blue", "")


def queue_of(*items: tuple[Key, int]) -> WorkQueue[int]:
    queue: WorkQueue[int] = WorkQueue()
    for key, item in items:
        queue.push(key, item)
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


def test_an_empty_queue_offers_nothing() -> None:
    assert drained(queue_of(), lambda key: True) == []
