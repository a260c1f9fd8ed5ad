"""What a peer is known not to do, with the reason; `semantics.md` of the protocol has the evidence.

Each entry excuses one scenario for the pairs it names. An excused scenario runs nevertheless and must fail
(so an entry that is no longer true is noticed), unless `hangs` says that it would only wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .peers import Pair


def theirs_works(pair: Pair) -> bool:
    """The worker is PyPI's `durabletask`."""
    return pair.worker.package == "durabletask"


def on_theirs(pair: Pair) -> bool:
    """The backend is PyPI's in-memory one."""
    return pair.backend == "durabletask"


@dataclass(frozen=True)
class Limitation:
    """One scenario that a peer cannot do.

    Attributes:
        scenario: name of the test function.
        applies: to which pairs.
        reason: what the peer lacks, and where it is known from.
        hangs: the scenario would wait for what never comes, so it is not run.
    """

    scenario: str
    applies: Callable[[Pair], bool]
    reason: str
    hangs: bool = False


LIMITATIONS: tuple[Limitation, ...] = (
    Limitation(
        "test_an_empty_fan_out_completes_with_an_empty_list",
        theirs_works,
        "durabletask 1.12 never completes when_all([]) (semantics 3.14, trap 5)",
        hangs=True,
    ),
    Limitation(
        "test_a_history_larger_than_a_message_still_replays",
        theirs_works,
        "durabletask 1.12 receives messages up to 4 MiB unless told otherwise, and cannot stream histories "
        "(semantics 2.7 rule 4)",
        hangs=True,
    ),
    Limitation(
        "test_a_child_returns_its_result_and_knows_its_parent",
        on_theirs,
        "the in-memory backend does not tell a child who its parent is",
    ),
    Limitation(
        "test_terminating_a_parent_recursively_terminates_its_children",
        on_theirs,
        "the in-memory backend does not terminate recursively (semantics 1.7 rule 2)",
        hangs=True,
    ),
    Limitation(
        "test_purging_a_parent_recursively_purges_its_children",
        on_theirs,
        "the in-memory backend does not purge recursively",
    ),
    Limitation(
        "test_a_pending_instance_can_be_terminated_without_any_worker",
        on_theirs,
        "the in-memory backend needs a worker to terminate (semantics 3.12 rule 1)",
        hangs=True,
    ),
    Limitation(
        "test_tags_are_recorded_in_history",
        on_theirs,
        "the in-memory backend records no tags of activities",
    ),
)
